//! The Vault authority against a scripted fake: the contract of all authorities, every error of its
//! table, every login. Against a real Vault: tests/conformance/vault.rs.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

#[path = "vault/errors.rs"]
mod errors;
#[path = "vault/fake.rs"]
mod fake;
#[path = "vault/logins.rs"]
mod logins;
#[path = "vault/orders.rs"]
mod orders;
#[path = "vault/preflight.rs"]
mod preflight;
#[path = "vault/settings.rs"]
mod settings;

mod contract {
    use crate::fake::Vault;

    crate::contract!(&Vault);
}
