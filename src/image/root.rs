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
use zeroize::Zeroize;

use super::dir::Dir;
use super::error::{BrokenLink, During, ImageError, Reason};
use super::path::{ImagePath, join, split};
use super::places::Places;
use super::stat::{FileKind, stat_fd};

/// openat2(2) answers EAGAIN when anything was renamed or mounted while it looked at `..`.
const MOST_TRIES: usize = 1000;

/// An image's file system, held open by its top directory.
#[derive(Clone)]
pub struct ImageRoot {
    top: Arc<OwnedFd>,
    host: PathBuf,
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
        Places::of(self)
            .read_and_examine(path, limit)
            .map(|(content, _)| content)
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
                Ok(Some(Dir::known(fd, path, stat.identity())))
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

    fn is_of_kernel(&self, directory: &str) -> bool {
        let found = self.open_dir(directory).ok().flatten();
        found.is_some_and(|dir| dir.is_kernels().unwrap_or(false))
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
                    let beside = self.open_dir(above).ok().flatten();
                    let target = beside.and_then(|dir| dir.read_link(name).ok());
                    let target = target.unwrap_or_default();
                    let ways = [here.as_str(), target.as_str()].map(|link| split(link).0);
                    let is_magic = ways.into_iter().any(|way| self.is_of_kernel(way));
                    return ImageError::LinkBroken {
                        path: path.to_owned(),
                        link: here,
                        target,
                        how: match is_magic {
                            true => BrokenLink::Magic,
                            false => BrokenLink::Loop,
                        },
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

/// Reads through `file` without keeping it: for digests.
pub(super) fn each_piece(mut file: &File, mut see: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut piece = [0_u8; 4 * 1024];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        see(&piece[..length]);
        piece[..length].zeroize();
    }
}
