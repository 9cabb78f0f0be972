//! The front: words in, words out, and the exit code.

pub mod args;
pub mod file;
mod resolve;
pub mod source;
pub mod usage;
