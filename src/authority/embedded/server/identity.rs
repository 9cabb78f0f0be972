//! The server's own certificate, issued by the CA it serves, and the TLS it speaks with it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;

use super::super::{CaDirectory, IssueError, Terms};
use super::Clock;
use crate::pki::key::KeyError;
use crate::pki::request::RequestError;
use crate::pki::{
    AltName, Certificate, KeyAlgorithm, PrivateKey, ReceivedRequest, SigningRequest, Subject,
    Usage, ValidityWindow,
};
use crate::span::Span;

/// Renewed after two thirds of it.
const LIFETIME: Span = Span::seconds(7 * 86_400);

/// The certificate in use; handshakes take it, renewal replaces it.
pub(super) struct Identity {
    ca: Arc<CaDirectory>,
    names: Vec<AltName>,
    clock: Clock,
    current: RwLock<(Arc<CertifiedKey>, ValidityWindow)>,
}

/// What the certificate names: what it was told, the address, and what a loopback is called.
pub(super) fn names(address: SocketAddr, told: &[AltName]) -> Vec<AltName> {
    let mut names = told.to_vec();
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        names.push(AltName::Dns("localhost".to_owned()));
        names.push(AltName::Ip([127, 0, 0, 1].into()));
        names.push(AltName::Ip(std::net::Ipv6Addr::LOCALHOST.into()));
    }
    if !ip.is_unspecified() {
        names.push(AltName::Ip(ip));
    }
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

impl Identity {
    pub(super) fn issue(
        ca: Arc<CaDirectory>,
        names: Vec<AltName>,
        clock: Clock,
    ) -> Result<Arc<Self>, IdentityError> {
        let current = RwLock::new(fresh(&ca, &names, clock())?);
        Ok(Arc::new(Self {
            ca,
            names,
            clock,
            current,
        }))
    }

    /// Takes a new certificate when two thirds of the present one are over; tells its end.
    pub(super) fn renew_when_due(&self) -> Result<Option<OffsetDateTime>, IdentityError> {
        let now = (self.clock)();
        let window = self.read().1;
        if window.remaining(now) > window.lifetime() / 3 {
            return Ok(None);
        }
        let fresh = fresh(&self.ca, &self.names, now)?;
        let not_after = fresh.1.not_after;
        // A CA about to end cannot give a longer one: another each time would only fill the log.
        if not_after <= window.not_after {
            return Ok(None);
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(Some(not_after))
    }

    fn read(&self) -> (Arc<CertifiedKey>, ValidityWindow) {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn fresh(
    ca: &CaDirectory,
    names: &[AltName],
    now: OffsetDateTime,
) -> Result<(Arc<CertifiedKey>, ValidityWindow), IdentityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let subject = Subject {
        common_name: Some("certbake EST server".to_owned()),
        ..Subject::default()
    };
    let request = SigningRequest::new(&key, subject, names.to_vec(), Usage::Server)?;
    let request = ReceivedRequest::from_der(request.der()).map_err(IssueError::from)?;
    let terms = Terms {
        now,
        ttl: LIFETIME,
        max_ttl: LIFETIME,
        requester: "server",
    };
    let certificate = ca.issue(&request, &terms)?.certificate;
    let chain = [&certificate, ca.intermediate()]
        .map(|link| CertificateDer::from(link.der().to_vec()))
        .to_vec();
    let key = PrivatePkcs8KeyDer::from(key.expose_pkcs8());
    let signer = any_supported_type(&PrivateKeyDer::from(key))?;
    Ok((
        Arc::new(CertifiedKey::new(chain, signer)),
        certificate.window(),
    ))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.names)
    }
}

/// For rustls: what handshakes present.
#[derive(Debug)]
struct Present(Arc<Identity>);

impl ResolvesServerCert for Present {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().0)
    }
}

/// TLS 1.2 and 1.3; a client certificate is asked for, not demanded: `cacerts` is for everybody, and
/// certificate-less clients log in by password.
pub(super) fn tls(
    identity: &Arc<Identity>,
    client_anchors: &[Certificate],
) -> Result<Arc<ServerConfig>, IdentityError> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    // The intermediate too: clients often send their certificate without it.
    let own = [identity.ca.root(), identity.ca.intermediate()];
    for anchor in own.into_iter().chain(client_anchors) {
        roots.add(CertificateDer::from(anchor.der().to_vec()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    let clock = Arc::new(RunningClock(Arc::clone(&identity.clock)));
    let mut config = ServerConfig::builder_with_details(provider, clock)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Present(Arc::clone(identity))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    // A resumed session would keep a client certificate beyond its end.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For rustls: client certificates are judged by the same clock that dates new ones.
struct RunningClock(Clock);

impl TimeProvider for RunningClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from((self.0)().unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for RunningClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningClock")
    }
}

/// Why the server has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("preparing TLS: {0}")]
    Tls(#[from] rustls::Error),
}
