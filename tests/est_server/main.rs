//! The embedded CA as an EST server: what it answers to whom, to clients that nobody here wrote, and
//! to those who mean it no good.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod clients;
mod hostile;
mod rules;
#[path = "../servers/mod.rs"]
mod servers;
mod support;
