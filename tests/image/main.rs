//! The image layer on real file systems: what lands, what is refused, and what a kill or a failing
//! system call leaves behind.
#![allow(clippy::disallowed_methods)]

mod landing;
mod support;
