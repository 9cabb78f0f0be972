//! AWS Private CA against a scripted endpoint: the contract, and every exception of its table.

#![cfg(feature = "aws")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod credentials;
mod orders;
mod refusals;

mod contract {
    use crate::fake::AwsPca;

    crate::contract!(&AwsPca);
}
