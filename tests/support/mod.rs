//! What tests of the network share: a lab CA, and a scripted HTTPS server for the answers that no
//! real server gives on request.

#![allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

pub mod baking;
pub mod contract;
pub mod http2;
pub mod lab;
pub mod lost_alert;
pub mod orders;
pub mod server;

pub use http2::Http2Server;
pub use lab::{Identity, Lab};
pub use lost_alert::LosesFirstAlert;
pub use server::{Asked, FakeServer, Reply, script};

pub fn pem(der: &[u8]) -> String {
    certbake::pki::pem::encode("CERTIFICATE", der)
}
