//! The second step: contents become temporary files beside their targets, with owner, mode and label
//! right before the first byte of content.

use std::io::Write;
use std::iter;

use rustix::fs::{Gid, Mode as RawMode, Uid, fchmod, fchown};

use super::commit::{Change, LandedFile};
use super::entry::{Entry, sha256, sha256_of};
use super::error::{During, ImageError};
use super::journal::{Line, Log, Phase, Shape, temporary_names};
use super::label::{Label, Labelled, drop_inherited_access_list};
use super::landing::Landing;
use super::mode::Mode;
use super::notes;
use super::path::ImagePath;
use super::prepare::{Staging, Target};
use super::stat::{Identity, stat_fd};
use super::unsynced::Unsynced;
use crate::finding::Finding;
use crate::secret::Secret;

/// What goes into the file of a slot, which is named by its path.
pub struct Content {
    pub path: ImagePath,
    pub bytes: Secret,
}

/// Every file of the set is complete under a temporary name beside its target; dropping it takes
/// everything back.
#[must_use = "dropping it takes everything back; commit() lands the set"]
pub struct Staged {
    /// `None` when nothing differs from what is in the image.
    pub(super) landing: Option<Landing>,
    pub(super) files: Vec<LandedFile>,
    /// For each entry of the landing, which of `files` it is.
    pub(super) places: Vec<usize>,
    pub(super) notes: Vec<Finding>,
}

/// A file that differs from what is in the image, and its new content.
struct Changed {
    target: Target,
    shape: Shape,
    bytes: Secret,
    before: Option<Before>,
}

/// What is replaced.
struct Before {
    identity: Identity,
    label: Option<Label>,
    /// Content, mode and owner are those of the new file.
    same: bool,
}

impl Staging {
    /// Writes the contents beside their targets. Files whose content, mode and owner are already
    /// right are left alone.
    ///
    /// A temporary file is created with mode 0600, given its owner, then its mode and label, and
    /// only then its content, so that no one reads it who may not read the landed file.
    ///
    /// # Errors
    /// Everything created is removed again before an error is returned.
    pub fn write(self, contents: Vec<Content>) -> Result<Staged, ImageError> {
        let Self {
            lock,
            journal,
            targets,
            ..
        } = self;
        let mut notes = Vec::new();
        let mut files = Vec::new();
        let mut places = Vec::new();
        let mut changes = Vec::new();
        for (target, bytes) in pair(targets, contents)? {
            let (shape, before) = target.examine(bytes.expose())?;
            files.push(landed(&target, &shape));
            if !before.as_ref().is_some_and(|before| before.same) {
                places.push(files.len() - 1);
                changes.push(Changed {
                    target,
                    shape,
                    bytes,
                    before,
                });
            }
        }
        if changes.is_empty() {
            return Ok(Staged {
                landing: None,
                files,
                places,
                notes,
            });
        }
        let directories =
            planned_directories(&journal.missing_paths().collect::<Vec<_>>(), &changes);
        let mut names = temporary_names(2 * changes.len())?.into_iter();
        let lines: Vec<_> = changes
            .iter()
            .zip(iter::from_fn(|| names.next().zip(names.next())))
            .map(|(change, names)| change.line(names))
            .collect();
        let log = Log::new(Phase::Staging, directories, lines.clone());
        let mut landing = Landing::begin(lock, (journal.dir, &journal.missing), log, &mut notes)?;
        match fill(&mut landing, changes, lines, &mut notes) {
            Ok(()) => Ok(Staged {
                landing: Some(landing),
                files,
                places,
                notes,
            }),
            Err(cause) => Err(landing.take_back(cause)),
        }
    }
}

/// Every content to the target of its path, in the order of the targets.
fn pair(
    targets: Vec<Target>,
    mut contents: Vec<Content>,
) -> Result<Vec<(Target, Secret)>, ImageError> {
    let mut pairs = Vec::new();
    for target in targets {
        let at = contents
            .iter()
            .position(|content| content.path == target.slot.path);
        let content =
            at.map(|at| contents.swap_remove(at))
                .ok_or_else(|| ImageError::Contents {
                    path: target.slot.path.to_string(),
                    problem: "has been prepared and has no content",
                })?;
        pairs.push((target, content.bytes));
    }
    match contents.first() {
        None => Ok(pairs),
        Some(left) => Err(ImageError::Contents {
            path: left.path.to_string(),
            problem: "has content and was not prepared",
        }),
    }
}

fn landed(target: &Target, shape: &Shape) -> LandedFile {
    LandedFile {
        path: target.slot.path.clone(),
        label: target.slot.label.clone(),
        change: Change::Unchanged,
        mode: Mode::new(shape.mode),
        uid: shape.uid,
        gid: shape.gid,
        sha256: shape.sha256.clone(),
    }
}

/// The directories the run will create, each once, outer before inner.
fn planned_directories(for_journal: &[String], changes: &[Changed]) -> Vec<String> {
    let for_files = changes
        .iter()
        .flat_map(|change| change.target.place.missing_paths());
    let mut planned = for_journal.to_vec();
    for path in for_files {
        if !planned.contains(&path) {
            planned.push(path);
        }
    }
    planned
}

/// Creates every temporary file.
fn fill(
    landing: &mut Landing,
    changes: Vec<Changed>,
    lines: Vec<Line>,
    notes: &mut Vec<Finding>,
) -> Result<(), ImageError> {
    for (change, line) in changes.into_iter().zip(lines) {
        let place = change.target.place;
        let dir = landing.make_missing(place.dir, &place.missing, notes)?;
        landing.entries.push(Entry {
            dir,
            line,
            in_place: change.target.in_place,
            before: change.before.as_ref().map(|before| before.identity),
            swapped: None,
        });
        let entry = landing.entries.last().expect("pushed above");
        let label = change.before.and_then(|before| before.label);
        let (written, labelled) = write_temporary(entry, label.as_ref(), &change.bytes)?;
        if labelled == Labelled::Refused {
            notes.push(notes::label_not_set(&entry.target()));
        }
        landing.written.push(written);
    }
    Ok(())
}

fn write_temporary(
    entry: &Entry,
    replaced: Option<&Label>,
    bytes: &Secret,
) -> Result<(Unsynced, Labelled), ImageError> {
    let path = entry.temporary();
    let label = match replaced {
        Some(label) => Some(label),
        None => entry.dir.label()?,
    };
    let mut file = entry.dir.create_file(&entry.line.temporary)?;
    drop_inherited_access_list(&file, &path)?;
    let shape = &entry.line.shape;
    let fresh = stat_fd(&file).during("examining", &path)?;
    if (fresh.uid(), fresh.gid()) != (shape.uid, shape.gid) {
        let (uid, gid) = (Uid::from_raw(shape.uid), Gid::from_raw(shape.gid));
        fchown(&file, Some(uid), Some(gid)).during("setting the owner of", &path)?;
    }
    fchmod(&file, RawMode::from_raw_mode(shape.mode)).during("setting the mode of", &path)?;
    let labelled = match label {
        Some(label) => label.set_on(&file, &path)?,
        None => Labelled::AsAsked,
    };
    file.write_all(bytes.expose()).during("writing", &path)?;
    Ok((Unsynced::new(file, path), labelled))
}

impl Changed {
    fn line(&self, (temporary, backup): (String, String)) -> Line {
        let place = &self.target.place;
        let file = place.path();
        Line {
            directory: super::path::split(&file).0.to_owned(),
            name: place.name.clone(),
            temporary,
            backup,
            shape: self.shape.clone(),
        }
    }
}

impl Target {
    /// What the file is to look like, and what is in its place now, which may have changed since it was
    /// prepared.
    fn examine(&self, content: &[u8]) -> Result<(Shape, Option<Before>), ImageError> {
        let shape = Shape {
            sha256: sha256(content),
            mode: self.slot.mode.bits(),
            uid: self.uid,
            gid: self.gid,
        };
        if !self.place.missing.is_empty() {
            return Ok((shape, None));
        }
        let path = self.slot.path.as_str();
        let Some((stat, file)) = self.place.dir.look_into(&self.place.name)? else {
            return Ok((shape, None));
        };
        let mut before = Before {
            identity: stat.identity(),
            label: None,
            same: false,
        };
        if let Some(file) = file {
            before.label = Label::of(&file, path)?;
            before.same = stat.size() == content.len() as u64
                && shape.is_metadata_of(&stat)
                && sha256_of(&file, path)? == shape.sha256;
        }
        Ok((shape, Some(before)))
    }
}
