//! Open files: a set holds each new file open until it is synced, and the directory it lands in.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::{During, ImageError};

/// A new file, its directory, and one above it that is created.
const FOR_EACH_FILE: u64 = 3;

/// Connections, threads' pipes, the lock, what is open for a moment.
const BESIDE: u64 = 128;

/// Raises our own limit as far as `files` need and the system lets us.
pub(super) fn allow(files: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = files as u64 * FOR_EACH_FILE + BESIDE;
    let Some(current) = limit.current.filter(|current| *current < wanted) else {
        return;
    };
    let raised = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if raised > current {
        let raised = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        // Where it stays, the set may fit all the same: see `suffice`.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Refuses a set of which not even the new files and their directories can be `open` at once.
pub(super) fn suffice(open: usize, first: &str) -> Result<(), ImageError> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit <= open as u64 => {
            Err(Errno::MFILE).during("opening the files of the set, beginning with", first)
        }
        _ => Ok(()),
    }
}
