//! The Vault authority against a scripted fake: the contract of all authorities, every error of its
//! table, every login. Against a real Vault: tests/conformance/vault.rs.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod errors;
mod fake;
mod logins;
mod orders;
mod preflight;
mod revocations;
mod settings;

mod contract {
    use crate::fake::Vault;

    crate::contract!(&Vault);
}
