//! certbake against servers and peers that nobody here wrote, and those against certbake: one module
//! for each server, its first test the fixture itself with a peer. The programs come from
//! `tests/install`; `tests/run` runs this, plain `cargo test` skips it aloud.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

mod acme;
#[cfg(feature = "aws")]
mod aws_pca;
mod cfssl;
mod est;
mod exec;
mod in_house;
mod kubernetes;
mod moto;
mod pebble;
mod step_ca;
mod vault;
