//! The exec authority: every way in which a program can end, and what the order makes of it. The CAs
//! that people run so are in `tests/conformance/exec.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;
mod workshop;

mod abilities;
mod answers;
mod binary;
mod endings;
mod settings;
mod surroundings;
