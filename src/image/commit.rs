//! The last step: all files of the set are swapped, or none is.

use super::entry::Entry;
use super::error::ImageError;
use super::mode::Mode;
use super::notes;
use super::path::ImagePath;
use super::stage::Staged;
use crate::finding::Finding;

/// What happened to one file of the set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    Written(Swap),
    /// Content, mode and owner were right already: same inode, same times.
    Unchanged,
}

/// How a new file came to its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Swap {
    /// There was no file before.
    Created,
    /// By RENAME_EXCHANGE: at every instant either the old or the new file is there.
    Exchanged,
    /// By a rename over the old file, of which a second name was kept; the file system has no exchange.
    Renamed,
    /// Its content was overwritten, because something is mounted on the file itself.
    InPlace,
}

/// One file as it is in the image now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LandedFile {
    pub path: ImagePath,
    /// What the slot calls it, for messages.
    pub label: String,
    pub change: Change,
    pub mode: Mode,
    pub uid: u32,
    pub gid: u32,
    /// Of the content, lower-case hexadecimal.
    pub sha256: String,
}

/// The set has landed: files in the order of their slots.
#[derive(Clone, Debug)]
pub struct Landed {
    pub files: Vec<LandedFile>,
    /// What is worth knowing about how it landed; none is an error.
    pub notes: Vec<Finding>,
}

impl Change {
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Written(_))
    }
}

impl Staged {
    /// Swaps every file of the set into its place and syncs the directories.
    ///
    /// Kept: nothing of the old file but its name and SELinux label. Its access list, other extended
    /// attributes, other hard links and times stay with the old file, which is removed. Where
    /// something is mounted on the file itself, the file is kept and its content replaced.
    ///
    /// # Errors
    /// The old set is back, byte for byte, with modes, owners, times and directories, before an error
    /// is returned; if even that failed, the error is [`ImageError::HalfDone`] and the journal stays.
    pub fn commit(mut self) -> Result<Landed, ImageError> {
        let Some(mut landing) = self.landing.take() else {
            return Ok(Landed {
                files: self.files,
                notes: self.notes,
            });
        };
        if let Err(cause) = landing.land() {
            return Err(landing.take_back(cause));
        }
        for (entry, place) in landing.entries.iter().zip(&self.places) {
            let swap = entry
                .swapped
                .expect("every entry was swapped when land() returned Ok");
            self.files[*place].change = Change::Written(swap);
            self.notes.extend(note(entry, swap));
        }
        self.notes.extend(landing.tidy());
        Ok(Landed {
            files: self.files,
            notes: self.notes,
        })
    }
}

fn note(entry: &Entry, swap: Swap) -> Option<Finding> {
    match swap {
        Swap::Created | Swap::Exchanged => None,
        Swap::Renamed => Some(notes::no_exchange(&entry.target())),
        Swap::InPlace => Some(notes::written_in_place(&entry.target())),
    }
}
