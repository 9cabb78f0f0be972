//! The facts of a certificate that checks and reports need, read once.

use std::fmt;

use data_encoding::HEXLOWER;
use time::OffsetDateTime;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

use super::certificate::CertificateError;
use super::key::KeyAlgorithm;
use super::kind;
use super::name::{AltName, address, asked_for, short_name};
use super::signature;
use super::usages::{KeyUsage, netscape_types, purposes};
use super::window::ValidityWindow;

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
    /// How many intermediates may follow below it (RFC 5280 section 4.2.1.9), where it says so.
    pub path_length: Option<u32>,
    /// `None` without the extension.
    pub key_usage: Option<KeyUsage>,
    /// Extended key usages by name or OID; `None` without the extension.
    pub extended_key_usage: Option<Vec<String>>,
    /// Netscape's certificate types by OpenSSL's names; `None` without the extension.
    pub netscape_types: Option<Vec<&'static str>>,
    /// What names its key (RFC 5280 section 4.2.1.2) and its issuer's key and certificate (section
    /// 4.2.1.1), where it says so: written as `serial`.
    pub subject_key_id: Option<String>,
    pub authority_key_id: Option<String>,
    pub authority_serial: Option<String>,
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
    /// A named curve: `P-256`, `P-384`, `P-521`, another by its name where it is known, or the OID.
    Ec {
        curve: String,
    },
    Ed25519,
    Other {
        oid: String,
    },
}

/// NIST SP 800-57 part 1: 112 bits of security.
pub(super) const LEAST_RSA_BITS: usize = 2048;

/// RFC 5480 section 2.1.1.1.
const CURVES: [(&str, &str); 3] = [
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
];

pub(super) const WITHOUT_NAMED_CURVE: &str = "without a named curve";

impl KeyFacts {
    /// Whether today's peers accept it: RSA of 2048 bits and more, ECDSA on one of NIST's curves, or
    /// Ed25519.
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::Rsa { bits } => *bits >= LEAST_RSA_BITS,
            Self::Ec { curve } => CURVES.iter().any(|(_, known)| known == curve),
            Self::Ed25519 => true,
            Self::Other { .. } => false,
        }
    }

    /// Of a DER `SubjectPublicKeyInfo`; `None` when it is not one.
    pub fn of_spki(spki: &[u8]) -> Option<Self> {
        let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).ok()?;
        Some(key_facts(&parsed))
    }
}

impl From<KeyAlgorithm> for KeyFacts {
    fn from(algorithm: KeyAlgorithm) -> Self {
        let curve = |name: &str| Self::Ec {
            curve: name.to_owned(),
        };
        match algorithm {
            KeyAlgorithm::EcdsaP256 => curve("P-256"),
            KeyAlgorithm::EcdsaP384 => curve("P-384"),
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            KeyAlgorithm::Rsa2048 => Self::Rsa { bits: 2048 },
            KeyAlgorithm::Rsa3072 => Self::Rsa { bits: 3072 },
            KeyAlgorithm::Rsa4096 => Self::Rsa { bits: 4096 },
        }
    }
}

impl fmt::Display for KeyFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ec { curve } => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other { oid } => match kind::in_words(oid) {
                Some(name) => f.write_str(name),
                None => write!(f, "key of kind {oid}"),
            },
        }
    }
}

impl Facts {
    pub(super) fn read(parsed: &X509Certificate<'_>) -> Result<Self, CertificateError> {
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
            path_length: None,
            key_usage: None,
            extended_key_usage: None,
            netscape_types: None,
            subject_key_id: None,
            authority_key_id: None,
            authority_serial: None,
            spki: parsed.public_key().raw.to_vec(),
            key: key_facts(parsed.public_key()),
            signature: signature::name(&parsed.signature_algorithm),
            signature_is_broken: signature::is_broken(&parsed.signature_algorithm),
        };
        for extension in parsed.extensions() {
            facts.read_extension(extension.parsed_extension());
        }
        Ok(facts)
    }

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_ca = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(usage.into());
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(purposes(usage));
            }
            ParsedExtension::NSCertType(types) => {
                self.netscape_types = Some(netscape_types(types));
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = names.general_names.iter().map(alt_name).collect();
            }
            ParsedExtension::SubjectKeyIdentifier(key) => {
                self.subject_key_id = Some(HEXLOWER.encode(key.0));
            }
            ParsedExtension::AuthorityKeyIdentifier(issuer) => {
                let key = issuer.key_identifier.as_ref();
                self.authority_key_id = key.map(|key| HEXLOWER.encode(key.0));
                let serial = issuer.authority_cert_serial;
                self.authority_serial = serial.map(|serial| HEXLOWER.encode(serial));
            }
            _ => {}
        }
    }
}

pub(super) fn key_facts(spki: &SubjectPublicKeyInfo<'_>) -> KeyFacts {
    let algorithm = &spki.algorithm;
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = algorithm
            .parameters
            .as_ref()
            // A curve may be given by its numbers instead (RFC 3279 section 2.3.5).
            .filter(|parameters| parameters.tag() == Tag::Oid)
            .and_then(|parameters| parameters.as_oid().ok());
        return KeyFacts::Ec {
            curve: curve.map_or_else(
                || WITHOUT_NAMED_CURVE.to_owned(),
                |curve| curve_name(&curve.to_id_string()),
            ),
        };
    }
    if algorithm.algorithm == OID_SIG_ED25519 {
        return KeyFacts::Ed25519;
    }
    match spki.parsed() {
        Ok(PublicKey::RSA(rsa)) => KeyFacts::Rsa {
            bits: bit_length(rsa.modulus),
        },
        _ => KeyFacts::Other {
            oid: algorithm.algorithm.to_id_string(),
        },
    }
}

/// Of an unsigned number, which DER may have put a zero octet before.
pub(super) fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let significant = &number[zeros..];
    let unused = significant.first().map_or(0, |octet| octet.leading_zeros());
    significant.len() * 8 - unused as usize
}

pub(super) fn curve_name(oid: &str) -> String {
    let accepted = CURVES.iter().find(|(known, _)| *known == oid);
    let name = accepted.map(|(_, name)| *name);
    name.or_else(|| kind::in_words(oid))
        .unwrap_or(oid)
        .to_owned()
}

pub(super) fn alt_name(name: &GeneralName<'_>) -> AltName {
    match name {
        GeneralName::DNSName(dns) => AltName::Dns(dns.to_ascii_lowercase()),
        GeneralName::URI(uri) => AltName::Uri((*uri).to_owned()),
        GeneralName::RFC822Name(email) => AltName::Email((*email).to_owned()),
        GeneralName::IPAddress(octets) => {
            address(octets).map_or_else(|| AltName::Other(HEXLOWER.encode(octets)), AltName::Ip)
        }
        other => AltName::Other(other.to_string()),
    }
}

/// `CN=app-server, O=Lab`. Names of plain attributes, one to a set, are nearly all there are, and
/// are written here many times faster than by x509-parser, which is left the others.
pub(super) fn display_name(name: &X509Name<'_>) -> String {
    plain_name(name)
        .or_else(|| name.to_string_with_registry(oid_registry()).ok())
        .unwrap_or_else(|| legacy_name(name))
}

/// With values that x509-parser shows nothing of, and the whole name then.
fn legacy_name(name: &X509Name<'_>) -> String {
    let sets = name.iter_rdn().map(|set| {
        let attributes = set.iter().map(|attribute| {
            let kind = asked_for(attribute.attr_type())
                .map_or_else(|| attribute.attr_type().to_id_string(), str::to_owned);
            format!("{kind}={}", legacy_value(attribute))
        });
        attributes.collect::<Vec<_>>().join(" + ")
    });
    sets.collect::<Vec<_>>().join(", ")
}

/// Every attribute of a DER name, in their order: the short name of its type, or the OID where none is
/// known, and the value.
pub(super) fn attributes(name_der: &[u8]) -> Vec<(String, String)> {
    let Ok((_, name)) = X509Name::from_der(name_der) else {
        return Vec::new();
    };
    let read = |attribute: &AttributeTypeAndValue<'_>| {
        let kind = attribute.attr_type();
        let known = short_name(kind).or_else(|| oid2abbrev(kind, oid_registry()).ok());
        let shown = known.map_or_else(|| kind.to_id_string(), str::to_owned);
        (shown, legacy_value(attribute))
    };
    name.iter_attributes().map(read).collect()
}

/// `TeletexString` is Latin-1 in practice; of what is no text, its octets (RFC 4514 section 2.4).
fn legacy_value(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = attribute.attr_value();
    match attribute.as_str() {
        Ok(text) => text.to_owned(),
        Err(_) if value.tag() == Tag::T61String => {
            value.data.iter().copied().map(char::from).collect()
        }
        Err(_) => format!("#{}", HEXLOWER.encode(value.data)),
    }
}

fn plain_name(name: &X509Name<'_>) -> Option<String> {
    let mut text = String::with_capacity(name.as_raw().len());
    for set in name.iter_rdn() {
        let mut attributes = set.iter();
        let (attribute, None) = (attributes.next()?, attributes.next()) else {
            return None;
        };
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(asked_for(attribute.attr_type())?);
        text.push('=');
        text.push_str(attribute.as_str().ok()?);
    }
    Some(text)
}

pub(super) fn instant(unix: i64) -> Result<OffsetDateTime, CertificateError> {
    OffsetDateTime::from_unix_timestamp(unix).map_err(|_| CertificateError {
        reason: "its dates are out of range".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn an_rsa_key_has_as_many_bits_as_its_modulus() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0x7f, 0xff]), 15);
        assert_eq!(bit_length(&[0, 1]), 1);
        assert_eq!(bit_length(&[]), 0);
    }

    #[test]
    fn a_name_is_shown_as_x509_parser_shows_it() {
        let key = KeyPair::generate().unwrap();
        let of = |attributes: &[(DnType, &str)]| {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            for (kind, value) in attributes {
                params.distinguished_name.push(kind.clone(), *value);
            }
            params.self_signed(&key).unwrap().der().to_vec()
        };
        let plain = [
            (DnType::CountryName, "NL"),
            (DnType::StateOrProvinceName, "Noord-Holland"),
            (DnType::LocalityName, "Haarlem"),
            (DnType::OrganizationName, "Lab, \"Ltd\""),
            (DnType::OrganizationalUnitName, "Größe"),
            (DnType::CommonName, "app-server"),
        ];
        let other = [
            (DnType::CustomDnType(vec![2, 5, 4, 5]), "17"),
            (DnType::CommonName, "app-server"),
        ];
        for attributes in [&plain[..], &other, &[]] {
            let der = of(attributes);
            let (_, parsed) = X509Certificate::from_der(&der).unwrap();
            assert_eq!(display_name(parsed.subject()), parsed.subject().to_string());
        }
    }
}
