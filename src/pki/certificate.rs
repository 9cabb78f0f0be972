//! A certificate: its DER and the facts that checks and reports need, read once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::digest;
use super::name::AltName;
pub use super::usages::KeyUsage;
pub(super) use super::usages::purposes;
use super::window::ValidityWindow;

/// A parsed X.509 certificate. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    facts: Arc<Facts>,
}

/// What certbake reads of a certificate (RFC 5280 section 4.1 and 4.2).
#[derive(Clone, Debug)]
pub struct Facts {
    /// Lower-case hexadecimal, two digits an octet, without separators.
    pub serial: String,
    /// As people write it: `CN=app-server, O=Lab`.
    pub subject: String,
    pub issuer: String,
    /// DER of the names, for building chains.
    pub subject_der: Vec<u8>,
    pub issuer_der: Vec<u8>,
    pub common_name: Option<String>,
    pub window: ValidityWindow,
    pub names: Vec<AltName>,
    pub is_ca: bool,
    /// `None` without the extension.
    pub key_usage: Option<KeyUsage>,
    /// Extended key usages by name or OID; `None` without the extension.
    pub extended_key_usage: Option<Vec<String>>,
    /// DER `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    pub key: KeyFacts,
    /// `ecdsa-with-SHA256`, `sha1WithRSAEncryption`, or the OID.
    pub signature: String,
    /// A digest that no longer resists forgery (MD5, SHA-1).
    pub signature_is_broken: bool,
}

/// What kind of public key, and how strong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyFacts {
    Rsa {
        bits: usize,
    },
    /// A named curve: `P-256`, `P-384`, `P-521`, or the OID.
    Ec {
        curve: String,
    },
    Ed25519,
    Other {
        oid: String,
    },
}

impl KeyFacts {
    /// Of a DER `SubjectPublicKeyInfo`; `None` when it is not one.
    pub fn of_spki(spki: &[u8]) -> Option<Self> {
        let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).ok()?;
        Some(key_facts(&parsed))
    }
}

impl fmt::Display for KeyFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ec { curve } => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other { oid } => write!(f, "key of kind {oid}"),
        }
    }
}

impl Certificate {
    /// # Errors
    /// When it is not one DER certificate, or its dates cannot be read.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|error| CertificateError {
            reason: plain(&error),
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
        if self.facts.issuer_der != issuer.facts.subject_der {
            return false;
        }
        let (Ok((_, signed)), Ok((_, key))) = (
            X509Certificate::from_der(&self.der),
            SubjectPublicKeyInfo::from_der(&issuer.facts.spki),
        ) else {
            return false;
        };
        signed.verify_signature(Some(&key)).is_ok()
    }

    /// The attributes of the subject that can be asked for (C, ST, L, O, OU, CN), in their order, as
    /// short names and values. Others are the authority's own and left out.
    pub fn subject_attributes(&self) -> Vec<(&'static str, String)> {
        let Ok((_, name)) = X509Name::from_der(&self.facts.subject_der) else {
            return Vec::new();
        };
        name.iter_attributes()
            .filter_map(|attribute| {
                let oid = attribute.attr_type().to_id_string();
                let (_, short) = ATTRIBUTES.iter().find(|(known, _)| *known == oid)?;
                Some((*short, attribute.as_str().ok()?.to_owned()))
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

impl Facts {
    fn read(parsed: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        let mut facts = Self {
            serial: HEXLOWER.encode(parsed.raw_serial()),
            subject: display_name(parsed.subject()),
            issuer: display_name(parsed.issuer()),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            common_name: parsed
                .subject()
                .iter_common_name()
                .last()
                .and_then(|attribute| attribute.as_str().ok())
                .map(str::to_owned),
            window: ValidityWindow {
                not_before: instant(parsed.validity().not_before.timestamp())?,
                not_after: instant(parsed.validity().not_after.timestamp())?,
            },
            names: Vec::new(),
            is_ca: false,
            key_usage: None,
            extended_key_usage: None,
            spki: parsed.public_key().raw.to_vec(),
            key: key_facts(parsed.public_key()),
            signature: signature_name(&parsed.signature_algorithm.algorithm),
            signature_is_broken: BROKEN_SIGNATURES
                .contains(&parsed.signature_algorithm.algorithm.to_id_string().as_str()),
        };
        for extension in parsed.extensions() {
            facts.read_extension(extension.parsed_extension());
        }
        Ok(facts)
    }

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => self.is_ca = constraints.ca,
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(usage.into());
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(purposes(usage));
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = names.general_names.iter().map(alt_name).collect();
            }
            _ => {}
        }
    }
}

/// Subject attribute types (RFC 5280 appendix A.1) by their short names (RFC 4514 section 3).
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.6", "C"),
    ("2.5.4.8", "ST"),
    ("2.5.4.7", "L"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.3", "CN"),
];

const BROKEN_SIGNATURES: &[&str] = &[
    "1.2.840.113549.1.1.2", // md2WithRSAEncryption
    "1.2.840.113549.1.1.4", // md5WithRSAEncryption
    "1.2.840.113549.1.1.5", // sha1WithRSAEncryption
    "1.3.14.3.2.29",        // sha1WithRSASignature
    "1.2.840.10045.4.1",    // ecdsa-with-SHA1
    "1.2.840.10040.4.3",    // dsa-with-sha1
];

const SIGNATURE_NAMES: &[(&str, &str)] = &[
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.3.101.112", "Ed25519"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
];

pub(super) fn signature_name(oid: &Oid<'_>) -> String {
    let text = oid.to_id_string();
    SIGNATURE_NAMES
        .iter()
        .find(|(known, _)| *known == text)
        .map_or(text, |(_, name)| (*name).to_owned())
}

pub(super) fn key_facts(spki: &SubjectPublicKeyInfo<'_>) -> KeyFacts {
    let algorithm = spki.algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        "1.2.840.10045.2.1" => {
            let curve = spki
                .algorithm
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.as_oid().ok())
                .map_or_else(
                    || "without a named curve".to_owned(),
                    |oid| oid.to_id_string(),
                );
            let curve = match curve.as_str() {
                "1.2.840.10045.3.1.7" => "P-256".to_owned(),
                "1.3.132.0.34" => "P-384".to_owned(),
                "1.3.132.0.35" => "P-521".to_owned(),
                _ => curve,
            };
            KeyFacts::Ec { curve }
        }
        "1.3.101.112" => KeyFacts::Ed25519,
        _ => match spki.parsed() {
            Ok(PublicKey::RSA(rsa)) => KeyFacts::Rsa {
                bits: rsa.key_size(),
            },
            _ => KeyFacts::Other { oid: algorithm },
        },
    }
}

pub(super) fn alt_name(name: &GeneralName<'_>) -> AltName {
    match name {
        GeneralName::DNSName(dns) => AltName::Dns(dns.to_ascii_lowercase()),
        GeneralName::URI(uri) => AltName::Uri((*uri).to_owned()),
        GeneralName::RFC822Name(email) => AltName::Email((*email).to_owned()),
        GeneralName::IPAddress(octets) => {
            ip(octets).map_or_else(|| AltName::Other(HEXLOWER.encode(octets)), AltName::Ip)
        }
        other => AltName::Other(other.to_string()),
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn display_name(name: &X509Name<'_>) -> String {
    name.to_string()
}

pub(super) fn instant(unix: i64) -> Result<OffsetDateTime, CertificateError> {
    OffsetDateTime::from_unix_timestamp(unix).map_err(|_| CertificateError {
        reason: "its dates are out of range".to_owned(),
    })
}

fn plain(error: &x509_parser::nom::Err<x509_parser::error::X509Error>) -> String {
    match error {
        x509_parser::nom::Err::Incomplete(_) => "it ends too early".to_owned(),
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            error.to_string()
        }
    }
}

/// Bytes that are not a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a certificate: {reason}")]
pub struct CertificateError {
    pub reason: String,
}
