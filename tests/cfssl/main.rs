//! The cfssl authority against a scripted server that answers as cfssl 1.6.5 and multirootca do; the
//! real ones are in `tests/conformance/cfssl.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod binary;
mod foreseen;
mod refusals;
mod requests;
mod revocations;
mod settings;

mod contract {
    use crate::fake::Cfssl;

    crate::contract!(&Cfssl);
}
