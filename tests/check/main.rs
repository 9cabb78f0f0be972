//! `certbake check` as it is run: files, folders and image roots in, findings and an exit code out.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod baked;
#[path = "../verify/lab.rs"]
mod lab;
mod support;

mod changed;
mod configured;
mod credentials;
mod folders;
mod images;
mod made;
