//! Files that are named by the host's paths and could be files of the image all the same: a report or
//! a copy of a record must not replace what is baked.

use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::path::ImagePath;
use super::places::Places;
use super::root::ImageRoot;
use super::stat::Identity;

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
        let directory = path.parent()?;
        let base = directory.ancestors().find(|above| above.exists())?;
        let below = path.strip_prefix(base).ok()?.components();
        let below = below.map(|component| match component {
            Component::Normal(name) => name.to_str().map(str::to_owned),
            _ => None,
        });
        let found = statx(CWD, base, AtFlags::empty(), StatxFlags::INO).ok()?;
        Some(Self {
            base: (found.stx_dev_major, found.stx_dev_minor, found.stx_ino),
            below: below.collect::<Option<_>>()?,
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

    /// Whether it is a file in this directory of an image.
    pub fn is_in(&self, root: &ImageRoot, directory: &ImagePath) -> bool {
        let found = root.open_dir(directory.as_str()).ok().flatten();
        let identity = found.and_then(|dir| dir.identity().ok());
        self.below.len() == 1 && identity == Some(self.base)
    }

    /// Where `path` leads in an image; `None` where it leads nowhere.
    pub fn in_image(places: &mut Places<'_>, path: &ImagePath) -> Option<Self> {
        let place = places.locate(path).ok()?;
        let mut below = place.missing;
        below.push(place.name);
        Some(Self {
            base: place.dir.identity().ok()?,
            below,
        })
    }
}
