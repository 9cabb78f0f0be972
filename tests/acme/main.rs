//! The ACME authority: the contract of all authorities, what RFC 8555 adds, and every problem of its
//! table; `tests/conformance/acme.rs` asks Pebble and step-ca.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod challenges;
mod hooks;
mod losses;
mod names;
mod problems;
mod requests;
mod settings;

mod contract {
    use crate::fake::Acme;

    crate::contract!(&Acme);
}
