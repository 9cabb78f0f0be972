//! The step-ca authority: the contract of all authorities, the tokens it makes, the logins it has, and
//! what it makes of the CA's silence, against a scripted server. The real one: `tests/conformance`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod fake;
#[path = "../support/mod.rs"]
mod support;

mod logins;
mod refusals;
mod renewal;
mod requests;

mod contract {
    use crate::fake::StepCa;

    crate::contract!(&StepCa);
}
