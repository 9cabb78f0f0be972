//! A signing request that somebody else made (PKCS#10, RFC 2986): read once, its signature proven,
//! nothing in it trusted. What an authority grants of it is the authority's own decision.

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{DistinguishedName, DnType, DnValue, PublicKeyData, SignatureAlgorithm};
use x509_parser::asn1_rs::Tag;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::facts::{KeyFacts, LEAST_RSA_BITS, display_name, key_facts};
use super::name::{AltName, NameError, address, short_name};
use super::usages::purposes;

/// What a request asks for. The requester holds the private key: the signature proves it.
#[derive(Debug)]
pub struct ReceivedRequest {
    /// As people write it: `O=Lab, CN=app-server`.
    pub subject: String,
    /// DER of the subject, for comparing with a certificate's.
    pub subject_der: Vec<u8>,
    /// The subject's attributes in their order, by short name (`CN`) or OID.
    pub attributes: Vec<(String, String)>,
    pub names: Vec<AltName>,
    pub asks_for_ca: bool,
    /// Extended key usages by name or OID; `None` when it has none.
    pub extended_key_usage: Option<Vec<String>>,
    /// OIDs of the extensions asked for that are none of the above.
    pub other_extensions: Vec<String>,
    /// DER `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    distinguished_name: DistinguishedName,
    public_key: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl ReceivedRequest {
    /// Reads one DER request and checks its signature.
    ///
    /// # Errors
    /// When it is not one, when its key did not sign it, or when it names what no certificate may
    /// carry. The reason is fit to be sent back to the requester.
    pub fn from_der(der: &[u8]) -> Result<Self, ReceivedError> {
        let (rest, parsed) =
            X509CertificationRequest::from_der(der).map_err(|_| ReceivedError::NotARequest)?;
        if !rest.is_empty() {
            return Err(ReceivedError::NotARequest);
        }
        let content = &parsed.certification_request_info;
        let key = key_facts(&content.subject_pki);
        let algorithm = algorithm(&key).ok_or_else(|| ReceivedError::Key(key.to_string()))?;
        parsed
            .verify_signature()
            .map_err(|_| ReceivedError::Signature)?;
        let mut request = Self {
            subject: display_name(&content.subject),
            subject_der: content.subject.as_raw().to_vec(),
            attributes: Vec::new(),
            names: Vec::new(),
            asks_for_ca: false,
            extended_key_usage: None,
            other_extensions: Vec::new(),
            spki: content.subject_pki.raw.to_vec(),
            distinguished_name: DistinguishedName::new(),
            public_key: content.subject_pki.subject_public_key.data.to_vec(),
            algorithm,
        };
        request.read_subject(&content.subject)?;
        for attribute in content.iter_attributes() {
            if let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() {
                for extension in &asked.extensions {
                    request.read_extension(extension)?;
                }
            }
        }
        Ok(request)
    }

    /// The subject for a certificate: the same attributes in the same order and encoding.
    pub fn distinguished_name(&self) -> &DistinguishedName {
        &self.distinguished_name
    }

    fn read_subject(&mut self, subject: &X509Name<'_>) -> Result<(), ReceivedError> {
        for rdn in subject.iter_rdn() {
            let mut attributes = rdn.iter();
            let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
                return Err(ReceivedError::Subject(
                    "an element of it has not exactly one attribute".to_owned(),
                ));
            };
            self.read_attribute(attribute)?;
        }
        Ok(())
    }

    fn read_attribute(
        &mut self,
        attribute: &AttributeTypeAndValue<'_>,
    ) -> Result<(), ReceivedError> {
        let oid = attribute.attr_type().to_id_string();
        let arcs: Option<Vec<u64>> = attribute.attr_type().iter().map(Iterator::collect);
        let arcs = arcs
            .filter(|arcs| can_be_written(arcs))
            .ok_or_else(|| ReceivedError::Subject("an attribute has an unusable OID".to_owned()))?;
        let name = short_name(attribute.attr_type()).unwrap_or(&oid);
        let refuse = |why: &str| ReceivedError::Subject(format!("{name} {why}"));
        let text = std::str::from_utf8(attribute.attr_value().data)
            .ok()
            .filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
            .ok_or_else(|| refuse("is empty or not plain text"))?;
        let tag = attribute.attr_value().tag();
        // X.680 section 41.4 allows it; rcgen's writer panics.
        if tag == Tag::PrintableString && text.contains('?') {
            return Err(refuse("has a question mark: make it a UTF8String"));
        }
        let value = match tag {
            Tag::Utf8String => Some(DnValue::Utf8String(text.to_owned())),
            Tag::PrintableString => PrintableString::try_from(text)
                .ok()
                .map(DnValue::PrintableString),
            Tag::Ia5String => Ia5String::try_from(text).ok().map(DnValue::Ia5String),
            _ => None,
        }
        .ok_or_else(|| refuse("is not a UTF8String, PrintableString or IA5String"))?;
        let kind = DnType::from_oid(&arcs);
        // rcgen's names hold each kind once; a second would silently replace the first.
        if self.distinguished_name.get(&kind).is_some() {
            return Err(refuse("is given twice; name each attribute once"));
        }
        self.distinguished_name.push(kind, value);
        self.attributes.push((name.to_owned(), text.to_owned()));
        Ok(())
    }

    fn read_extension(&mut self, extension: &X509Extension<'_>) -> Result<(), ReceivedError> {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    self.names.push(alt_name(name)?);
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(purposes(usage));
            }
            ParsedExtension::BasicConstraints(constraints) => self.asks_for_ca |= constraints.ca,
            ParsedExtension::KeyUsage(usage) => self.asks_for_ca |= usage.key_cert_sign(),
            ParsedExtension::ParseError { .. } => {
                return Err(ReceivedError::Extension(extension.oid.to_id_string()));
            }
            _ => self.other_extensions.push(extension.oid.to_id_string()),
        }
        Ok(())
    }
}

/// The public key goes into the certificate as it came.
impl PublicKeyData for ReceivedRequest {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// X.690 section 8.19.4: rcgen panics over others. From 2.40 on, x509-parser reads the first two wrong.
fn can_be_written(arcs: &[u64]) -> bool {
    matches!(arcs, [0..=2, 0..=39, ..])
}

/// How `SubjectPublicKeyInfo` names this kind of key; chosen by the key, since a request may be
/// signed with another digest than the curve's own.
fn algorithm(key: &KeyFacts) -> Option<&'static SignatureAlgorithm> {
    match key {
        KeyFacts::Ec { curve } if curve == "P-256" => Some(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyFacts::Ec { curve } if curve == "P-384" => Some(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyFacts::Ed25519 => Some(&rcgen::PKCS_ED25519),
        KeyFacts::Rsa { bits } if *bits >= LEAST_RSA_BITS => Some(&rcgen::PKCS_RSA_SHA256),
        _ => None,
    }
}

fn alt_name(name: &GeneralName<'_>) -> Result<AltName, ReceivedError> {
    let read = match name {
        GeneralName::DNSName(dns) => AltName::dns(dns),
        GeneralName::URI(uri) => AltName::uri(uri),
        GeneralName::RFC822Name(email) => AltName::email(email),
        GeneralName::IPAddress(octets) => {
            let odd = || ReceivedError::Name("an IP address of an odd length".to_owned());
            return address(octets).map(AltName::Ip).ok_or_else(odd);
        }
        other => return Err(ReceivedError::Name(other.to_string())),
    };
    read.map_err(ReceivedError::Invalid)
}

/// Why a request cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReceivedError {
    #[error("it is not one DER PKCS#10 request")]
    NotARequest,
    #[error(
        "its signature does not verify with the public key in it; ECDSA with SHA-256 or SHA-384, Ed25519 and RSA with SHA-256, SHA-384 or SHA-512 are read"
    )]
    Signature,
    #[error(
        "its public key is {0}; ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more is needed"
    )]
    Key(String),
    #[error("its subject cannot be used: {0}")]
    Subject(String),
    #[error("{0:?} cannot be a subject alternative name; DNS, IP, URI and email names can")]
    Name(String),
    #[error(
        "{:?} cannot be a subject alternative name: it is not a valid {}; {}",
        .0.text, .0.kind, .0.advice
    )]
    Invalid(NameError),
    #[error("its extension {0} cannot be read")]
    Extension(String),
}
