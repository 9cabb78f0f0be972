//! The Google CA Service authority against a scripted server that holds each request to the published
//! proto (`google/cloud/security/privateca/v1`): paths, parameters, members, what is required. Google's
//! own service cannot run here.

#![allow(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::unwrap_used
)]

mod binary;
mod fake;
#[path = "../support/mod.rs"]
mod support;

mod credentials;
mod found;
mod preflight;
mod refusals;
mod requests;
mod revocation;
mod settings;

mod contract {
    use crate::fake::Cas;

    crate::contract!(&Cas);
}
