//! What OpenSSL writes behind a certificate in its `TRUSTED CERTIFICATE` blocks: the usages that it is an
//! anchor for, and those that it is not (openssl-x509(1), -addtrust and -addreject).

use super::ber;
use super::path::Usage;

/// Usages by their object identifiers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// `None` where nothing is said of trust.
    trusted: Option<Vec<String>>,
    rejected: Vec<String>,
}

const ANY: &str = "2.5.29.37.0";

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
                usages.map(|usage| ber::dotted(usage.content)).collect()
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
    /// Whether it may be an anchor for this. Where usages are trusted, no others are.
    pub fn permit(&self, wanted: Usage) -> bool {
        let names = |usages: &Vec<String>| {
            let mut usages = usages.iter();
            usages.any(|usage| usage == wanted.oid() || usage == ANY)
        };
        !names(&self.rejected) && self.trusted.as_ref().is_none_or(names)
    }

    /// Whether it is only said what it is no anchor for.
    pub fn only_reject(&self) -> bool {
        self.trusted.is_none() && !self.rejected.is_empty()
    }
}
