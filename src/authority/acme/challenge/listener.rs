//! A listener that answers a CA's validation and nobody else: bounded in time, size and number of
//! connections, shared by all orders under way, gone with the last of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::sign::CertifiedKey;

use super::super::settings::Kind;
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::{os_error, thread};

pub const CANNOT_LISTEN: Code = Code::new("acme-cannot-listen");

/// How long a visitor may take for one read or write.
const PATIENCE: Duration = Duration::from_secs(5);
/// Visitors at once; CAs look from less than ten places.
const MOST: usize = 64;

/// What is to be found.
#[derive(Clone)]
pub enum Answer {
    Text(String),
    Certificate(Arc<CertifiedKey>),
}

/// What is up, by token or by server name.
#[derive(Default)]
pub struct Board {
    entries: Mutex<Entries>,
    changed: Condvar,
}

/// What is up, and whether somebody asked for it.
type Entries = HashMap<String, (Answer, bool)>;

impl Board {
    /// Waits while another order has something up for the same name, which tls-alpn-01 cannot tell
    /// apart; not beyond `deadline`. Whether the place was free by then: if not, nothing is put up.
    #[must_use]
    pub fn put(&self, key: &str, answer: &Answer, deadline: Instant) -> bool {
        let patience = deadline.saturating_duration_since(Instant::now());
        let taken = |entries: &mut Entries| entries.contains_key(key);
        let mut entries = self
            .changed
            .wait_timeout_while(self.entries(), patience, taken)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        let is_free = !entries.contains_key(key);
        if is_free {
            entries.insert(key.to_owned(), (answer.clone(), false));
        }
        is_free
    }

    pub fn remove(&self, key: &str) {
        self.entries().remove(key);
        self.changed.notify_all();
    }

    /// What a visitor asks for.
    pub fn visit(&self, key: &str) -> Option<Answer> {
        let mut entries = self.entries();
        let (answer, visited) = entries.get_mut(key)?;
        *visited = true;
        let answer = answer.clone();
        self.changed.notify_all();
        Some(answer)
    }

    pub fn was_visited(&self, key: &str) -> bool {
        self.entries().get(key).is_some_and(|(_, visited)| *visited)
    }

    /// Until each of the keys has been asked for.
    pub fn await_visit(&self, keys: &[String], patience: Duration) {
        let missing = |entries: &mut Entries| {
            let unseen = |key: &String| matches!(entries.get(key), Some((_, false)));
            keys.iter().any(unseen)
        };
        let waited = self
            .changed
            .wait_timeout_while(self.entries(), patience, missing);
        drop(waited);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One conversation with a visitor.
pub type Converse = Box<dyn Fn(TcpStream) + Send + Sync>;

/// Listens until it is dropped.
pub struct Listener {
    pub board: Arc<Board>,
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn open(
        address: SocketAddr,
        kind: Kind,
        converse: impl FnOnce(Arc<Board>) -> Result<Converse, AuthorityError>,
    ) -> Result<Self, AuthorityError> {
        let failed = |error: std::io::Error| cannot_listen(address, kind, &error);
        let socket = TcpListener::bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let board = Arc::new(Board::default());
        let converse = Arc::new(converse(Arc::clone(&board))?);
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        let acceptor =
            thread::spawn(move || accept(&socket, &stopped, &converse)).map_err(failed)?;
        Ok(Self {
            board,
            address,
            stopping,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it should stop.
        let mut here = self.address;
        match here.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => here.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => here.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let woken = TcpStream::connect_timeout(&here, PATIENCE).is_ok();
        match self.acceptor.take() {
            Some(acceptor) if woken => drop(acceptor.join()),
            _ => {}
        }
    }
}

fn accept(socket: &TcpListener, stopping: &AtomicBool, converse: &Arc<Converse>) {
    let visitors = Arc::new(AtomicUsize::new(0));
    for stream in socket.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of descriptors: not at full speed.
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let bounded = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        if bounded.is_err() || visitors.fetch_add(1, Ordering::SeqCst) >= MOST {
            visitors.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (converse, left) = (Arc::clone(converse), Arc::clone(&visitors));
        let visit = thread::spawn(move || {
            converse(stream);
            left.fetch_sub(1, Ordering::SeqCst);
        });
        if visit.is_err() {
            visitors.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn cannot_listen(address: SocketAddr, kind: Kind, error: &std::io::Error) -> AuthorityError {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE: set listen to a higher port and forward the usual port to it"
        }
        std::io::ErrorKind::AddrInUse => {
            "another program listens there: stop it during the run, or set listen to another port and forward the usual port to it"
        }
        std::io::ErrorKind::WouldBlock => "raise the process limit, or stop other programs",
        _ => "set listen to an address of this machine, and a port",
    };
    AuthorityError::Settings(Box::new(
        Finding::error(
            CANNOT_LISTEN,
            format!(
                "listening on {address} for {}: {}",
                kind.as_str(),
                os_error::in_words(error)
            ),
        )
        .fact("listen", address.to_string())
        .hint(hint),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_stays_taken_is_not_taken_over() {
        let board = Board::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        let answer = |text: &str| Answer::Text(text.to_owned());
        assert!(board.put("app.lab", &answer("first"), soon()));
        assert!(!board.put("app.lab", &answer("second"), soon()));
        assert!(matches!(board.visit("app.lab"), Some(Answer::Text(text)) if text == "first"));
        board.remove("app.lab");
        assert!(board.put("app.lab", &answer("second"), soon()));
    }
}
