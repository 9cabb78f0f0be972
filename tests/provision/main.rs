//! The main job as a user runs it: the built binary, the embedded CA, an image root in a fresh directory.
#![allow(clippy::disallowed_methods, clippy::too_many_lines)]

#[path = "../built/mod.rs"]
mod built;
#[path = "../skips/mod.rs"]
mod skips;
mod support;

mod claims;
mod discarded;
mod flags;
mod floors;
mod inputs;
mod landing;
mod mistakes;
mod reports;
