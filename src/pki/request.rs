//! Certificate signing requests: PKCS#10 (RFC 2986) with the names and usage asked for explicitly.

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType,
};

use super::key::PrivateKey;
use super::name::{AltName, Subject};
use super::path::Usage;

/// A signed request, DER, with what it asks for.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    der: Vec<u8>,
    spki: Vec<u8>,
    pub subject: Subject,
    pub names: Vec<AltName>,
    pub usage: Usage,
}

impl SigningRequest {
    /// Signs a request for `key`. The extended key usage is always stated: what a CA puts there by
    /// default changes under its users.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn new(
        key: &PrivateKey,
        subject: Subject,
        names: Vec<AltName>,
        usage: Usage,
    ) -> Result<Self, RequestError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&subject);
        params.subject_alt_names = names.iter().map(san).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let der = params
            .serialize_request(key)
            .map_err(|error| RequestError {
                reason: error.to_string(),
            })?
            .der()
            .to_vec();
        Ok(Self {
            der,
            spki: key.spki().to_vec(),
            subject,
            names,
            usage,
        })
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// `CERTIFICATE REQUEST` PEM in 64-column lines.
    pub fn pem(&self) -> String {
        super::pem::encode("CERTIFICATE REQUEST", &self.der)
    }

    /// The DER `SubjectPublicKeyInfo` that the certificate must carry.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

fn distinguished_name(subject: &Subject) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for ((kind, _), value) in subject.typed() {
        let arcs: Vec<u64> = kind.iter().into_iter().flatten().collect();
        name.push(DnType::from_oid(&arcs), value);
    }
    name
}

/// # Errors
/// For kinds of name that are shown but never asked for.
pub fn san(name: &AltName) -> Result<SanType, RequestError> {
    let text = |text: &str| {
        Ia5String::try_from(text).map_err(|error| RequestError {
            reason: format!("{name}: {error}"),
        })
    };
    Ok(match name {
        AltName::Dns(dns) => SanType::DnsName(text(dns)?),
        AltName::Ip(address) => SanType::IpAddress(*address),
        AltName::Uri(uri) => SanType::URI(text(uri)?),
        AltName::Email(email) => SanType::Rfc822Name(text(email)?),
        AltName::Other(_) => {
            return Err(RequestError {
                reason: format!("{name}: only DNS, IP, URI and email names can be requested"),
            });
        }
    })
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("making a signing request: {reason}")]
pub struct RequestError {
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::csr::Csr;
    use crate::pki::key::KeyAlgorithm;

    #[test]
    fn every_attribute_is_asked_for_by_its_own_type() {
        let subject = Subject {
            common_name: Some("app-server".to_owned()),
            organization: Some("Lab".to_owned()),
            organizational_unit: Some("Edge".to_owned()),
            country: Some("NL".to_owned()),
            state: Some("Noord-Holland".to_owned()),
            locality: Some("Haarlem".to_owned()),
        };
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request = SigningRequest::new(&key, subject, Vec::new(), Usage::Client).unwrap();
        let expected = "C=NL, ST=Noord-Holland, L=Haarlem, O=Lab, OU=Edge, CN=app-server";
        assert_eq!(Csr::from_der(request.der()).unwrap().subject, expected);
        assert_eq!(request.subject.to_string(), expected);
    }
}
