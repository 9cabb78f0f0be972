//! What OpenSSL writes behind a certificate in its `TRUSTED CERTIFICATE` blocks: the usages that it is an
//! anchor for, and those that it is not (openssl-x509(1), -addtrust and -addreject).

use super::ber;

/// Usages as the content of DER object identifiers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// `None` where nothing is said of trust.
    trusted: Option<Vec<Vec<u8>>>,
    rejected: Vec<Vec<u8>>,
}

const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0];

/// The certificate, and what is said behind it; the whole where it cannot be told apart.
pub fn read(der: &[u8]) -> (&[u8], Marks) {
    let Ok((certificate, rest)) = ber::read(der) else {
        return (der, Marks::default());
    };
    let mut marks = Marks::default();
    if let Ok((said, _)) = ber::read(rest) {
        for field in ber::elements(said.content).map_while(Result::ok) {
            let usages = || {
                let usages = ber::elements(field.content).map_while(Result::ok);
                usages.map(|usage| usage.content.to_vec()).collect()
            };
            match field.tag {
                ber::SEQUENCE => marks.trusted = Some(usages()),
                ber::CONTEXT_0 => marks.rejected = usages(),
                _ => {}
            }
        }
    }
    (certificate.encoded, marks)
}

impl Marks {
    /// Whether it may be an anchor for `clientAuth` or `serverAuth`. Where usages are trusted, no others are.
    pub fn permit(&self, purpose: &str) -> bool {
        let wanted = match purpose {
            "serverAuth" => SERVER_AUTH,
            _ => CLIENT_AUTH,
        };
        let names =
            |usages: &Vec<Vec<u8>>| usages.iter().any(|usage| usage == wanted || usage == ANY);
        !names(&self.rejected) && self.trusted.as_ref().is_none_or(names)
    }

    /// Whether it is only said what it is no anchor for.
    pub fn only_reject(&self) -> bool {
        self.trusted.is_none() && !self.rejected.is_empty()
    }
}
