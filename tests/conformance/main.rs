//! certbake against servers and peers that nobody here wrote, and those against certbake: one module
//! for each server, its first test the fixture itself with a peer. The programs come from
//! `tests/install`; `tests/run` runs this, plain `cargo test` skips it aloud.

#[path = "../servers/mod.rs"]
mod servers;

mod acme;
mod cfssl;
mod est;
mod moto;
mod pebble;
mod step;
