//! The embedded CA as an EST server (RFC 7030, RFC 8951) over HTTPS, for a lab, a test, a quick
//! start. It holds what no client can take down: every read, wait and count has a bound.

mod answer;
mod connection;
mod identity;
mod names;
mod operations;
mod serving;
mod users;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::{CaDirectory, TTL};
use crate::finding::rfc3339;
use crate::os_error;
use crate::pki::{AltName, Certificate};
use crate::span::Span;
use crate::thread;

pub use identity::IdentityError;
pub use names::{AllowedNames, NamePattern, NamePatternError};
pub use users::{User, Users, UsersError};

use serving::Serving;

/// Threads that answer; one more signs.
const WORKERS: usize = 2;

/// What time it is: a server outlives the moment it was started.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// How the CA is served.
pub struct Config {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What clients call the server, beside what `listen` says: its certificate names them.
    pub names: Vec<AltName>,
    pub users: Users,
    /// Roots of another CA whose client certificates may log in.
    pub client_anchors: Vec<Certificate>,
    /// Also answers under `/.well-known/est/<label>/` (RFC 7030 section 3.2.2).
    pub label: Option<String>,
    /// The lifetime granted: EST has no way to ask for one.
    pub ttl: Span,
    pub limits: Limits,
    pub clock: Clock,
}

impl Config {
    /// Answers nobody yet: users or client anchors are to be added.
    pub fn new(listen: SocketAddr, clock: Clock) -> Self {
        Self {
            listen,
            names: Vec::new(),
            users: Users::default(),
            client_anchors: Vec::new(),
            label: None,
            ttl: TTL,
            limits: Limits::default(),
            clock,
        }
    }
}

/// What one client can take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Bytes of a request's body; a signing request has about one kilobyte.
    pub body: usize,
    /// From the TCP connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first wait for a request's head to its end, so also between two requests.
    pub waiting: Duration,
    /// From the end of a request's head to its answer.
    pub request: Duration,
    /// What requests in flight get when the server is told to stop.
    pub stopping: Duration,
    /// How often the server's own certificate and the CA's directory are looked at.
    pub renewal: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: 16 * 1024,
            body: 64 * 1024,
            handshake: Duration::from_secs(5),
            waiting: Duration::from_secs(10),
            request: Duration::from_secs(20),
            stopping: Duration::from_secs(10),
            renewal: Duration::from_secs(60),
        }
    }
}

/// What happens while the server runs. Its `Display` is one line without a secret.
#[derive(Clone, Debug)]
pub enum Event {
    /// There was no CA in this directory, and now there is.
    Made {
        directory: PathBuf,
    },
    Listening {
        address: SocketAddr,
    },
    /// A request and its answer.
    Answered {
        peer: SocketAddr,
        /// The user, the subject of the client certificate, or `-`.
        caller: String,
        method: String,
        path: String,
        status: u16,
        took: Duration,
        /// The serial issued, or why not.
        note: String,
    },
    /// A connection that came to no request, or something the operator should know.
    Trouble {
        peer: Option<SocketAddr>,
        what: String,
    },
    /// The server took a new certificate of its own.
    Renewed {
        not_after: OffsetDateTime,
    },
    /// The CA has another intermediate in its directory, and the server took it.
    NewIntermediate {
        intermediate: String,
        not_after: OffsetDateTime,
    },
    Stopping,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made { directory } => write!(
                f,
                "there was no CA in {}: created one; clients need its new root.pem",
                directory.display()
            ),
            Self::Listening { address } => write!(f, "listening on https://{address}"),
            Self::Answered {
                peer,
                caller,
                method,
                path,
                status,
                took,
                note,
            } => {
                let milliseconds = took.as_millis();
                write!(
                    f,
                    "{peer} {caller} {method} {path} {status} {milliseconds}ms {note}"
                )
            }
            Self::Trouble {
                peer: Some(peer),
                what,
            } => write!(f, "{peer} {what}"),
            Self::Trouble { peer: None, what } => f.write_str(what),
            Self::Renewed { not_after } => write!(
                f,
                "renewed the server's certificate until {}",
                rfc3339(*not_after)
            ),
            Self::NewIntermediate {
                intermediate,
                not_after,
            } => write!(
                f,
                "the CA has a new intermediate, \"{intermediate}\" until {}: it signs from now on",
                rfc3339(*not_after)
            ),
            Self::Stopping => f.write_str("stopping: finishing the requests in flight"),
        }
    }
}

/// Told of every [`Event`], from several threads.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves until SIGTERM or SIGINT, then finishes the requests in flight.
///
/// # Errors
/// When the server cannot start: the address is taken, or its own certificate cannot be issued.
pub fn serve(ca: CaDirectory, config: Config, events: Events) -> Result<(), ServeError> {
    threads_can_be_had(WORKERS + 1).map_err(ServeError::Runtime)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
        let server = Server::bind(ca, config, events).await?;
        server
            .run(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            })
            .await;
        Ok(())
    })
}

/// tokio panics where it gets none.
fn threads_can_be_had(number: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    for _ in 0..number {
        let gate = Arc::clone(&gate);
        thread::spawn(move || drop(gate.lock()))?;
    }
    drop(closed);
    Ok(())
}

/// A server that listens already.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    serving: Arc<Serving>,
    limits: Limits,
    events: Events,
}

impl Server {
    /// Issues the server's own certificate and starts to listen.
    ///
    /// # Errors
    /// As [`serve`].
    pub async fn bind(ca: CaDirectory, config: Config, events: Events) -> Result<Self, ServeError> {
        let listener =
            TcpListener::bind(config.listen)
                .await
                .map_err(|source| ServeError::Listen {
                    address: config.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(ServeError::Runtime)?;
        let limits = config.limits;
        let serving = Serving::open(ca, config, address, &events)?;
        events(Event::Listening { address });
        Ok(Self {
            listener,
            address,
            serving: Arc::new(serving),
            limits,
            events,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then finishes the requests in flight, within bounds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, told) = watch::channel(false);
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut renewal = tokio::time::interval(self.limits.renewal);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = renewal.tick() => self.renew(),
                (place, accepted) = self.accept(&places) => match accepted {
                    Ok((stream, peer)) => {
                        let connections = self.serving.connections();
                        let told = told.clone();
                        tokio::spawn(async move {
                            connections.serve(stream, peer, told).await;
                            drop(place);
                        });
                    }
                    Err(error) => self.rest_after(&error).await,
                },
            }
        }
        (self.events)(Event::Stopping);
        drop(self.listener);
        // Nobody listens when there is no connection.
        let _ = stopping.send(true);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(self.limits.stopping, places.acquire_many(all)).await;
    }

    /// A place for a connection, then the connection: those for whom there is none wait in the
    /// system's queue.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> (
        Option<tokio::sync::OwnedSemaphorePermit>,
        io::Result<(tokio::net::TcpStream, SocketAddr)>,
    ) {
        let place = Arc::clone(places).acquire_owned().await.ok();
        (place, self.listener.accept().await)
    }

    /// Out of descriptors or memory: waiting lets connections end.
    async fn rest_after(&self, error: &io::Error) {
        (self.events)(Event::Trouble {
            peer: None,
            what: format!("accepting a connection: {}", os_error::in_words(error)),
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn renew(&self) {
        let serving = Arc::clone(&self.serving);
        // Signing is quick, but the log is synced to the disk.
        tokio::task::spawn_blocking(move || serving.renew());
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("listening on {address}: {}", os_error::in_words(source))]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("preparing the server's certificate: {0}")]
    Identity(#[from] IdentityError),
    #[error("starting the server: {}", os_error::in_words(.0))]
    Runtime(io::Error),
}
