//! The embedded authority: a CA in a directory, from its first use to its end.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../skips/mod.rs"]
mod skips;
mod support;

mod asked_again;
mod directory;
mod hostile;
mod making;
mod orders;
mod requests;
mod revocations;
