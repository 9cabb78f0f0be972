//! A credential: a key and a chain that are proven to belong together. The only thing that can be
//! written into an image.

use std::sync::Arc;

use super::certificate::{Certificate, CertificateError};
use super::chain::{Chain, NoLeaf};
use super::key::PrivateKey;
use super::path::Anchors;

/// A private key, the chain for it, and the anchors that the chain was pinned to.
#[derive(Clone, Debug)]
pub struct Credential {
    key: Arc<PrivateKey>,
    chain: Chain,
    anchors: Anchors,
}

impl Credential {
    /// Puts together what an authority answered (DER certificates in any order) and the key that
    /// was asked for.
    ///
    /// # Errors
    /// When one of the answers is not a certificate, or none is for this key.
    pub fn assemble(
        key: Arc<PrivateKey>,
        issued: &[Vec<u8>],
        anchors: Anchors,
    ) -> Result<Self, CredentialError> {
        let certificates = issued
            .iter()
            .enumerate()
            .map(|(at, der)| {
                Certificate::from_der(der.clone()).map_err(|source| {
                    CredentialError::NotACertificate {
                        position: at + 1,
                        source,
                    }
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let subjects = certificates
            .iter()
            .map(|certificate| certificate.facts().subject.clone())
            .collect();
        let chain = Chain::arrange(certificates, key.spki())
            .map_err(|NoLeaf { .. }| CredentialError::OtherKey { subjects })?;
        Ok(Self {
            key,
            chain,
            anchors,
        })
    }

    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn leaf(&self) -> &Certificate {
        &self.chain.leaf
    }

    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }
}

/// What came does not belong to our key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CredentialError {
    #[error("item {position} of the answer: {source}")]
    NotACertificate {
        position: usize,
        source: CertificateError,
    },
    #[error("none of the {} certificates in the answer is for the key in the request", subjects.len())]
    OtherKey { subjects: Vec<String> },
}
