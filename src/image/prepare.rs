//! The first step: everything that would keep the files from landing is found before the authority
//! is asked for anything, and nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};

use super::descriptors;
use super::dir::{Dir, regular};
use super::error::{Action, Collision, During, ImageError};
use super::journal::Journal;
use super::lock::DirLock;
use super::mode::Mode;
use super::owner::{Names, Owner, permitted, running};
use super::path::ImagePath;
use super::places::{Place, Places};
use super::recover::{Recovery, recover_locked};
use super::root::ImageRoot;
use super::stat::{Identity, Stat};
use crate::finding::Finding;

/// How long another certbake on the same image is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The bit of a mode by which a directory's files are their owners' alone to replace (inode(7)).
const STICKY: u32 = 0o1000;

/// A file that is to be in the image.
#[derive(Clone, Debug)]
pub struct Slot {
    pub path: ImagePath,
    pub mode: Mode,
    pub owner: Owner,
    pub group: Owner,
    /// What it is, for messages: "private key".
    pub label: String,
}

/// A slot that can be written: its owner is known and the directory it lands in is open.
pub(super) struct Target {
    pub(super) slot: Slot,
    pub(super) place: Place,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) in_place: bool,
}

/// Slots that were found writable, in an image locked for us.
#[must_use = "nothing is written before write()"]
pub struct Staging {
    pub(super) lock: DirLock,
    pub(super) journal: Place,
    pub(super) targets: Vec<Target>,
    pub(super) notes: Vec<Finding>,
}

/// What writing a slot would do, for `--dry-run`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedFile {
    pub path: ImagePath,
    /// The path of the file itself, with final symbolic links followed.
    pub lands_at: String,
    pub label: String,
    pub mode: Mode,
    pub uid: u32,
    pub gid: u32,
    pub replaces: bool,
    /// Something is mounted on the file itself, so its content would be overwritten.
    pub in_place: bool,
    /// Directories that would be created, outermost first.
    pub creates: Vec<String>,
}

impl Staging {
    /// Resolves every slot, looks up its owner in the image and opens the directory it lands in.
    ///
    /// The image stays locked against other runs of certbake until the returned value, or what it
    /// becomes, is dropped. Nothing is changed, except that a run found interrupted is first taken
    /// back or completed, which [`Staging::notes`] tells.
    ///
    /// # Errors
    /// Everything that would keep a file from landing: see [`ImageError`].
    pub fn prepare(root: &ImageRoot, slots: Vec<Slot>) -> Result<Self, ImageError> {
        let lock = DirLock::take(&root.top()?, root.host_path(), PATIENCE)?;
        let beside = || directories(root, &slots);
        let notes = match recover_locked(root, Some(&beside))? {
            Recovery::Clean => Vec::new(),
            recovery => vec![recovery.finding()],
        };
        let (journal, targets) = survey(root, slots)?;
        Ok(Self {
            lock,
            journal,
            targets,
            notes,
        })
    }

    /// Like [`Staging::prepare`] for a dry run: without a lock, and an interrupted run is left as it
    /// is (see [`super::pending`]).
    ///
    /// # Errors
    /// As [`Staging::prepare`].
    pub fn rehearse(root: &ImageRoot, slots: Vec<Slot>) -> Result<Vec<PlannedFile>, ImageError> {
        let (_, targets) = survey(root, slots)?;
        Ok(targets.iter().map(Target::planned).collect())
    }

    pub fn planned(&self) -> Vec<PlannedFile> {
        self.targets.iter().map(Target::planned).collect()
    }

    /// What was done about an interrupted run.
    pub fn notes(&self) -> &[Finding] {
        &self.notes
    }
}

/// The existing directories that the slots land in.
fn directories(root: &ImageRoot, slots: &[Slot]) -> Result<Vec<Arc<Dir>>, ImageError> {
    let mut places = Places::of(root);
    let mut directories = Vec::new();
    for slot in slots {
        let place = places.locate(&slot.path)?;
        if place.missing.is_empty() {
            directories.push(place.dir);
        }
    }
    Ok(directories)
}

fn survey(root: &ImageRoot, slots: Vec<Slot>) -> Result<(Place, Vec<Target>), ImageError> {
    descriptors::allow(slots.len());
    let mut places = Places::of(root);
    let journal = Journal::locate(&mut places)?;
    let mut names = Names::of(root);
    let targets = slots
        .into_iter()
        .map(|slot| Target::find(&mut places, &mut names, slot))
        .collect::<Result<Vec<_>, _>>()?;
    distinct(&journal, &targets)?;
    if !targets.is_empty() {
        writable(&journal, &journal.path())?;
    }
    let mut seen = BTreeSet::from([Arc::as_ptr(&journal.dir)]);
    for target in &targets {
        if seen.insert(Arc::as_ptr(&target.place.dir)) {
            writable(&target.place, target.slot.path.as_str())?;
        }
    }
    room(&journal, &targets)?;
    if let Some(first) = targets.first() {
        let missing = targets.iter().map(|target| target.place.missing.len());
        let open = targets.len() + seen.len() + missing.sum::<usize>();
        descriptors::suffice(open, first.slot.path.as_str())?;
    }
    Ok((journal, targets))
}

impl Target {
    fn find(
        places: &mut Places<'_>,
        names: &mut Names<'_>,
        slot: Slot,
    ) -> Result<Self, ImageError> {
        let uid = names.uid(&slot.path, &slot.owner)?;
        let gid = names.gid(&slot.path, &slot.group)?;
        permitted(&slot.path, uid, gid)?;
        let place = places.locate(&slot.path)?;
        let mut in_place = false;
        if let Some(stat) = &place.found {
            regular(stat, slot.path.as_str())?;
            unmarked(stat.mark(), slot.path.as_str())?;
            in_place = stat.is_mount();
        }
        if in_place {
            let mounted = place.dir.file_system_of(&place.name)?;
            if mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
                return Err(ImageError::ReadOnly {
                    path: slot.path.to_string(),
                });
            }
            // Opening it changes nothing and tells whether we may.
            place.dir.open_file_for_writing(&place.name)?;
        } else if let Some(stat) = &place.found {
            replaceable(&place.dir, stat, &slot.path)?;
        }
        Ok(Self {
            slot,
            place,
            uid,
            gid,
            in_place,
        })
    }

    fn planned(&self) -> PlannedFile {
        PlannedFile {
            path: self.slot.path.clone(),
            lands_at: self.place.path(),
            label: self.slot.label.clone(),
            mode: self.slot.mode,
            uid: self.uid,
            gid: self.gid,
            replaces: self.place.found.is_some(),
            in_place: self.in_place,
            creates: self.place.missing_paths().collect(),
        }
    }
}

fn unmarked(mark: Option<&'static str>, path: &str) -> Result<(), ImageError> {
    match mark {
        Some(mark) => Err(ImageError::Immutable {
            path: path.to_owned(),
            mark,
        }),
        None => Ok(()),
    }
}

/// Whether names can be created, renamed and removed in the directory a file lands in.
fn writable(place: &Place, path: &str) -> Result<(), ImageError> {
    let dir = &place.dir;
    if dir
        .file_system()?
        .f_flag
        .contains(StatVfsMountFlags::RDONLY)
    {
        return Err(ImageError::ReadOnly {
            path: path.to_owned(),
        });
    }
    if let Some(mark) = dir.own_stat()?.mark() {
        return unmarked(Some(mark), dir.path());
    }
    if dir.is_kernels()? {
        return Err(Errno::OPNOTSUPP).during("writing into", dir.path());
    }
    if dir.is_writable()? {
        return Ok(());
    }
    Err(ImageError::NotPermitted {
        path: path.to_owned(),
        action: Action::UseDirectory,
        uid: running().0,
    })
}

/// In a sticky directory a file is replaced by its owner or the directory's, or with CAP_FOWNER.
fn replaceable(dir: &Dir, found: &Stat, path: &ImagePath) -> Result<(), ImageError> {
    let (us, _) = running();
    if found.uid() == us {
        return Ok(());
    }
    let holder = dir.own_stat()?;
    if holder.mode_bits() & STICKY == 0 || holder.uid() == us {
        return Ok(());
    }
    let sets = capabilities(None).during("reading the capabilities for", path.as_str())?;
    if sets.effective.contains(CapabilitySet::FOWNER) {
        return Ok(());
    }
    Err(ImageError::NotPermitted {
        path: path.to_string(),
        action: Action::ReplaceInSticky,
        uid: us,
    })
}

/// Where a file lands, in a form in which two paths to the same place are equal: an existing
/// directory, and the components below it.
struct Spot<'t> {
    base: Identity,
    below: Vec<&'t str>,
    file: Option<Identity>,
    path: String,
    label: &'t str,
}

impl<'t> Spot<'t> {
    fn of(place: &'t Place, path: String, label: &'t str) -> Result<Self, ImageError> {
        let below = place
            .missing
            .iter()
            .chain([&place.name])
            .map(String::as_str)
            .collect();
        let file = place.found.map(|stat| stat.identity());
        Ok(Self {
            base: place.dir.identity()?,
            below,
            file,
            path,
            label,
        })
    }

    /// The same name, the same file under two names, or one file where the other needs a directory.
    fn collides(&self, other: &Self) -> Option<Collision> {
        if self.file.is_some() && self.file == other.file {
            return Some(Collision::Same);
        }
        let one_base = self.base == other.base;
        let ours = one_base && self.below.starts_with(&other.below);
        let theirs = one_base && other.below.starts_with(&self.below);
        match (ours, theirs) {
            (true, true) => Some(Collision::Same),
            (true, false) => Some(Collision::Below),
            (false, true) => Some(Collision::Above),
            (false, false) => None,
        }
    }
}

fn distinct(journal: &Place, targets: &[Target]) -> Result<(), ImageError> {
    let mut spots = vec![Spot::of(journal, journal.path(), "certbake's own journal")?];
    for target in targets {
        let spot = Spot::of(
            &target.place,
            target.slot.path.to_string(),
            &target.slot.label,
        )?;
        let mut found = spots.iter();
        if let Some((other, how)) =
            found.find_map(|other| spot.collides(other).map(|how| (other, how)))
        {
            return Err(ImageError::Shared {
                path: spot.path,
                label: spot.label.to_owned(),
                other: other.path.clone(),
                other_label: other.label.to_owned(),
                how,
            });
        }
        spots.push(spot);
    }
    Ok(())
}

/// Whether each file system has an inode and a block for every file and directory to be created on
/// it. Sizes are not known yet, so this finds the disk that is full, not every one that will be.
fn room(journal: &Place, targets: &[Target]) -> Result<(), ImageError> {
    if targets.is_empty() {
        return Ok(());
    }
    let mut wanted: Vec<((u32, u32), &Dir, u64, String)> = Vec::new();
    let places = targets
        .iter()
        .map(|target| (&target.place, target.slot.path.to_string(), 1));
    // The journal is replaced once, so for a moment there are two.
    for (place, path, files) in places.chain([(journal, journal.path(), 2)]) {
        let (major, minor, _) = place.dir.identity()?;
        let device = (major, minor);
        let more = files + place.missing.len() as u64;
        match wanted.iter_mut().find(|entry| entry.0 == device) {
            Some(entry) => entry.2 += more,
            None => wanted.push((device, &place.dir, more, path)),
        }
    }
    for (_, dir, count, path) in wanted {
        let held = dir.file_system()?;
        // What a file system keeps back is kept for root.
        let (inodes, blocks) = match running().0 == 0 {
            true => (held.f_ffree, held.f_bfree),
            false => (held.f_favail, held.f_bavail),
        };
        // File systems that make inodes as they go (btrfs) report none at all.
        if held.f_files > 0 && inodes < count {
            return Err(ImageError::Full {
                path,
                lacking: "inodes",
            });
        }
        if held.f_blocks > 0 && blocks < count {
            return Err(ImageError::Full {
                path,
                lacking: "space",
            });
        }
    }
    Ok(())
}
