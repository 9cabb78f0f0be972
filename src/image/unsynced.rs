//! Files that are written and not yet on the disk. The write-out of each is begun when it is complete,
//! so that the first sync finds all of them on their way and the journalling file systems commit once
//! for the set: a sync of each in turn, right after writing it, costs a commit for every file.

use std::fs::File;

use rustix::fs::{Advice, fadvise};

use super::error::{During, ImageError};

/// A file whose content is complete.
#[must_use = "what is not synced may be lost, or torn, when the power fails"]
pub(super) struct Unsynced {
    file: File,
    path: String,
}

impl Unsynced {
    pub(super) fn new(file: File, path: String) -> Self {
        // Linux begins to write dirty pages when told that they are not needed (mm/fadvise.c). Where
        // it does not, the sync does all the work.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        Self { file, path }
    }

    pub(super) fn sync(self) -> Result<(), ImageError> {
        self.file.sync_all().during("syncing", &self.path)
    }
}
