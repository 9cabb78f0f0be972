//! The journal of a set on its way into the image: which temporary names belong to which files, so
//! that a run cut short can be taken back or completed. It holds names and digests, never content.
//!
//! It is written twice. In the phase *staging* it lists what is about to be created, before any of it
//! is; such a run is taken back. In the phase *landing* every temporary file is complete, and nothing
//! is missing but the swaps; such a run is completed.
//!
//! The first writing is not synced: a kill loses nothing of it, and what a power failure may leave of
//! it, a journal without its end, says that no file was replaced yet, because the second is synced
//! before the first swap.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rustix::fs::{Mode as RawMode, fchmod};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use super::TEMPORARY_PREFIX;
use super::dir::Dir;
use super::error::{During, ImageError};
use super::notes::interrupted;
use super::path::ImagePath;
use super::places::{Place, Places};
use super::root::each_piece;
use super::stat::Stat;
use super::unsynced::Unsynced;
use crate::finding::Finding;
use crate::record::{DIRECTORY, JOURNAL};

const SCHEMA: u32 = 1;

const RANDOM_BYTES: usize = 12;

/// A set has at most some hundred files.
const LARGEST: u64 = 4 * 1024 * 1024;

/// How far an interrupted run had come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Files were being written beside their targets; the old set is untouched.
    Staging,
    /// The swaps had begun, or were about to.
    Landing,
}

/// What the journal says, as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) schema: u32,
    pub(super) phase: Phase,
    /// Directories the run creates, each after the one that holds it.
    pub(super) directories: Vec<String>,
    pub(super) files: Vec<Line>,
}

/// One file of the set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) directory: String,
    pub(super) name: String,
    pub(super) temporary: String,
    pub(super) backup: String,
    pub(super) shape: Shape,
}

/// What a landed file must look like.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Lower-case hexadecimal.
    pub(super) sha256: String,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// An interrupted run found in an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pending {
    pub phase: Phase,
    /// The files of the set, as paths in the image.
    pub files: Vec<String>,
}

impl Pending {
    pub fn finding(&self) -> Finding {
        interrupted(self)
    }
}

/// What is found where the journal would be.
pub(super) enum Found {
    None,
    /// Cut off by a power failure, before the first swap.
    Torn,
    Whole(Log),
}

/// The journal's place in an image.
pub(super) struct Journal {
    dir: Arc<Dir>,
}

impl Journal {
    /// Where the journal is or would be.
    pub(super) fn locate(places: &mut Places<'_>) -> Result<Place, ImageError> {
        let path = format!("{DIRECTORY}/{JOURNAL}").parse::<ImagePath>();
        places.locate(&path.expect("a constant absolute path"))
    }

    pub(super) fn within(dir: Arc<Dir>) -> Self {
        Self { dir }
    }

    pub(super) fn path(&self) -> String {
        self.dir.path_of(JOURNAL)
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The journal as it is, which may be as little on the disk as what it lists.
    pub(super) fn unsynced(&self) -> Result<Unsynced, ImageError> {
        let (file, _) = self.dir.open_file(JOURNAL)?;
        Ok(Unsynced::new(file, self.path()))
    }

    /// Replaces the journal atomically. Neither its content nor its name is synced.
    pub(super) fn write(&self, log: &Log) -> Result<Unsynced, ImageError> {
        let temporary = temporary_name()?;
        let written = self.write_as(&temporary, log).and_then(|file| {
            self.dir.rename(&temporary, JOURNAL)?;
            Ok(Unsynced::new(file, self.path()))
        });
        if written.is_err() {
            // The first error is the one to tell; the next run sweeps what could not be removed.
            let _ = self.dir.remove_file(&temporary);
        }
        written
    }

    fn write_as(&self, temporary: &str, log: &Log) -> Result<File, ImageError> {
        let path = self.dir.path_of(temporary);
        let text = serde_json::to_vec_pretty(log)
            .map_err(std::io::Error::from)
            .during("writing", &path)?;
        let mut file = self.dir.create_file(temporary)?;
        fchmod(&file, RawMode::from_raw_mode(0o600)).during("setting the mode of", &path)?;
        file.write_all(&text).during("writing", &path)?;
        Ok(file)
    }

    /// What there is of a journal.
    pub(super) fn read(&self) -> Result<Found, ImageError> {
        let unreadable = |problem: String| ImageError::Journal {
            path: self.path(),
            problem,
        };
        let (file, stat) = match self.dir.open_file(JOURNAL) {
            Ok(open) => open,
            Err(ImageError::Missing { .. }) => return Ok(Found::None),
            Err(error) => return Err(error),
        };
        if stat.size() > LARGEST {
            return Err(unreadable(format!("it is {} bytes long", stat.size())));
        }
        let mut text = Vec::new();
        each_piece(&file, |piece| text.extend_from_slice(piece)).during("reading", &self.path())?;
        let log: Log = match serde_json::from_slice(&text) {
            Ok(log) => log,
            // File systems leave a file that was not synced empty, short, or filled up with zeroes.
            Err(error) if error.is_eof() || text.contains(&0) => return Ok(Found::Torn),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        match log.problem() {
            Some(problem) => Err(unreadable(problem)),
            None => Ok(Found::Whole(log)),
        }
    }

    pub(super) fn remove(&self) -> Result<(), ImageError> {
        self.dir.remove_file(JOURNAL)
    }

    /// Removes what a run killed while it wrote the journal itself has left beside it. Only to be
    /// called under the lock.
    pub(super) fn sweep(&self) -> Result<(), ImageError> {
        for name in self.dir.names()? {
            if name.starts_with(TEMPORARY_PREFIX) {
                self.dir.remove_file(&name)?;
            }
        }
        Ok(())
    }
}

impl Shape {
    /// Whether a file has this mode and owner.
    pub(super) fn is_metadata_of(&self, stat: &Stat) -> bool {
        (stat.mode_bits(), stat.uid(), stat.gid()) == (self.mode, self.uid, self.gid)
    }
}

impl Log {
    pub(super) fn new(phase: Phase, directories: Vec<String>, files: Vec<Line>) -> Self {
        Self {
            schema: SCHEMA,
            phase,
            directories,
            files,
        }
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.files
            .iter()
            .map(|line| super::path::join(&line.directory, &line.name))
            .collect()
    }

    /// An image is not trusted: its journal may name nothing but plain names, and temporaries of ours.
    fn problem(&self) -> Option<String> {
        let plain = |name: &str| !name.contains('/') && !matches!(name, "" | "." | "..");
        let ours = |name: &str| plain(name) && name.starts_with(TEMPORARY_PREFIX);
        if self.schema != SCHEMA {
            return Some(format!(
                "its schema is {}, and this certbake supports only {SCHEMA}",
                self.schema
            ));
        }
        let wrong =
            |line: &&Line| !plain(&line.name) || !ours(&line.temporary) || !ours(&line.backup);
        self.files
            .iter()
            .find(wrong)
            .map(|line| format!("it lists {:?} as a file", line.name))
    }
}

/// A name that no one else uses: the prefix and 96 random bits.
pub(super) fn temporary_name() -> Result<String, ImageError> {
    temporary_names(1).map(|mut names| names.remove(0))
}

/// So many of them, for one question to the kernel.
pub(super) fn temporary_names(count: usize) -> Result<Vec<String>, ImageError> {
    let mut bits = vec![0_u8; count * RANDOM_BYTES];
    let mut filled = 0;
    while filled < bits.len() {
        filled += getrandom(&mut bits[filled..], GetRandomFlags::empty())
            .during("choosing", "a temporary name")?;
    }
    let names = bits.chunks(RANDOM_BYTES);
    Ok(names
        .map(|bits| format!("{TEMPORARY_PREFIX}{}", HEXLOWER.encode(bits)))
        .collect())
}

/// Whether [`temporary_name`] may have made the name.
pub(super) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX).is_some_and(|rest| {
        rest.len() == 2 * RANDOM_BYTES && HEXLOWER.decode(rest.as_bytes()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str, temporary: &str) -> Log {
        let shape = Shape {
            sha256: String::new(),
            mode: 0o600,
            uid: 0,
            gid: 0,
        };
        let (directory, backup) = ("/etc".to_owned(), ".certbake-1".to_owned());
        let (name, temporary) = (name.to_owned(), temporary.to_owned());
        Log::new(
            Phase::Landing,
            vec![],
            vec![Line {
                directory,
                name,
                temporary,
                backup,
                shape,
            }],
        )
    }

    #[test]
    fn a_journal_may_remove_nothing_but_our_own_temporary_names() {
        assert_eq!(log("key", ".certbake-0").problem(), None);
        assert!(log("key", "shadow").problem().is_some());
        assert!(log("key", ".certbake-/../shadow").problem().is_some());
        assert!(log("../key", ".certbake-0").problem().is_some());
        assert!(log("..", ".certbake-0").problem().is_some());
    }

    #[test]
    fn temporary_names_differ_and_say_whose_they_are() {
        let (one, other) = (temporary_name().unwrap(), temporary_name().unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with(".certbake-") && one.len() == 34);
        assert!(is_temporary(&one));
        assert!(!is_temporary(".certbake-notes") && !is_temporary("certbake.toml"));
    }
}
