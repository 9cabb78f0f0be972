//! What an interrupted run has left: told without touching it, or taken back or completed.
//!
//! A run that was still staging is taken back. One that was landing is completed, unless its own
//! taking back had begun, or a power failure has torn a new file before the first swap: both show in a
//! new file that is nowhere while its target is old.
//!
//! Of a run that a power failure has cut short while staging, the journal itself may be torn and name
//! nothing. Nothing was replaced then; the temporary files are swept by a run that lands beside them.

use std::sync::Arc;
use std::time::Duration;

use super::descriptors;
use super::dir::Dir;
use super::entry::Entry;
use super::error::ImageError;
use super::journal::{Found, Journal, Log, Pending, Phase, is_temporary};
use super::landing::{remove_listed, sync};
use super::lock::DirLock;
use super::notes;
use super::places::Places;
use super::root::ImageRoot;
use super::stat::FileKind;
use super::unsynced::Unsynced;
use crate::finding::Finding;
use crate::record;

const PATIENCE: Duration = Duration::from_secs(2);

/// What was done about an interrupted run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// There was none.
    Clean,
    /// The old files are in place, as if the run had never been.
    RolledBack { files: Vec<String> },
    /// The new files are in place, as if the run had never been cut short.
    Completed { files: Vec<String> },
}

impl Recovery {
    /// A note that says what was done.
    pub fn finding(&self) -> Finding {
        notes::recovered(self)
    }
}

/// The interrupted run an image holds, if any, without changing anything.
///
/// # Errors
/// [`ImageError::Journal`] when its journal cannot be understood.
pub fn pending(root: &ImageRoot) -> Result<Option<Pending>, ImageError> {
    let Some(journal) = find(root)? else {
        return Ok(None);
    };
    Ok(match journal.read()? {
        Found::None => None,
        Found::Torn => Some(Pending {
            phase: Phase::Staging,
            files: Vec::new(),
        }),
        Found::Whole(log) => Some(Pending {
            phase: log.phase,
            files: log.paths(),
        }),
    })
}

/// The interrupted run that the next run will take back or complete, without changing anything;
/// none where a certbake is at work now.
///
/// # Errors
/// [`ImageError::Journal`] when the next run could do neither.
pub fn to_recover(root: &ImageRoot) -> Result<Option<Pending>, ImageError> {
    let Ok(_lock) = DirLock::take(&root.top()?, root.host_path(), Duration::ZERO) else {
        return Ok(None);
    };
    let pending = pending(root)?;
    if let Some(journal) = find(root)?
        && let Found::Whole(log) = journal.read()?
        && log.phase == Phase::Landing
    {
        can_complete(&journal, &open(root, &log)?)?;
    }
    Ok(pending)
}

/// Takes back or completes an interrupted run.
///
/// # Errors
/// [`ImageError::Busy`] when a certbake is at work on the image now; [`ImageError::Journal`] when the
/// files are neither the old nor the new set any more; [`ImageError::JournalTorn`] when only a run
/// that lands files knows where to sweep; and what stands in the way of changing them.
pub fn recover(root: &ImageRoot) -> Result<Recovery, ImageError> {
    let _lock = DirLock::take(&root.top()?, root.host_path(), PATIENCE)?;
    recover_locked(root, None)
}

/// `sweep` are the directories in which files are about to land.
pub(super) fn recover_locked(
    root: &ImageRoot,
    sweep: Option<&dyn Fn() -> Result<Vec<Arc<Dir>>, ImageError>>,
) -> Result<Recovery, ImageError> {
    let Some(journal) = find(root)? else {
        return Ok(Recovery::Clean);
    };
    let log = match (journal.read()?, sweep) {
        (Found::None, _) => {
            journal.sweep()?;
            return Ok(Recovery::Clean);
        }
        (Found::Torn, Some(directories)) => return sweep_torn(&journal, &directories()?),
        (Found::Torn, None) => {
            return Err(ImageError::JournalTorn {
                path: journal.path(),
            });
        }
        (Found::Whole(log), _) => log,
    };
    settle(root, &journal, &log)
}

/// Nothing was replaced, and the journal does not say what was staged: every temporary file of ours
/// where files are about to land is such a one.
fn sweep_torn(journal: &Journal, directories: &[Arc<Dir>]) -> Result<Recovery, ImageError> {
    let mut files = Vec::new();
    for dir in directories {
        for name in dir.names()?.into_iter().filter(|name| is_temporary(name)) {
            if dir
                .stat(&name)?
                .is_some_and(|stat| stat.kind() == FileKind::File)
            {
                dir.remove_file(&name)?;
                files.push(dir.path_of(&name));
            }
        }
    }
    journal.remove()?;
    journal.sweep()?;
    Ok(Recovery::RolledBack { files })
}

fn settle(root: &ImageRoot, journal: &Journal, log: &Log) -> Result<Recovery, ImageError> {
    descriptors::allow(log.files.len());
    let entries = open(root, log)?;
    let forward = match log.phase {
        Phase::Staging => false,
        Phase::Landing => can_complete(journal, &entries)?,
    };
    let files = log.paths();
    if forward {
        complete(journal, entries)?;
    } else {
        entries
            .iter()
            .flatten()
            .try_for_each(Entry::remove_temporaries)?;
        remove_listed(
            root,
            log.directories.iter().filter(|path| !holds_journal(path)),
        )?;
    }
    journal.remove()?;
    journal.sweep()?;
    if !forward {
        remove_listed(
            root,
            log.directories.iter().filter(|path| holds_journal(path)),
        )?;
    }
    Ok(if forward {
        Recovery::Completed { files }
    } else {
        Recovery::RolledBack { files }
    })
}

fn find(root: &ImageRoot) -> Result<Option<Journal>, ImageError> {
    let place = Journal::locate(&mut Places::of(root))?;
    Ok(place.missing.is_empty().then(|| Journal::within(place.dir)))
}

/// The files of the set; `None` for one whose directory does not exist.
fn open(root: &ImageRoot, log: &Log) -> Result<Vec<Option<Entry>>, ImageError> {
    let entry = |line: &super::journal::Line| {
        let dir = root.open_dir(&line.directory)?;
        Ok(dir.map(|dir| Entry {
            dir: Arc::new(dir),
            line: line.clone(),
            in_place: false,
            before: None,
            swapped: None,
        }))
    };
    log.files.iter().map(entry).collect()
}

/// How far one file of a set in the phase of landing has come.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Standing {
    /// The target is the new file.
    New,
    /// The target is not, and the new file waits under its temporary name.
    Ready,
    /// The new file is nowhere.
    Old,
    /// The target has the new content with another mode or owner, and nothing waits: it was swapped
    /// and changed since, or only mode or owner were to change and the new file is lost.
    Undecided,
}

fn standing(entry: Option<&Entry>) -> Result<Standing, ImageError> {
    let Some(entry) = entry else {
        return Ok(Standing::Old);
    };
    let target_is_new = entry.holds_new(&entry.line.name)? == Some(true);
    let waiting = entry.holds_new(&entry.line.temporary)? == Some(true);
    Ok(match (target_is_new, waiting) {
        // Only mode or owner change, so both have the content: the mode tells which is which.
        (true, true) if !entry.has_new_metadata()? => Standing::Ready,
        (true, false) if !entry.has_new_metadata()? => Standing::Undecided,
        (true, _) => Standing::New,
        (false, true) => Standing::Ready,
        (false, false) => Standing::Old,
    })
}

/// Whether every new file is there; if not, whether the old set is whole.
fn can_complete(journal: &Journal, entries: &[Option<Entry>]) -> Result<bool, ImageError> {
    let standings = entries
        .iter()
        .map(|entry| standing(entry.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let any = |standing| standings.contains(&standing);
    if !any(Standing::New) {
        return Ok(!any(Standing::Old) && !any(Standing::Undecided));
    }
    if !any(Standing::Old) {
        return Ok(true);
    }
    Err(ImageError::Journal {
        path: journal.path(),
        problem: "some of its files are new, and something else has since changed others"
            .to_owned(),
    })
}

/// Swaps what was not swapped yet, after the same syncs as the run that was cut short.
fn complete(journal: &Journal, entries: Vec<Option<Entry>>) -> Result<(), ImageError> {
    let mut entries: Vec<Entry> = entries.into_iter().flatten().collect();
    let mut ready = Vec::new();
    let mut unsynced = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if standing(Some(entry))? == Standing::Ready {
            let (file, _) = entry.dir.open_file(&entry.line.temporary)?;
            unsynced.push(Unsynced::new(file, entry.temporary()));
            ready.push(at);
        }
    }
    if !ready.is_empty() {
        unsynced.push(journal.unsynced()?);
        unsynced.into_iter().try_for_each(Unsynced::sync)?;
        sync(
            ready
                .iter()
                .map(|at| &*entries[*at].dir)
                .chain([journal.dir()]),
        )?;
    }
    for at in ready {
        entries[at].swap()?;
    }
    sync(entries.iter().map(|entry| &*entry.dir))?;
    entries.iter().try_for_each(Entry::remove_temporaries)
}

/// The journal's own directories are removed last, after the journal.
fn holds_journal(directory: &str) -> bool {
    record::DIRECTORY == directory
        || record::DIRECTORY
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}
