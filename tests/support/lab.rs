//! A root, an intermediate, and what they sign.

use std::sync::Arc;

use certbake::pki::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// A certificate chain, leaf first, and its key: DER and PKCS#8.
#[derive(Clone)]
pub struct Identity {
    pub chain: Vec<Vec<u8>>,
    pub key: Vec<u8>,
}

impl Identity {
    /// The leaf.
    pub fn certificate(&self) -> Certificate {
        Certificate::from_der(self.chain[0].clone()).unwrap()
    }
}

#[derive(Clone)]
pub struct Lab {
    root: Arc<CertifiedIssuer<'static, KeyPair>>,
    issuing: Arc<CertifiedIssuer<'static, KeyPair>>,
}

impl Lab {
    pub fn new(name: &str) -> Self {
        let root = CertifiedIssuer::self_signed(
            authority(&format!("{name} Root")),
            KeyPair::generate().unwrap(),
        )
        .unwrap();
        let issuing = CertifiedIssuer::signed_by(
            authority(&format!("{name} Issuing")),
            KeyPair::generate().unwrap(),
            &root,
        )
        .unwrap();
        Self {
            root: Arc::new(root),
            issuing: Arc::new(issuing),
        }
    }

    pub fn root(&self) -> Vec<u8> {
        self.root.der().to_vec()
    }

    pub fn issuing(&self) -> Vec<u8> {
        self.issuing.der().to_vec()
    }

    pub fn anchors(&self) -> Vec<Vec<u8>> {
        vec![self.root()]
    }

    /// For `localhost` and 127.0.0.1.
    pub fn server(&self) -> Identity {
        self.server_with(|_| {})
    }

    pub fn server_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = leaf("lab server", ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
                .unwrap()
                .subject_alt_names;
        change(&mut params);
        self.identity(&params)
    }

    pub fn client(&self, name: &str) -> Identity {
        self.identity(&leaf(name, ExtendedKeyUsagePurpose::ClientAuth))
    }

    /// What an enrolment answers: a leaf for the request's key, with the request's names.
    pub fn sign(&self, request: &[u8]) -> Vec<u8> {
        let mut request =
            CertificateSigningRequestParams::from_der(&request.to_vec().into()).unwrap();
        let now = OffsetDateTime::now_utc();
        request.params.not_before = now - Duration::MINUTE;
        request.params.not_after = now + Duration::DAY;
        request.params.use_authority_key_identifier_extension = true;
        request.signed_by(&**self.issuing).unwrap().der().to_vec()
    }

    fn identity(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &**self.issuing).unwrap();
        Identity {
            chain: vec![leaf.der().to_vec(), self.issuing()],
            key: key.serialize_der(),
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    dates(&mut params);
    params
}

fn leaf(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    dates(&mut params);
    params
}

fn dates(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::HOUR;
    params.not_after = now + Duration::DAY * 30;
}
