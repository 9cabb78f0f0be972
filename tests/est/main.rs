//! The EST authority: the contract of all authorities, what RFC 7030 adds, what servers in the wild
//! do differently, and GlobalSign's estserver for real.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod certificates_as_login;
mod estserver;
mod fingerprints;
mod fingerprints_and_logins;
mod pending;
mod refusals;
mod requests;
mod settings;
mod tolerance;
mod waits;

mod contract {
    use crate::fake::Est;

    crate::contract!(&Est);
}
