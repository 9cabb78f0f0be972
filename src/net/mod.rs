//! The network: one HTTP client for everything remote, with its trust, limits, retries and proxies,
//! and errors that say host, what was tried, and the TLS reason in words. The one home of `reqwest`.

pub mod alert;
mod classify;
mod client;
pub mod danger;
mod error;
mod findings;
pub mod interleaved;
mod late_alert;
mod message;
mod progress;
mod retry;
pub mod runtime;
mod settings;
mod tls;
mod tls_reason;

pub use client::{Client, admissible};
pub use error::{ConnectReason, Endpoint, Failure, NetError, OpenError, ProxyReason, UrlFault};
pub use findings::{CLIENT_SETTINGS, TLS};
pub use message::{Method, Repeat, Request, Response};
pub use progress::Stage;
pub use settings::{ClientCertificate, ClientSettings, OnWait, Proxy, ProxyServer, Trust, Waiting};
pub use tls_reason::TlsReason;
