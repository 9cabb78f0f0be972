//! A certificate: its DER, and what can be asked of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::nom::error::ErrorKind;
use x509_parser::prelude::FromDer;

use super::ber;
use super::digest;
use super::facts;
pub use super::facts::{Facts, KeyFacts};
use super::proof::{self, Proof};
pub use super::usages::KeyUsage;
use super::window::ValidityWindow;

/// A parsed X.509 certificate. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    facts: Arc<Facts>,
}

impl Certificate {
    /// # Errors
    /// When it is not one DER certificate, or its dates cannot be read.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|error| CertificateError {
            reason: plain(&error, &der),
        })?;
        if !rest.is_empty() {
            return Err(CertificateError {
                reason: format!("{} bytes follow the certificate", rest.len()),
            });
        }
        let facts = Facts::read(&parsed)?;
        Ok(Self {
            facts: Arc::new(facts),
            der: der.into(),
        })
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn window(&self) -> ValidityWindow {
        self.facts.window
    }

    pub fn pem(&self) -> String {
        super::pem::encode("CERTIFICATE", &self.der)
    }

    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        digest::sha256_hex(&self.der)
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`, base64 as in RFC 7469 section 2.4.
    pub fn spki_pin(&self) -> String {
        digest::spki_pin(&self.facts.spki)
    }

    /// Issued by its own subject; the signature is not looked at.
    pub fn is_self_issued(&self) -> bool {
        self.facts.subject_der == self.facts.issuer_der
    }

    /// Whether `issuer` has the name of this certificate's issuer, and its key made the signature.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        self.facts.issuer_der == issuer.facts.subject_der
            && proof::of(&self.der, &issuer.facts.spki) == Proof::Holds
    }

    /// Every attribute of the subject, in their order, as short names (OIDs where none is known) and values.
    pub fn subject_attributes(&self) -> Vec<(String, String)> {
        facts::attributes(&self.facts.subject_der)
    }

    /// The OIDs of its extensions that are marked as critical.
    pub fn critical_extensions(&self) -> Vec<String> {
        let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else {
            return Vec::new();
        };
        let critical = parsed.iter_extensions().filter(|one| one.critical);
        critical.map(|one| one.oid.to_id_string()).collect()
    }

    /// Whether its authority key identifier is of another key, or of another certificate, than `issuer`
    /// says of itself (RFC 5280 sections 4.2.1.1 and 4.2.1.2).
    pub fn identifies_another_issuer(&self, issuer: &Self) -> bool {
        let (own, other) = (self.facts(), issuer.facts());
        let of_another_key = match (&own.authority_key_id, &other.subject_key_id) {
            (Some(stated), Some(key)) => stated != key,
            _ => false,
        };
        let stated = own.authority_serial.as_ref();
        of_another_key || stated.is_some_and(|serial| *serial != other.serial)
    }

    /// The kinds of name, beside DNS names and addresses, that its name constraints (RFC 5280 section
    /// 4.2.1.10) are about.
    pub fn other_names_constrained(&self) -> BTreeSet<&'static str> {
        let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else {
            return BTreeSet::new();
        };
        let constraints = parsed.iter_extensions().find_map(|extension| {
            let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
                return None;
            };
            Some([
                &constraints.permitted_subtrees,
                &constraints.excluded_subtrees,
            ])
        });
        constraints
            .into_iter()
            .flatten()
            .flatten()
            .flatten()
            .filter_map(|tree| match tree.base {
                GeneralName::DNSName(_) | GeneralName::IPAddress(_) => None,
                GeneralName::URI(_) => Some("URIs"),
                GeneralName::RFC822Name(_) => Some("email addresses"),
                GeneralName::DirectoryName(_) => Some("directory names"),
                _ => Some("names of other kinds"),
            })
            .collect()
    }

    /// What a person would call it: its common name, else its first alternative name, else its subject.
    pub fn title(&self) -> String {
        let facts = &self.facts;
        facts
            .common_name
            .clone()
            .or_else(|| facts.names.first().map(ToString::to_string))
            .unwrap_or_else(|| {
                if facts.subject.is_empty() {
                    format!("serial {}", facts.serial)
                } else {
                    facts.subject.clone()
                }
            })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({}, serial {})",
            self.facts.subject, self.facts.serial
        )
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

fn plain(error: &x509_parser::nom::Err<X509Error>, bytes: &[u8]) -> String {
    match error {
        x509_parser::nom::Err::Incomplete(_)
        | x509_parser::nom::Err::Error(X509Error::NomError(ErrorKind::Eof))
        | x509_parser::nom::Err::Failure(X509Error::NomError(ErrorKind::Eof)) => {
            "it is truncated".to_owned()
        }
        x509_parser::nom::Err::Error(X509Error::Der(_))
        | x509_parser::nom::Err::Failure(X509Error::Der(_)) => not_as_built(bytes).to_owned(),
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            error.to_string()
        }
    }
}

/// RFC 5280 section 4.1: content, algorithm and signature, in DER.
fn not_as_built(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[ber::SEQUENCE, 0x80]) {
        return "its lengths are indefinite (BER), and a certificate must be DER";
    }
    if is_built_as_one(bytes) {
        "something in it is not DER, or in the wrong place"
    } else {
        "it is something else"
    }
}

/// Whether the outermost parts are those of a certificate, a request or a revocation list.
pub fn is_built_as_one(bytes: &[u8]) -> bool {
    let Ok((whole, _)) = ber::read(bytes) else {
        return false;
    };
    let tags = ber::elements(whole.content)
        .map_while(Result::ok)
        .map(|field| field.tag);
    whole.tag == ber::SEQUENCE && tags.eq([ber::SEQUENCE, ber::SEQUENCE, ber::BIT_STRING])
}

/// Bytes that are not a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a certificate: {reason}")]
pub struct CertificateError {
    pub reason: String,
}
