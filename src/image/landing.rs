//! A set on its way into the image, and the way back: everything that was created or swapped so far
//! is known here and taken back unless the set has landed.
//!
//! A kill needs no sync, a power failure does: the kernel writes what it holds in whatever order. What
//! each sync is for:
//!
//! | when | what | without it, after a power failure |
//! |---|---|---|
//! | before the first swap | each new file | a target could be swapped for a file without its content |
//! | | the journal | a set could be half swapped and nothing would tell |
//! | | each directory of a new file or directory, and the journal's | as above: content is on the disk and its name is not |
//! | after the last swap | each directory of a swapped file | the journal's removal could survive, and a swap not |
//!
//! Nothing else is synced. The journal of the phase *staging* may be lost with what it lists, or torn:
//! then nothing has been replaced (see [`super::journal`]). A new file that a power failure has torn
//! before the first swap is known by its digest, and the set is taken back. Removing the old files and
//! the journal may be lost: the next run removes them again.

use std::sync::Arc;

use super::dir::Dir;
use super::entry::Entry;
use super::error::{During, ImageError};
use super::journal::{Journal, Log, Phase};
use super::label::Labelled;
use super::lock::DirLock;
use super::notes;
use super::stat::FileKind;
use super::unsynced::Unsynced;
use crate::finding::Finding;

/// Directories are for everyone to pass through; what is in them has modes of its own.
const DIRECTORY_MODE: u32 = 0o755;

/// A directory this run has created.
pub(super) struct Made {
    above: Arc<Dir>,
    name: String,
}

/// What is in the image of a set that has not landed yet. Dropping it takes everything back.
pub(super) struct Landing {
    _lock: DirLock,
    journal: Journal,
    log: Log,
    pub(super) entries: Vec<Entry>,
    /// The new files under their temporary names.
    pub(super) written: Vec<Unsynced>,
    /// In the order they were created: first the journal's own.
    made: Vec<Made>,
    made_for_journal: usize,
    settled: bool,
}

impl Landing {
    /// Creates the journal, and the directories it needs, with everything that is about to be created.
    pub(super) fn begin(
        lock: DirLock,
        (dir, missing): (Arc<Dir>, &[String]),
        log: Log,
        notes: &mut Vec<Finding>,
    ) -> Result<Self, ImageError> {
        let mut made = Vec::new();
        let journal = make_missing(dir, missing, &mut made, notes)
            .map(Journal::within)
            .and_then(|journal| journal.write(&log).map(|_unsynced| journal));
        match journal {
            Ok(journal) => {
                let made_for_journal = made.len();
                Ok(Self {
                    _lock: lock,
                    journal,
                    log,
                    entries: Vec::new(),
                    written: Vec::new(),
                    made,
                    made_for_journal,
                    settled: false,
                })
            }
            Err(cause) => Err(match remove_made(&made) {
                Ok(()) => cause,
                Err(trouble) => half_done(cause, trouble),
            }),
        }
    }

    /// Creates the directories missing on the way to a file and returns the innermost.
    pub(super) fn make_missing(
        &mut self,
        dir: Arc<Dir>,
        missing: &[String],
        notes: &mut Vec<Finding>,
    ) -> Result<Arc<Dir>, ImageError> {
        make_missing(dir, missing, &mut self.made, notes)
    }

    /// Swaps every file and syncs every directory. The set has landed when this returns `Ok`; on an
    /// error [`Landing::take_back`] is due.
    pub(super) fn land(&mut self) -> Result<(), ImageError> {
        self.log.phase = Phase::Landing;
        let journal = self.journal.write(&self.log)?;
        self.written.drain(..).try_for_each(Unsynced::sync)?;
        journal.sync()?;
        let of_files = self.entries.iter().map(|entry| &*entry.dir);
        let of_directories = self.made.iter().map(|made| &*made.above);
        sync(of_files.chain(of_directories).chain([self.journal.dir()]))?;
        for entry in &mut self.entries {
            entry.swap_as_staged()?;
        }
        sync(self.entries.iter().map(|entry| &*entry.dir))
    }

    /// Restores the old set and says so by returning `cause` alone.
    pub(super) fn take_back(mut self, cause: ImageError) -> ImageError {
        match self.undo() {
            Ok(()) => cause,
            Err(trouble) => half_done(cause, trouble),
        }
    }

    /// Removes the old files and the journal. The set has landed, so trouble here is only told.
    pub(super) fn tidy(mut self) -> Option<Finding> {
        self.settled = true;
        let removed = self.entries.iter().try_for_each(Entry::remove_old);
        let tidied = removed.and_then(|()| self.journal.remove()).and_then(|()| {
            // The journal's directories stay when a record has landed in them.
            remove_made(&self.made[..self.made_for_journal])
        });
        tidied.err().map(|trouble| notes::left_over(&trouble))
    }

    fn undo(&mut self) -> Result<(), ImageError> {
        self.settled = true;
        for entry in self.entries.iter_mut().rev() {
            entry.swap_back()?;
        }
        // The names are back for every process; what a failing disk makes of them is out of our hands.
        let _ = sync(self.entries.iter().map(|entry| &*entry.dir));
        for entry in &self.entries {
            entry.remove_temporaries()?;
        }
        remove_made(&self.made[self.made_for_journal..])?;
        self.journal.remove()?;
        remove_made(&self.made[..self.made_for_journal])
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.settled {
            // No one is left to tell; the journal tells the next run.
            let _ = self.undo();
        }
    }
}

fn half_done(cause: ImageError, trouble: ImageError) -> ImageError {
    ImageError::HalfDone {
        cause: Box::new(cause),
        trouble: Box::new(trouble),
    }
}

/// Creates `missing` below `dir`, with mode 0755 whatever the umask and the label of the directory
/// above, and returns the innermost. One that another file of the set has needed is used as it is.
fn make_missing(
    dir: Arc<Dir>,
    missing: &[String],
    made: &mut Vec<Made>,
    notes: &mut Vec<Finding>,
) -> Result<Arc<Dir>, ImageError> {
    let mut here = dir;
    for name in missing {
        if !here.make_dir(name, DIRECTORY_MODE)? {
            here = Arc::new(here.open_dir(name)?);
            continue;
        }
        made.push(Made {
            above: here,
            name: name.clone(),
        });
        let above = &made.last().expect("pushed above").above;
        let below = Arc::new(above.open_dir(name)?);
        finish_dir(above, &below, notes)?;
        here = below;
    }
    Ok(here)
}

fn finish_dir(above: &Dir, below: &Dir, notes: &mut Vec<Finding>) -> Result<(), ImageError> {
    let fd = below.readable()?;
    let mode = rustix::fs::Mode::from_raw_mode(DIRECTORY_MODE);
    rustix::fs::fchmod(&fd, mode).during("setting the mode of", below.path())?;
    if let Some(label) = above.label()?
        && label.set_on(&fd, below.path())? == Labelled::Refused
    {
        notes.push(notes::label_not_set(below.path()));
    }
    Ok(())
}

/// Syncs each directory once, however many files of the set it holds.
pub(super) fn sync<'d>(directories: impl Iterator<Item = &'d Dir>) -> Result<(), ImageError> {
    let mut synced = Vec::new();
    for dir in directories {
        let identity = dir.identity()?;
        if !synced.contains(&identity) {
            dir.sync()?;
            synced.push(identity);
        }
    }
    Ok(())
}

fn remove_made(made: &[Made]) -> Result<(), ImageError> {
    made.iter()
        .rev()
        .try_for_each(|made| made.above.remove_empty_dir(&made.name))
}

/// Removes directories that an interrupted run has created, by their paths, innermost first.
pub(super) fn remove_listed<'p>(
    root: &super::ImageRoot,
    paths: impl DoubleEndedIterator<Item = &'p String>,
) -> Result<(), ImageError> {
    for path in paths.rev() {
        let (above, name) = super::path::split(path);
        if let Some(dir) = root.open_dir(above)?
            && dir
                .stat(name)?
                .is_some_and(|stat| stat.kind() == FileKind::Directory)
        {
            dir.remove_empty_dir(name)?;
        }
    }
    Ok(())
}
