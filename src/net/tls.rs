//! The TLS side of the client: rustls configured with exactly the trust that was asked for.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::danger::AnyServer;
use super::error::OpenError;
use super::progress::{NoSessions, Progress, Stage};
use super::settings::{ClientCertificate, ClientSettings, Trust};

pub(super) fn configuration(
    settings: &ClientSettings,
    progress: &Arc<Progress>,
) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let witness = Witness {
        judge: judge(&settings.trust, &provider)?,
        progress: Arc::clone(progress),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Start {
            reason: error.to_string(),
        })?
        // Not dangerous: the witness hands every decision to the judge.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(witness));
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(_) if matches!(settings.trust, Trust::Unverified(_)) => {
            return Err(OpenError::Unverified);
        }
        Some(ClientCertificate { chain, key }) => builder
            .with_client_auth_cert(
                chain.iter().cloned().map(CertificateDer::from).collect(),
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.expose().to_vec())),
            )
            .map_err(|error| OpenError::ClientCertificate {
                reason: match error {
                    rustls::Error::InconsistentKeys(_) => {
                        "the key does not belong to the certificate".to_owned()
                    }
                    other => other.to_string(),
                },
            })?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::store(Arc::new(NoSessions(Arc::clone(progress))));
    Ok(config)
}

fn judge(
    trust: &Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, OpenError> {
    let roots = match trust {
        Trust::Unverified(_) => return Ok(Arc::new(AnyServer(Arc::clone(provider)))),
        Trust::Nobody => return Ok(Arc::new(Nobody)),
        Trust::Anchors(anchors) => pinned(anchors)?,
        Trust::System => system()?,
    };
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| OpenError::NoRoots {
                reason: error.to_string(),
            })?;
    Ok(verifier)
}

fn pinned(anchors: &[Vec<u8>]) -> Result<RootCertStore, OpenError> {
    if anchors.is_empty() {
        return Err(OpenError::NoRoots {
            reason: "the list of anchors is empty".to_owned(),
        });
    }
    let mut roots = RootCertStore::empty();
    for (index, anchor) in anchors.iter().enumerate() {
        roots
            .add(CertificateDer::from(anchor.as_slice()))
            .map_err(|error| OpenError::Anchor {
                number: index + 1,
                reason: error.to_string(),
            })?;
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore, OpenError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores in the wild hold a few roots that no verifier can read; the others still count.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(OpenError::NoRoots {
            reason: found.errors.first().map_or_else(
                || "the system's trust store is empty".to_owned(),
                |error| format!("reading the system's trust store: {error}"),
            ),
        });
    }
    Ok(roots)
}

/// Turns every server down.
#[derive(Debug)]
struct Nobody;

impl ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// Stands beside the verifier that decides, and remembers the chain that it turned down: its error
/// names no issuer.
#[derive(Debug)]
struct Witness {
    judge: Arc<dyn ServerCertVerifier>,
    progress: Arc<Progress>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .inspect_err(|_| self.progress.turned_down(end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.progress.reached(Stage::Awaiting);
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.progress.reached(Stage::Awaiting);
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
