//! The image's file system: every path resolves inside the image root, and files land there as one
//! set, all or none. The only writers of files in the crate live here.
//!
//! ```text
//! ImageRoot::open -> Staging::prepare(slots)    owners looked up, directories opened; nothing changed
//!                 -> Staging::write(contents)   temporary files beside their targets
//!                 -> Staged::commit()           synced, swapped as one set, or taken back
//! ```
//! A run killed in between leaves a journal in the image, by which the next [`Staging::prepare`] (or
//! [`recover()`]) takes it back or completes it.

mod commit;
mod descriptors;
mod dir;
mod entry;
mod error;
mod explain;
mod host_file;
mod journal;
mod label;
mod landing;
mod lock;
mod mode;
mod notes;
mod outside;
mod owner;
mod path;
mod places;
mod plain;
mod prepare;
mod recover;
mod root;
mod stage;
mod stat;
mod unsynced;

pub use commit::{Change, Landed, LandedFile, Swap};
pub use error::{BrokenLink, Collision, ImageError, Reason};
pub use host_file::{HostFileError, can_write_host_file, write_host_file};
pub use journal::{Pending, Phase};
pub use lock::DirLock;
pub use mode::{Mode, ModeError};
pub use outside::{HostPlace, Named, Target, is_in_image};
pub use owner::{Owner, OwnerError, running};
pub use path::{ImagePath, PathError};
pub use places::Places;
pub use plain::{
    append_line, can_append, can_write, is_stream, lock_dir, make_dir, place_file, write_stream,
};
pub use prepare::{PlannedFile, Slot, Staging};
pub use recover::{Recovery, pending, recover, to_recover};
pub use root::ImageRoot;
pub use stage::{Content, Staged};
pub use stat::{FileKind, Metadata};

/// Every temporary name starts so: a dot file that globs skip and that says whose it is.
const TEMPORARY_PREFIX: &str = ".certbake-";
