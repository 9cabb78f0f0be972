//! Where paths lead. Each directory on the way to several files is resolved and opened once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use super::dir::Dir;
use super::error::{BrokenLink, During, ImageError};
use super::path::{ImagePath, join, split};
use super::root::ImageRoot;
use super::stat::{FileKind, Metadata, Stat};

/// As many as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Where a path leads: a directory that exists, the directories still missing below it, and a name.
pub(super) struct Place {
    pub(super) dir: Arc<Dir>,
    /// Outermost first; empty when the file's directory exists.
    pub(super) missing: Vec<String>,
    pub(super) name: String,
    /// What is there now: never a symbolic link, and nothing when directories are missing.
    pub(super) found: Option<Stat>,
}

impl Place {
    /// The missing directories as paths in the image, outermost first.
    pub(super) fn missing_paths(&self) -> impl Iterator<Item = String> + '_ {
        self.missing
            .iter()
            .scan(self.dir.path().to_owned(), |above, name| {
                *above = join(above, name);
                Some(above.clone())
            })
    }

    /// What of the path is below the directory that exists.
    pub(super) fn below(&self) -> Vec<String> {
        self.missing.iter().chain([&self.name]).cloned().collect()
    }

    /// What was found there, for reading.
    fn open(&self) -> Result<(File, Stat), ImageError> {
        match &self.found {
            Some(stat) => self.dir.open_found(&self.name, stat),
            None => self.dir.open_file(&self.name),
        }
    }

    /// The path of the file itself, with the final symbolic links followed.
    pub(super) fn path(&self) -> String {
        match self.missing_paths().last() {
            Some(directory) => join(&directory, &self.name),
            None => self.dir.path_of(&self.name),
        }
    }
}

/// Follows paths into an image, one after another.
pub struct Places<'r> {
    root: &'r ImageRoot,
    /// By the paths that led there. They stay what they were opened as, whatever is renamed meanwhile.
    open: BTreeMap<String, Arc<Dir>>,
}

impl<'r> Places<'r> {
    pub const fn of(root: &'r ImageRoot) -> Self {
        Self {
            root,
            open: BTreeMap::new(),
        }
    }

    /// The whole content of a regular file of at most `limit` bytes, with what is known of it.
    ///
    /// # Errors
    /// As [`ImageRoot::read`].
    pub fn read_and_examine(
        &mut self,
        path: &ImagePath,
        limit: u64,
    ) -> Result<(Vec<u8>, Metadata), ImageError> {
        let place = self.existing(path)?;
        let (file, stat) = place.open()?;
        let too_large = |size| ImageError::TooLarge {
            path: path.to_string(),
            size,
            limit,
        };
        if stat.size() > limit {
            return Err(too_large(stat.size()));
        }
        // Room for everything at once: a growing vector would leave pieces of a key behind.
        let mut content = Vec::with_capacity(usize::try_from(stat.size()).unwrap_or(0) + 1);
        file.take(limit + 1)
            .read_to_end(&mut content)
            .during("reading", path.as_str())?;
        match content.len() as u64 {
            size if size > limit => Err(too_large(size)),
            _ => Ok((content, stat.metadata())),
        }
    }

    /// Follows `path` to where a file is or would be.
    ///
    /// A final symbolic link is followed here, one at a time, because the *parent* of what it
    /// points to is needed: the file is replaced there and the link stays.
    pub(super) fn locate(&mut self, path: &ImagePath) -> Result<Place, ImageError> {
        let mut at = path.to_string();
        let mut links: Vec<(String, String)> = Vec::new();
        while links.len() <= MOST_LINKS {
            let (directory, name) = split(&at);
            if matches!(name, "" | "." | "..") {
                let (path, kind) = (path.to_string(), FileKind::Directory);
                return Err(ImageError::NotAFile { path, kind });
            }
            let (dir, missing) = self.deepest(path, directory)?;
            if !missing.is_empty() {
                return match links.pop() {
                    None => Ok(Place {
                        dir,
                        missing,
                        name: name.to_owned(),
                        found: None,
                    }),
                    Some(link) => Err(broken(path, link, BrokenLink::Dangling)),
                };
            }
            let found = dir.stat(name)?;
            if found.is_none_or(|stat| stat.kind() != FileKind::SymbolicLink) {
                return Ok(Place {
                    dir,
                    missing,
                    name: name.to_owned(),
                    found,
                });
            }
            let target = dir.read_link(name)?;
            let next = join(directory, &target);
            links.push((std::mem::replace(&mut at, next), target));
        }
        Err(broken(path, links.swap_remove(0), BrokenLink::Loop))
    }

    /// Where a file is that must be there.
    pub(super) fn existing(&mut self, path: &ImagePath) -> Result<Place, ImageError> {
        let missing = || ImageError::Missing {
            path: path.to_string(),
        };
        match self.locate(path) {
            Ok(place) if place.found.is_some() => Ok(place),
            Ok(_)
            | Err(ImageError::LinkBroken {
                how: BrokenLink::Dangling,
                ..
            }) => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// The deepest directory of `directory` that exists, and the components below it that do not.
    fn deepest(
        &mut self,
        path: &ImagePath,
        directory: &str,
    ) -> Result<(Arc<Dir>, Vec<String>), ImageError> {
        let mut existing = directory;
        let mut missing: Vec<String> = Vec::new();
        loop {
            if let Some(dir) = self.open(existing)? {
                missing.reverse();
                return match missing.first() {
                    None => Ok((dir, missing)),
                    Some(first) => creatable(path, &dir, first).map(|()| (dir, missing)),
                };
            }
            let (above, name) = split(existing);
            if existing == "/" || matches!(name, "..") {
                return Err(ImageError::Missing {
                    path: directory.to_owned(),
                });
            }
            missing.push(name.to_owned());
            existing = above;
        }
    }

    fn open(&mut self, path: &str) -> Result<Option<Arc<Dir>>, ImageError> {
        if let Some(dir) = self.open.get(path) {
            return Ok(Some(Arc::clone(dir)));
        }
        let dir = self.root.open_dir(path)?.map(Arc::new);
        if let Some(dir) = &dir {
            self.open.insert(path.to_owned(), Arc::clone(dir));
        }
        Ok(dir)
    }
}

/// A directory that did not resolve can be created unless its name is a link that leads nowhere.
fn creatable(path: &ImagePath, dir: &Dir, name: &str) -> Result<(), ImageError> {
    match dir.stat(name)? {
        Some(stat) if stat.kind() == FileKind::SymbolicLink => {
            let link = (dir.path_of(name), dir.read_link(name)?);
            Err(broken(path, link, BrokenLink::Dangling))
        }
        Some(_) => Err(ImageError::Changed {
            path: dir.path_of(name),
        }),
        None => Ok(()),
    }
}

fn broken(path: &ImagePath, (link, target): (String, String), how: BrokenLink) -> ImageError {
    ImageError::LinkBroken {
        path: path.to_string(),
        link,
        target,
        how,
    }
}
