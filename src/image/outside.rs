//! Files that are named by the host's paths and could be files of the image all the same: a report or
//! a copy of a record must not replace what is baked, nor what is baked what the run reads.

use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::dir::Dir;
use super::path::ImagePath;
use super::places::Places;
use super::root::ImageRoot;
use super::stat::{Identity, Stat};

/// Where a file is or would be, in the host's eyes: a directory that exists, and the components below it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPlace {
    base: Identity,
    below: Vec<String>,
}

impl HostPlace {
    /// `None` where nothing can be said of it.
    pub fn of(path: &Path) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        let (base, below) = existing(path.parent()?, &path)?;
        Some(Self {
            base: identity(CWD, base)?,
            below,
        })
    }

    /// The first of `paths` in the image that is the same file. A path that leads nowhere is told
    /// where it is prepared.
    pub fn among<'p>(
        &self,
        root: &ImageRoot,
        paths: impl IntoIterator<Item = &'p ImagePath>,
    ) -> Option<&'p ImagePath> {
        let mut places = Places::of(root);
        paths
            .into_iter()
            .find(|path| Self::in_image(&mut places, path).as_ref() == Some(self))
    }

    /// Whether it is a file in this directory of an image, which may yet have to be made.
    pub fn is_in(&self, root: &ImageRoot, directory: &ImagePath) -> bool {
        match root.open_dir(directory.as_str()).ok().flatten() {
            Some(dir) => self.below.len() == 1 && dir.identity().ok() == Some(self.base),
            None => Self::in_image(&mut Places::of(root), directory).is_some_and(|dir| {
                let (_, above) = self.below.split_last().expect("a file has a name");
                dir.base == self.base && dir.below == above
            }),
        }
    }

    /// Where `path` leads in an image; `None` where it leads nowhere.
    pub fn in_image(places: &mut Places<'_>, path: &ImagePath) -> Option<Self> {
        let place = places.locate(path).ok()?;
        Some(Self {
            base: place.dir.identity().ok()?,
            below: place.below(),
        })
    }
}

/// What a path of the host names: its place, and the file or directory that is there now. Looked up once, to be
/// held against many targets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    place: Option<HostPlace>,
    file: Option<Identity>,
}

impl Named {
    pub fn of(path: &Path) -> Self {
        Self {
            place: HostPlace::of(path),
            file: identity(CWD, path),
        }
    }
}

/// A file that is about to be replaced: its place, the file that is there now, and where that is.
#[derive(Clone)]
pub struct Target {
    place: HostPlace,
    file: Option<Identity>,
    directory: Directory,
}

#[derive(Clone)]
enum Directory {
    OfHost(PathBuf),
    OfImage(Arc<Dir>),
}

impl Target {
    /// `None` where nothing can be said of it.
    pub fn of(path: &Path) -> Option<Self> {
        let absolute = std::path::absolute(path).ok()?;
        let (base, _) = existing(absolute.parent()?, &absolute)?;
        Some(Self {
            place: HostPlace::of(path)?,
            file: identity(CWD, path),
            directory: Directory::OfHost(base.to_owned()),
        })
    }

    /// Where `path` leads in an image; `None` where it leads nowhere.
    pub fn in_image(places: &mut Places<'_>, path: &ImagePath) -> Option<Self> {
        let place = places.locate(path).ok()?;
        Some(Self {
            place: HostPlace {
                base: place.dir.identity().ok()?,
                below: place.below(),
            },
            file: place.found.map(|stat| stat.identity()),
            directory: Directory::OfImage(place.dir),
        })
    }

    pub const fn place(&self) -> &HostPlace {
        &self.place
    }

    /// Whether it is this file, by whatever name.
    pub fn is(&self, other: &Named) -> bool {
        other.file.is_some() && other.file == self.file || other.place.as_ref() == Some(&self.place)
    }

    /// Whether it is in this directory, at any depth; the directory may not be there yet.
    pub fn is_inside(&self, directory: &Named) -> bool {
        match (&directory.file, &directory.place) {
            (Some(there), _) => self.directory.above().contains(there),
            (None, Some(place)) => {
                place.base == self.place.base && self.place.below.starts_with(&place.below)
            }
            (None, None) => false,
        }
    }
}

impl Directory {
    /// From itself upwards.
    fn above(&self) -> Vec<Identity> {
        match self {
            Self::OfHost(path) => upwards(CWD, path),
            Self::OfImage(dir) => upwards(dir.descriptor(), Path::new(".")),
        }
    }
}

/// Whether a directory of the host is, or would be, part of an image.
pub fn is_in_image(directory: &Path, root: &ImageRoot) -> bool {
    let top = root.top().and_then(|top| top.identity()).ok();
    let Ok(directory) = std::path::absolute(directory) else {
        return false;
    };
    existing(&directory, &directory).is_some_and(|(base, _)| {
        let mut above = upwards(CWD, base).into_iter();
        above.any(|above| Some(above) == top)
    })
}

/// The deepest directory that exists from `directory` up, and what `path` has below it.
fn existing<'p>(directory: &'p Path, path: &Path) -> Option<(&'p Path, Vec<String>)> {
    let base = directory.ancestors().find(|above| above.exists())?;
    let below = path.strip_prefix(base).ok()?.components();
    let below = below.map(|component| match component {
        Component::Normal(name) => name.to_str().map(str::to_owned),
        _ => None,
    });
    Some((base, below.collect::<Option<_>>()?))
}

fn identity(at: impl AsFd, path: &Path) -> Option<Identity> {
    let found = statx(at, path, AtFlags::empty(), StatxFlags::INO).ok()?;
    Some(Stat::from(found).identity())
}

/// A directory and all above it, as far as they may be looked at.
fn upwards(at: impl AsFd, directory: &Path) -> Vec<Identity> {
    let mut found = Vec::new();
    let mut path: PathBuf = directory.to_owned();
    while let Some(identity) = identity(&at, &path) {
        if found.last() == Some(&identity) {
            break;
        }
        found.push(identity);
        path.push("..");
    }
    found
}
