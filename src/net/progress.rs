//! How far an attempt has come, noted where it happens (name lookup, ClientHello, the server's
//! certificate), so that a time-out can say which step took too long and a failure what it met.

use std::fmt;
use std::future::ready;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName};
use url::Host;

use super::client::is_loopback;
use crate::thread;

/// The steps of an exchange, in order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    Resolving,
    Connecting,
    Handshaking,
    /// Asked; the first byte of the answer is awaited.
    Awaiting,
    /// Reading the answer's body.
    Reading,
}

impl Stage {
    /// As in "timed out after 10 s while ...".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolving => "looking up its name",
            Self::Connecting => "connecting (no TCP answer)",
            Self::Handshaking => "connected, waiting for its TLS answer",
            Self::Awaiting => "waiting for its answer",
            Self::Reading => "reading its answer",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug)]
struct Seen {
    stage: Stage,
    kept: bool,
    /// A connection has ended without an answer, and it was looked into why.
    looked_into: bool,
    addresses: Vec<SocketAddr>,
    presented: Vec<CertificateDer<'static>>,
}

/// Shared between the client and the hooks below. Several requests at once on one client share it
/// too: what they meet is the same server.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Seen>);

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Seen {
            stage: Stage::Connecting,
            kept: false,
            looked_into: false,
            addresses: Vec::new(),
            presented: Vec::new(),
        })))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins: on a kept connection, at its request.
    pub(super) fn begin(&self) {
        let mut seen = self.seen();
        seen.stage = if seen.kept {
            Stage::Awaiting
        } else {
            Stage::Connecting
        };
        seen.presented.clear();
    }

    /// The head of an answer came, and its connection may serve the next request.
    pub(super) fn answered(&self) {
        let mut seen = self.seen();
        seen.stage = Stage::Reading;
        seen.kept = true;
    }

    /// Whether no answer has ever come and this is the first connection that ended; it is to be looked into why.
    pub(super) fn is_first_loss(&self) -> bool {
        let mut seen = self.seen();
        !seen.kept && !std::mem::replace(&mut seen.looked_into, true)
    }

    pub(super) fn reached(&self, stage: Stage) {
        self.seen().stage = stage;
    }

    pub(super) fn stage(&self) -> Stage {
        self.seen().stage
    }

    /// What the last lookup answered; empty where the host is an address.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.seen().addresses.clone()
    }

    /// Keeps a chain that was turned down, so that the error can name it.
    pub(super) fn turned_down(&self, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) {
        self.seen().presented = std::iter::once(leaf)
            .chain(above)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
    }

    pub(super) fn presented(&self) -> Vec<CertificateDer<'static>> {
        self.seen().presented.clone()
    }
}

/// Looks names up by the C library, on a thread that nobody waits for when time is up: a lookup
/// cannot be interrupted, and a runtime's own blocking thread would hold back the program's end.
///
/// The names of this machine are not looked up (RFC 6761 section 6.3): what may be sent to them in the
/// clear must not leave it, whatever a name server says.
pub(super) struct Lookup(pub(super) Arc<Progress>);

const THIS_MACHINE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let progress = Arc::clone(&self.0);
        if is_loopback(&Host::Domain(name.as_str())) {
            let addresses = THIS_MACHINE.map(|address| SocketAddr::new(address, 0));
            progress.seen().addresses = addresses.to_vec();
            return Box::pin(ready(Ok(Box::new(addresses.into_iter()) as Addrs)));
        }
        progress.reached(Stage::Resolving);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let host = name.as_str().to_owned();
        let started = thread::spawn(move || {
            let found = (host.as_str(), 0)
                .to_socket_addrs()
                .map(Iterator::collect::<Vec<_>>);
            // Nobody listens any more when the deadline has passed.
            let _ = answer.send(found);
        });
        Box::pin(async move {
            started?;
            let addresses = answered.await??;
            progress.seen().addresses.clone_from(&addresses);
            progress.reached(Stage::Connecting);
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Keeps no session (one connection serves a whole order), and notes the moment when rustls asks
/// for one: it is writing its ClientHello, so TCP is connected.
///
/// The first key share is for P-256, which every server must know (RFC 8446 section 9.1): those of
/// PKI appliances often know no other, and would ask for a second ClientHello.
#[derive(Debug)]
pub(super) struct NoSessions(pub(super) Arc<Progress>);

impl ClientSessionStore for NoSessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.reached(Stage::Handshaking);
        Some(NamedGroup::secp256r1)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
