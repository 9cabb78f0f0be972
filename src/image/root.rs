//! The image root: a descriptor, not a prefix. Every path is resolved inside it, symbolic links
//! included: by openat2(2) with `RESOLVE_IN_ROOT`, or by pathrs' own walk where the kernel (before 5.6)
//! or a container's filter does not offer it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pathrs::RootRef;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::dir::{Dir, FileKind, Metadata, Stat, stat_fd};
use super::error::{BrokenLink, During, ImageError, Reason};
use super::path::{ImagePath, join, split};

/// As many as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// openat2(2) answers EAGAIN when anything was renamed or mounted while it looked at `..`.
const MOST_TRIES: usize = 1000;

/// An image's file system, held open by its top directory.
#[derive(Clone)]
pub struct ImageRoot {
    top: Arc<OwnedFd>,
    host: PathBuf,
}

/// Where a path leads: a directory that exists, the directories still missing below it, and a name.
pub(super) struct Place {
    pub(super) dir: Dir,
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

    /// The path of the file itself, with the final symbolic links followed.
    pub(super) fn path(&self) -> String {
        match self.missing_paths().last() {
            Some(directory) => join(&directory, &self.name),
            None => self.dir.path_of(&self.name),
        }
    }
}

impl ImageRoot {
    /// Opens the directory `host` as the root of an image.
    ///
    /// # Errors
    /// [`ImageError::Root`] when it cannot be opened or is not a directory.
    pub fn open(host: &Path) -> Result<Self, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = openat(CWD, host, flags, Mode::empty()).map_err(|errno| ImageError::Root {
            root: host.to_owned(),
            reason: Reason(errno),
        })?;
        Ok(Self {
            top: Arc::new(top),
            host: host.to_owned(),
        })
    }

    /// The root as the host calls it: for messages only, never to reach a file.
    pub fn host_path(&self) -> &Path {
        &self.host
    }

    /// The whole content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::NotAFile`] (which is never opened),
    /// [`ImageError::TooLarge`], and what stands in the way of reading it.
    pub fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>, ImageError> {
        self.read_and_examine(path, limit)
            .map(|(content, _)| content)
    }

    /// Like [`ImageRoot::read`], with what is known of the very file that was read.
    ///
    /// # Errors
    /// As [`ImageRoot::read`].
    pub fn read_and_examine(
        &self,
        path: &ImagePath,
        limit: u64,
    ) -> Result<(Vec<u8>, Metadata), ImageError> {
        let place = self.place_of_existing(path)?;
        let (file, stat) = place.dir.open_file(&place.name)?;
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

    /// Like [`ImageRoot::read`], with `None` for a file that does not exist.
    ///
    /// # Errors
    /// As [`ImageRoot::read`], [`ImageError::Missing`] apart.
    pub fn read_optional(
        &self,
        path: &ImagePath,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, ImageError> {
        match self.read(path, limit) {
            Ok(content) => Ok(Some(content)),
            Err(ImageError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is known of a file or directory without opening it; final symbolic links are followed.
    ///
    /// # Errors
    /// [`ImageError::Missing`], and what stands in the way of resolving the path.
    pub fn metadata(&self, path: &ImagePath) -> Result<Metadata, ImageError> {
        let place = self.place_of_existing(path)?;
        match place.found {
            Some(stat) => Ok(stat.metadata()),
            None => Err(ImageError::Missing {
                path: path.to_string(),
            }),
        }
    }

    /// The names in a directory that are UTF-8, sorted; none when there is no such directory.
    ///
    /// # Errors
    /// [`ImageError::NotADirectory`], and what stands in the way of reading it.
    pub fn list(&self, directory: &ImagePath) -> Result<Vec<String>, ImageError> {
        match self.open_dir(directory.as_str())? {
            Some(dir) => dir.names(),
            None => Ok(Vec::new()),
        }
    }

    /// The directory `path`, `None` when it does not exist.
    pub(super) fn open_dir(&self, path: &str) -> Result<Option<Dir>, ImageError> {
        match self.resolve(path) {
            Ok(fd) => {
                let stat = stat_fd(&fd).during("examining", path)?;
                if stat.kind() != FileKind::Directory {
                    let component = path.to_owned();
                    return Err(ImageError::NotADirectory {
                        path: path.to_owned(),
                        component,
                    });
                }
                Ok(Some(Dir::new(fd, path)))
            }
            Err(Reason(Errno::NOENT)) => Ok(None),
            Err(reason) => Err(self.unresolved(path, reason)),
        }
    }

    /// The top directory opened a second time, so that a lock on it is this caller's own.
    pub(super) fn top(&self) -> Result<Dir, ImageError> {
        let fd = self.resolve("/").during("opening", "/")?;
        Ok(Dir::new(fd, "/"))
    }

    /// Follows `path` to where a file is or would be.
    ///
    /// A final symbolic link is followed here, one at a time, because the *parent* of what it
    /// points to is needed: the file is replaced there and the link stays.
    pub(super) fn locate(&self, path: &ImagePath) -> Result<Place, ImageError> {
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

    fn place_of_existing(&self, path: &ImagePath) -> Result<Place, ImageError> {
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
    fn deepest(&self, path: &ImagePath, directory: &str) -> Result<(Dir, Vec<String>), ImageError> {
        let mut existing = directory;
        let mut missing: Vec<String> = Vec::new();
        loop {
            if let Some(dir) = self.open_dir(existing)? {
                missing.reverse();
                return match missing.first() {
                    None => Ok((dir, missing)),
                    Some(first) => self.creatable(path, &dir, first).map(|()| (dir, missing)),
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

    /// A directory that did not resolve can be created unless its name is a link that leads nowhere.
    fn creatable(&self, path: &ImagePath, dir: &Dir, name: &str) -> Result<(), ImageError> {
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

    fn resolve(&self, path: &str) -> Result<OwnedFd, Reason> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..MOST_TRIES {
            match openat2(&self.top, path, flags, Mode::empty(), within) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS | Errno::PERM) => return self.walk(path),
                result => return Ok(result?),
            }
        }
        Err(Reason(Errno::AGAIN))
    }

    /// pathrs needs /proc for its walk and panics without it, so it is not asked first: a chroot for a
    /// build may well have no /proc.
    fn walk(&self, path: &str) -> Result<OwnedFd, Reason> {
        if !Path::new("/proc/self/fd").exists() {
            return Err(Reason(Errno::NOSYS));
        }
        Ok(RootRef::from_fd(self.top.as_fd()).resolve(path)?.into())
    }

    /// Says which component of `path` is to blame.
    fn unresolved(&self, path: &str, reason: Reason) -> ImageError {
        let mut upto = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let above = if upto.is_empty() { "/" } else { &upto };
            let here = join(above, name);
            match (reason.0, self.resolve(&here)) {
                (Errno::NOTDIR, Ok(fd)) if !is_directory(&fd) => {
                    return ImageError::NotADirectory {
                        path: path.to_owned(),
                        component: here,
                    };
                }
                (Errno::LOOP, Err(Reason(Errno::LOOP))) => {
                    let target = self.open_dir(above).ok().flatten();
                    let target = target.and_then(|dir| dir.read_link(name).ok());
                    return ImageError::LinkBroken {
                        path: path.to_owned(),
                        link: here,
                        target: target.unwrap_or_default(),
                        how: BrokenLink::Loop,
                    };
                }
                _ => upto = here,
            }
        }
        ImageError::Io {
            operation: "resolving",
            path: path.to_owned(),
            reason,
        }
    }
}

impl fmt::Debug for ImageRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImageRoot").field(&self.host).finish()
    }
}

fn is_directory(fd: &OwnedFd) -> bool {
    stat_fd(fd).is_ok_and(|stat| stat.kind() == FileKind::Directory)
}

fn broken(path: &ImagePath, (link, target): (String, String), how: BrokenLink) -> ImageError {
    ImageError::LinkBroken {
        path: path.to_string(),
        link,
        target,
        how,
    }
}

/// Reads through `file` without keeping it: for digests.
pub(super) fn each_piece(mut file: &File, mut see: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut piece = zeroize::Zeroizing::new([0_u8; 4 * 1024]);
    loop {
        match file.read(&mut piece[..])? {
            0 => return Ok(()),
            length => see(&piece[..length]),
        }
    }
}
