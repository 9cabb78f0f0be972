//! Signing requests (PKCS#10, RFC 2986) as they are shown to people: whatever can be read is read, and
//! nothing is refused. An authority that decides on one reads it with [`super::received`].

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::certificate::{KeyFacts, KeyUsage};
use super::facts;
use super::name::AltName;
use super::proof::{self, Proof};
use super::signature;
use super::usages::purposes;

/// What a request says.
#[derive(Clone, Debug)]
pub struct Csr {
    /// As people write it: `CN=app-server, O=Lab`.
    pub subject: String,
    pub names: Vec<AltName>,
    /// `None` when it has none.
    pub key_usage: Option<KeyUsage>,
    /// By name or OID; `None` when it has none.
    pub extended_key_usage: Option<Vec<String>>,
    pub asks_for_ca: bool,
    pub key: KeyFacts,
    /// DER `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// `ecdsa-with-SHA256`, or the OID.
    pub signature: String,
    /// Whether it was made with the key in the request.
    pub proof: Proof,
}

impl Csr {
    /// Reads one DER request; `None` when it is not one.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509CertificationRequest::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let content = &parsed.certification_request_info;
        let mut csr = Self {
            subject: facts::display_name(&content.subject),
            names: Vec::new(),
            key_usage: None,
            extended_key_usage: None,
            asks_for_ca: false,
            key: facts::key_facts(&content.subject_pki),
            spki: content.subject_pki.raw.to_vec(),
            signature: signature::name(&parsed.signature_algorithm),
            proof: proof::of(der, content.subject_pki.raw),
        };
        for extension in parsed.requested_extensions().into_iter().flatten() {
            csr.read_extension(extension);
        }
        Some(csr)
    }

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = names.general_names.iter().map(facts::alt_name).collect();
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(usage.into()),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(purposes(usage));
            }
            ParsedExtension::BasicConstraints(constraints) => self.asks_for_ca = constraints.ca,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::key::{KeyAlgorithm, PrivateKey};
    use crate::pki::name::Subject;
    use crate::pki::path::Usage;
    use crate::pki::request::SigningRequest;

    #[test]
    fn what_was_asked_for_is_read_back() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).unwrap();
        let names = vec![AltName::dns("app.internal").unwrap()];
        let subject = Subject {
            common_name: Some("app".to_owned()),
            ..Subject::default()
        };
        let request = SigningRequest::new(&key, subject, names.clone(), Usage::Client).unwrap();
        let csr = Csr::from_der(request.der()).unwrap();
        assert_eq!((csr.subject.as_str(), &csr.names), ("CN=app", &names));
        assert_eq!(csr.extended_key_usage.unwrap(), ["clientAuth"]);
        assert_eq!(csr.key_usage.unwrap().names(), ["digitalSignature"]);
        assert_eq!(
            (csr.key.to_string().as_str(), csr.proof),
            ("ECDSA P-384", Proof::Holds)
        );

        let mut forged = request.der().to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert_eq!(Csr::from_der(&forged).unwrap().proof, Proof::Wrong);
    }
}
