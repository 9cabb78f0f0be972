//! The network client against real TLS on loopback: what it sends, what it repeats, and what its
//! errors say.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod client;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod proxies;
mod repeats;
mod time_outs;
mod tls;
mod trust;
