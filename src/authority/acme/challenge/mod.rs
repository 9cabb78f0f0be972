//! Challenges (RFC 8555 section 8): what the CA is to find is put where it looks, kept while it
//! looks, and taken away.

mod dns;
mod http;
mod listener;
mod tls_alpn;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use instant_acme::{ChallengeType, Identifier};

use self::listener::{Answer, Listener};
use super::settings::{Kind, Proof};
use crate::authority::AuthorityError;
use crate::finding::Finding;

/// One name that is to be proven.
pub struct Task {
    /// Of its authorization.
    pub url: String,
    pub identifier: Identifier,
    pub token: String,
    /// RFC 8555 section 8.1.
    pub key_authorization: String,
    /// Its SHA-256.
    pub digest: Vec<u8>,
}

impl Task {
    /// The name without `*.`.
    pub fn name(&self) -> String {
        self.identifier.authorized(false).to_string()
    }
}

/// How names are proven, with the one listener of all orders under way.
pub struct Challenges {
    proof: Proof,
    listener: Mutex<Weak<Listener>>,
}

/// What has been put up for one order; dropping it takes it away.
pub struct Presented {
    listener: Option<(Arc<Listener>, Vec<String>)>,
    records: Vec<dns::Record>,
}

impl Challenges {
    pub fn new(proof: Proof) -> Self {
        Self {
            proof,
            listener: Mutex::default(),
        }
    }

    pub const fn proof(&self) -> &Proof {
        &self.proof
    }

    /// As instant-acme calls it.
    pub const fn kind(&self) -> ChallengeType {
        match self.proof.kind() {
            Kind::Http => ChallengeType::Http01,
            Kind::TlsAlpn => ChallengeType::TlsAlpn01,
            Kind::Dns => ChallengeType::Dns01,
        }
    }

    /// Puts up what proves these names.
    ///
    /// # Errors
    /// When nothing can be listened on, or the hook fails. Nothing is left then.
    pub fn present(&self, tasks: &[Task], deadline: Instant) -> Result<Presented, AuthorityError> {
        let mut presented = Presented {
            listener: None,
            records: Vec::new(),
        };
        let address = match &self.proof {
            Proof::Http(address) | Proof::TlsAlpn(address) => *address,
            Proof::Dns { hook, patience } => {
                for task in tasks {
                    let record = dns::Record::of(task, hook, *patience);
                    record.present(deadline)?;
                    presented.records.push(record);
                }
                return Ok(presented);
            }
        };
        let listener = self.listener(address)?;
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(match self.proof.kind() {
                Kind::TlsAlpn => {
                    let answer = Answer::Certificate(tls_alpn::certificate(task)?);
                    (tls_alpn::server_name(&task.identifier), answer)
                }
                _ => {
                    let answer = Answer::Text(task.key_authorization.clone());
                    (task.token.clone(), answer)
                }
            });
        }
        // Always in one order, so that two orders never wait for each other.
        answers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (listener, up) = presented.listener.insert((listener, Vec::new()));
        for (key, answer) in answers {
            if !listener.board.put(&key, &answer, deadline) {
                return Err(occupied(&key));
            }
            up.push(key);
        }
        Ok(presented)
    }

    /// The listener of the orders under way, or a new one.
    fn listener(&self, address: SocketAddr) -> Result<Arc<Listener>, AuthorityError> {
        let mut shared = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shared.upgrade() {
            return Ok(open);
        }
        let kind = self.proof.kind();
        let listener = Arc::new(match kind {
            Kind::TlsAlpn => Listener::open(address, kind, tls_alpn::converse)?,
            _ => Listener::open(address, kind, |board| Ok(http::conversing(board)))?,
        });
        *shared = Arc::downgrade(&listener);
        Ok(listener)
    }

    /// Whether the place to listen on can be had, for a preflight.
    pub fn rehearse(&self) -> Option<Finding> {
        match &self.proof {
            Proof::Dns { hook, .. } => dns::missing_program(hook),
            Proof::Http(address) | Proof::TlsAlpn(address) => {
                let listener = self.listener(*address);
                listener.err().map(AuthorityError::into_finding)
            }
        }
    }

    /// What to look at when the CA could not verify a name.
    pub fn hint(&self) -> String {
        match &self.proof {
            Proof::Http(address) => format!(
                "http-01: the CA fetches http://NAME/.well-known/acme-challenge/ on port 80, at the address that DNS gives: forward that to this machine's {address} (listen)"
            ),
            Proof::TlsAlpn(address) => format!(
                "tls-alpn-01: the CA connects by TLS to port 443, at the address that DNS gives: forward that to this machine's {address} (listen), without a proxy that terminates TLS"
            ),
            Proof::Dns { hook, .. } => format!(
                "dns-01: the CA looks for the TXT record that {} creates: the program must return only after every name server of the zone serves the record",
                hook.first().map_or("the hook", String::as_str)
            ),
        }
    }
}

fn occupied(key: &str) -> AuthorityError {
    AuthorityError::Unreachable(Box::new(
        Finding::error(
            tls_alpn::UNMADE,
            format!(
                "proving {key}: another order of this run was proving the same until the deadline"
            ),
        )
        .hint("give the identities a longer deadline, or bake them one after the other"),
    ))
}

impl Presented {
    /// Waits until the CA has asked for the proof, at most `patience`: polling before is for nothing.
    pub fn await_visit(&self, patience: Duration) {
        if let Some((listener, keys)) = &self.listener {
            listener.board.await_visit(keys, patience);
        }
    }

    /// Whether the CA asked for any of it; `None` where that cannot be known.
    pub fn visited(&self) -> Option<bool> {
        let (listener, keys) = self.listener.as_ref()?;
        Some(keys.iter().any(|key| listener.board.was_visited(key)))
    }

    /// Takes everything away, and tells what could not be.
    pub fn withdraw(mut self) -> Vec<Finding> {
        self.clear()
    }

    fn clear(&mut self) -> Vec<Finding> {
        if let Some((listener, keys)) = self.listener.take() {
            for key in keys {
                listener.board.remove(&key);
            }
        }
        self.records
            .drain(..)
            .filter_map(|record| record.clean_up().err())
            .collect()
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        // The error that ends the order is the one to tell.
        let _ = self.clear();
    }
}
