//! Certificates as the tests want them: right in every way, unless told otherwise.

#![allow(dead_code, clippy::unwrap_used)]

use certbake::pki::{Certificate, PrivateKey};
use data_encoding::HEXLOWER;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    SignatureAlgorithm,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// When the tests take place.
pub const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

/// Object identifiers in DER, with their tags, for [`altered`].
pub const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub const P192: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01];
/// sha256WithRSAEncryption and sha1WithRSAEncryption.
pub const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
pub const RSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];

/// A certificate authority: a root or an intermediate.
pub struct Authority {
    pub certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A leaf and its key.
pub struct Leaf {
    pub certificate: Certificate,
    pub key: PrivateKey,
}

impl Authority {
    /// A root that is good for ten years.
    pub fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    pub fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(name);
        change(&mut params);
        let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        let certificate = read(&params.self_signed(&key).unwrap());
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// One whose signatures are RSA with SHA-256.
    pub fn rsa_root(name: &str) -> Self {
        let params = authority(name);
        let key = key(&rcgen::PKCS_RSA_SHA256);
        let certificate = read(&params.self_signed(&key).unwrap());
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A revocation list of these, DER, current until `next_update`.
    pub fn crl(&self, revoked: &[&Certificate], next_update: OffsetDateTime) -> Vec<u8> {
        self.crl_of(revoked, NOW - Duration::DAY, next_update)
    }

    pub fn crl_of(
        &self,
        revoked: &[&Certificate],
        this_update: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Vec<u8> {
        let revoked_certs = revoked
            .iter()
            .map(|certificate| RevokedCertParams {
                serial_number: SerialNumber::from_slice(
                    &HEXLOWER
                        .decode(certificate.facts().serial.as_bytes())
                        .unwrap(),
                ),
                revocation_time: NOW - Duration::HOUR,
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// A list of users' certificates alone, with a critical issuing distribution point.
    pub fn partial_crl(&self, next_update: OffsetDateTime) -> Vec<u8> {
        let params = CertificateRevocationListParams {
            this_update: NOW - Duration::DAY,
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: Some(CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint {
                    uris: vec!["http://lab/users.crl".to_owned()],
                },
                scope: Some(CrlScope::UserCertsOnly),
            }),
            revoked_certs: Vec::new(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    pub fn intermediate_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority(name);
        change(&mut params);
        let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        let certificate = read(&params.signed_by(&key, &self.issuer).unwrap());
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// The name and key of another authority, signed by this one.
    pub fn crossed(
        &self,
        other: &Self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certificate {
        let mut params = authority(&other.certificate.title());
        change(&mut params);
        read(&params.signed_by(other.issuer.key(), &self.issuer).unwrap())
    }

    /// `app-server`, `dns:app.internal`, clientAuth, thirty days from now.
    pub fn leaf(&self) -> Leaf {
        self.leaf_with(|_| {})
    }

    /// Another certificate for the key of a leaf.
    pub fn renewed(
        &self,
        before: &Leaf,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certificate {
        let mut params = leaf();
        change(&mut params);
        read(&params.signed_by(&before.key, &self.issuer).unwrap())
    }

    pub fn leaf_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = leaf();
        change(&mut params);
        let key = key(&rcgen::PKCS_ECDSA_P256_SHA256);
        Leaf {
            certificate: read(&params.signed_by(&key, &self.issuer).unwrap()),
            key: PrivateKey::from_der(&key.serialize_der()).unwrap(),
        }
    }
}

/// How a certificate stands to time: from `start` after now to `end` after now.
pub fn window(start: Duration, end: Duration) -> impl Fn(&mut CertificateParams) {
    move |params| {
        params.not_before = NOW + start;
        params.not_after = NOW + end;
    }
}

pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

/// The certificate with one octet string in it replaced by another of the same length: what no
/// library makes any more.
pub fn altered(certificate: &Certificate, from: &[u8], to: &[u8]) -> Certificate {
    assert_eq!(from.len(), to.len());
    let mut der = certificate.der().to_vec();
    let mut found = 0;
    for at in 0..=der.len() - from.len() {
        if der[at..at + from.len()] == *from {
            der[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(
        found > 0,
        "the certificate does not hold what was to be replaced"
    );
    Certificate::from_der(der).unwrap()
}

fn read(certificate: &rcgen::Certificate) -> Certificate {
    Certificate::from_der(certificate.der().to_vec()).unwrap()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = NOW - Duration::days(365);
    params.not_after = NOW + Duration::days(3650);
    params
}

fn leaf() -> CertificateParams {
    let mut params = named("app-server");
    params.subject_alt_names = vec![dns("app.internal")];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = NOW;
    params.not_after = NOW + Duration::days(30);
    params
}
