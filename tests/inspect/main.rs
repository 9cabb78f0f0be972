//! `certbake inspect` on what OpenSSL, Java and OpenSSH write, and on what is no certificate at all.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../built/mod.rs"]
mod built;
mod support;

mod certificates;
mod keys;
mod requests;
mod running;
mod strangers;
