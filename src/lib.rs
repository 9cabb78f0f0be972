//! certbake asks a certificate authority for a fresh short-lived mTLS client certificate, proves
//! that what came back is what was asked for, writes it and its key into an image file system as
//! one set, and fails the build when the validity window is too short.
//!
//! The modules stand in layers; each imports only from the ones below it (`tests/layers.rs`).

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

// L4: words in, words out.
pub mod cli;

// L3: one file per verb; one file per report format.
pub mod command;
pub mod report;

// L2: capabilities, siblings that do not know each other.
pub mod authority;
pub mod verify;

// L1: the outside.
pub mod image;
pub mod net;
pub mod secret_source;
pub mod subprocess;

// L0: values and rules; no I/O, no clock, no printing.
pub mod choice;
pub mod finding;
pub mod inspection;
pub mod line;
pub mod listing;
pub mod os_error;
pub mod outcome;
pub mod pages;
pub mod pki;
pub mod record;
pub mod secret;
pub mod span;
pub mod thread;
pub mod toml_fault;
