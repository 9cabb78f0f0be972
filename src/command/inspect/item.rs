//! Items from the DER of one thing: the facts that are shown, never the bytes.

use time::OffsetDateTime;

use crate::inspection::{
    CertificateItem, Content, CrlItem, PrivateKeyItem, PublicKeyItem, RequestItem,
};
use crate::pki::certificate::{KeyFacts, KeyUsage};
use crate::pki::crl::Crl;
use crate::pki::csr::Csr;
use crate::pki::proof::Proof;
use crate::pki::{AltName, Certificate, PrivateKey, digest, encrypted, kind};

/// Something found, before it has its place among the others.
#[derive(Debug)]
pub(super) struct Piece {
    pub alias: Option<String>,
    pub content: Content,
    /// Beside its facts, for what relates it to others.
    pub certificate: Option<Certificate>,
}

impl From<Content> for Piece {
    fn from(content: Content) -> Self {
        Self {
            alias: None,
            content,
            certificate: None,
        }
    }
}

impl Piece {
    #[must_use]
    pub fn named(mut self, alias: Option<String>) -> Self {
        self.alias = alias;
        self
    }
}

pub(super) fn certificate(certificate: Certificate, trusted: bool, now: OffsetDateTime) -> Piece {
    let facts = certificate.facts();
    let window = certificate.window();
    let content = Content::Certificate(Box::new(CertificateItem {
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        issued_by: None,
        self_signed: certificate.is_issued_by(&certificate),
        serial: facts.serial.clone(),
        names: texts(&facts.names),
        not_before: window.not_before,
        not_after: window.not_after,
        remaining_seconds: window.remaining(now).whole_seconds(),
        ca: facts.is_ca,
        extended_key_usage: facts.extended_key_usage.clone(),
        key_usage: facts.key_usage.map(KeyUsage::names),
        key: facts.key.to_string(),
        signature: facts.signature.clone(),
        fingerprint: certificate.fingerprint(),
        spki_pin: certificate.spki_pin(),
        trusted,
    }));
    Piece {
        certificate: Some(certificate),
        ..content.into()
    }
}

/// `None` when it is not even shaped like a private key.
pub(super) fn private_key(der: &[u8], encrypted: bool) -> Option<Content> {
    let key = PrivateKey::from_der(der).ok();
    let kind = match &key {
        Some(key) => KeyFacts::of_spki(key.spki()),
        None => Some(kind::of_private_key(der)?),
    };
    Some(Content::PrivateKey(PrivateKeyItem {
        key: kind.map(|kind| kind.to_string()),
        spki_pin: key.map(|key| digest::spki_pin(key.spki())),
        encrypted,
        belongs_to: Vec::new(),
    }))
}

/// What stands under the label of a certificate, where it is something else that is known.
pub(super) fn instead_of_certificate(der: &[u8]) -> Option<&'static str> {
    if Csr::from_der(der).is_some() {
        Some("a signing request")
    } else if Crl::from_der(der).is_some() {
        Some("a revocation list")
    } else if encrypted::is_encrypted_key(der) || private_key(der, false).is_some() {
        Some("a private key")
    } else if public_key(der).is_some() {
        Some("a public key")
    } else {
        None
    }
}

pub(super) fn request(csr: Csr) -> Content {
    Content::Request(Box::new(RequestItem {
        names: texts(&csr.names),
        key_usage: csr.key_usage.map(KeyUsage::names),
        extended_key_usage: csr.extended_key_usage,
        ca: csr.asks_for_ca,
        key: csr.key.to_string(),
        signature: csr.signature,
        signature_holds: csr.proof == Proof::Holds,
        signature_verifiable: csr.proof != Proof::Unknown,
        spki_pin: digest::spki_pin(&csr.spki),
        subject: csr.subject,
    }))
}

pub(super) fn crl(crl: Crl) -> Content {
    Content::Crl(CrlItem {
        issuer: crl.issuer,
        number: crl.number,
        this_update: crl.this_update,
        next_update: crl.next_update,
        revoked: crl.revoked,
        signature: crl.signature,
    })
}

/// `None` when it is not a `SubjectPublicKeyInfo`.
pub(super) fn public_key(spki: &[u8]) -> Option<Content> {
    Some(Content::PublicKey(PublicKeyItem {
        key: KeyFacts::of_spki(spki)?.to_string(),
        spki_pin: digest::spki_pin(spki),
    }))
}

fn texts(names: &[AltName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
