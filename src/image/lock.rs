//! One run at a time: an exclusive flock(2) on a directory, released when dropped or when the
//! process ends in whatever way.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::dir::Dir;
use super::error::{During, ImageError};

/// An exclusive lock on a directory, held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct DirLock {
    _directory: OwnedFd,
}

const PAUSE: Duration = Duration::from_millis(50);

impl DirLock {
    /// Locks `dir`, waiting at most `patience` for another holder; `host` is for the message.
    pub(super) fn take(dir: &Dir, host: &Path, patience: Duration) -> Result<Self, ImageError> {
        let directory = dir.readable()?;
        let mut waited = Duration::ZERO;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Ok(Self {
                        _directory: directory,
                    });
                }
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if waited < patience => {
                    thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(ImageError::Busy {
                        root: host.to_owned(),
                    });
                }
                Err(errno) => return Err(errno).during("locking", dir.path()),
            }
        }
    }
}
