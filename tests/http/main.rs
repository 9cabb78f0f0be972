//! The generic HTTP authority: the contract of all authorities, and what its settings can say. The
//! in-house service that people would write runs in `tests/conformance/in_house.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod abilities;
mod answers;
mod binary;
mod pending;
mod requests;
mod rules;
mod settings;

mod contract {
    use crate::fake::Api;

    crate::contract!(&Api);
}
