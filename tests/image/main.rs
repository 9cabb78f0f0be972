//! The image layer on real file systems: what lands, what is refused, and what a kill or a failing
//! system call leaves behind.
#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod driver;
mod faults;
mod journals;
mod kills;
mod landing;
mod limits;
mod links;
mod outside;
mod races;
mod rights;
#[path = "../skips/mod.rs"]
mod skips;
mod strace;
mod support;
mod targets;
