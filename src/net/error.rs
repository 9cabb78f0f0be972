//! Why an exchange did not come about, with the facts: whom, which addresses, how often, how long.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::progress::Stage;
use super::tls_reason::TlsReason;

/// Whom a request goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Name or address, IPv6 in brackets.
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    pub fn of(url: &Url) -> Self {
        Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A request that got no answer it could use.
#[derive(Debug, thiserror::Error)]
#[error("asking {endpoint}: {failure}{}", tries(*.attempts, *.elapsed))]
pub struct NetError {
    pub endpoint: Endpoint,
    pub failure: Box<Failure>,
    pub attempts: u32,
    /// Over all attempts and the waits between them.
    pub elapsed: Duration,
}

fn tries(attempts: u32, elapsed: Duration) -> String {
    if attempts > 1 {
        format!(" ({attempts} attempts in {:.1} s)", elapsed.as_secs_f64())
    } else {
        String::new()
    }
}

impl NetError {
    /// Asking again later may help.
    pub fn is_transient(&self) -> bool {
        self.failure.is_transient()
    }
}

/// What went wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("looking up its name: {reason}")]
    Resolve {
        reason: String,
        /// The resolver itself could not be asked; otherwise the name does not exist.
        temporary: bool,
    },
    #[error("connecting{}: {reason}", to(.addresses))]
    Connect {
        reason: ConnectReason,
        /// Empty where the host is an address.
        addresses: Vec<SocketAddr>,
    },
    #[error("{0}")]
    Tls(TlsReason),
    #[error("timed out after {:.1} s while {stage}", .after.as_secs_f64())]
    TimedOut { stage: Stage, after: Duration },
    #[error("through the proxy {proxy}: {reason}")]
    Proxy { proxy: String, reason: ProxyReason },
    #[error("redirected (status {status}){}", to_host(.to))]
    Redirected {
        status: u16,
        /// Host and port of the `Location`.
        to: Option<String>,
    },
    #[error("its answer is longer than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("it closed the connection while {stage}")]
    Closed { stage: Stage },
    #[error("it answered something that is not HTTP: {reason}")]
    Garbage { reason: String },
    #[error("{0}")]
    Url(UrlFault),
    #[error("the value of the header {name} contains a control character")]
    Header { name: String },
}

impl Failure {
    /// Whether the same request may succeed at another time.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { temporary, .. } => *temporary,
            Self::Connect { .. } | Self::TimedOut { .. } | Self::Closed { .. } => true,
            Self::Tls(reason) => reason.is_transient(),
            Self::Proxy { reason, .. } => !matches!(
                reason,
                ProxyReason::Resolve(_) | ProxyReason::WantsCredentials
            ),
            Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::Garbage { .. }
            | Self::Header { .. }
            | Self::Url(_) => false,
        }
    }
}

fn to(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    let list: Vec<_> = addresses.iter().map(|a| a.ip().to_string()).collect();
    format!(" to {}", list.join(", "))
}

fn to_host(host: &Option<String>) -> String {
    host.as_ref()
        .map_or_else(String::new, |host| format!(" to {host}"))
}

/// Why TCP did not connect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectReason {
    #[error("connection refused")]
    Refused,
    #[error("host unreachable")]
    HostUnreachable,
    #[error("network unreachable")]
    NetworkUnreachable,
    #[error("connection reset")]
    Reset,
    #[error("{0}")]
    Other(String),
}

/// What the proxy did.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyReason {
    #[error("looking up its name: {0}")]
    Resolve(String),
    #[error("{0}")]
    Connect(ConnectReason),
    #[error("it requires credentials (407)")]
    WantsCredentials,
    #[error("it refused to connect to the CA")]
    TurnedDown,
    #[error("no connection to the CA after {:.1} s", .after.as_secs_f64())]
    TimedOut { after: Duration },
}

/// A URL that must not be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UrlFault {
    #[error(
        "the URL contains a user name or password; give credentials by a secret source instead"
    )]
    Credentials,
    #[error(
        "plain http:// is only allowed to loopback: anyone on the network could read what is sent"
    )]
    PlainHttp,
    #[error("only https:// is supported")]
    Scheme,
    #[error("the URL has no host")]
    NoHost,
    #[error("an unverified server is only asked for public data, without credentials")]
    Unverified,
}

/// Settings from which no client can be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    #[error("anchor {number} cannot be used as a root: {reason}")]
    Anchor {
        /// From 1, in the order given.
        number: usize,
        reason: String,
    },
    #[error("no roots to verify the server with: {reason}")]
    NoRoots { reason: String },
    #[error("using the client certificate: {reason}")]
    ClientCertificate { reason: String },
    #[error("a client certificate is never sent to an unverified server")]
    Unverified,
    #[error("using the proxy {proxy}: {reason}")]
    Proxy { proxy: String, reason: String },
    #[error("starting the HTTP client: {reason}")]
    Start { reason: String },
}
