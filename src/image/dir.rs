//! One directory held open by its descriptor, and everything that is done to names in it. No path
//! with a slash goes to the kernel from here, so a directory swapped for a link changes nothing.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::fs::{self, Access, AtFlags, OFlags, RenameFlags, StatVfs, StatxFlags};
use rustix::io::Errno;

use super::error::{During, ImageError};
use super::label::Label;
use super::path;
use super::stat::{FileKind, Identity, Stat, stat_fd};

/// An open directory and the name by which messages call it.
pub(super) struct Dir {
    fd: OwnedFd,
    path: String,
    /// What an open directory cannot lose.
    identity: OnceLock<Identity>,
    /// As it was when it was first asked for.
    label: OnceLock<Option<Label>>,
}

impl Dir {
    /// `fd` may be `O_PATH`.
    pub(super) fn new(fd: OwnedFd, path: impl Into<String>) -> Self {
        Self {
            fd,
            path: path.into(),
            identity: OnceLock::new(),
            label: OnceLock::new(),
        }
    }

    /// [`Dir::new`] of a directory that has been examined.
    pub(super) fn known(fd: OwnedFd, path: &str, identity: Identity) -> Self {
        Self {
            identity: identity.into(),
            ..Self::new(fd, path)
        }
    }

    pub(super) const fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of `name` in this directory, for messages and the journal.
    pub(super) fn path_of(&self, name: &str) -> String {
        path::join(&self.path, name)
    }

    /// The directory's own facts.
    pub(super) fn own_stat(&self) -> Result<Stat, ImageError> {
        stat_fd(&self.fd).during("examining", &self.path)
    }

    pub(super) fn identity(&self) -> Result<Identity, ImageError> {
        match self.identity.get() {
            Some(identity) => Ok(*identity),
            None => {
                let identity = self.own_stat()?.identity();
                Ok(*self.identity.get_or_init(|| identity))
            }
        }
    }

    /// The directory's SELinux label, where it has one.
    pub(super) fn label(&self) -> Result<Option<&Label>, ImageError> {
        let label = match self.label.get() {
            Some(label) => label,
            None => {
                let label = Label::of(self.readable()?, &self.path)?;
                self.label.get_or_init(|| label)
            }
        };
        Ok(label.as_ref())
    }

    /// What `name` stands for, a symbolic link being itself; `None` when there is no such name.
    pub(super) fn stat(&self, name: &str) -> Result<Option<Stat>, ImageError> {
        match fs::statx(
            &self.fd,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::BASIC_STATS,
        ) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).during("examining", &self.path_of(name)),
        }
    }

    pub(super) fn read_link(&self, name: &str) -> Result<String, ImageError> {
        let target = fs::readlinkat(&self.fd, name, Vec::new())
            .during("reading the symbolic link", &self.path_of(name))?;
        target
            .into_string()
            .map_err(|_| Errno::ILSEQ)
            .during("reading the symbolic link", &self.path_of(name))
    }

    /// The directory opened for reading: what flock(2), fsync(2) and fgetxattr(2) ask for, which
    /// answer EBADF on an `O_PATH` descriptor.
    pub(super) fn readable(&self) -> Result<OwnedFd, ImageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::openat(&self.fd, ".", flags, fs::Mode::empty()).during("opening", &self.path)
    }

    /// The names in the directory that are UTF-8, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, ImageError> {
        let listing = fs::Dir::new(self.readable()?).during("listing", &self.path)?;
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.during("listing", &self.path)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn open_dir(&self, name: &str) -> Result<Dir, ImageError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, fs::Mode::empty())
            .during("opening", &self.path_of(name))?;
        Ok(Dir::new(fd, self.path_of(name)))
    }

    /// Opens the regular file `name` for reading. Anything else is refused without being opened; should
    /// it take the file's place meanwhile, `O_NONBLOCK` keeps a FIFO from holding us.
    pub(super) fn open_file(&self, name: &str) -> Result<(File, Stat), ImageError> {
        self.open_regular(name, OFlags::RDONLY, "opening")
    }

    pub(super) fn open_file_for_writing(&self, name: &str) -> Result<(File, Stat), ImageError> {
        self.open_regular(name, OFlags::WRONLY, "opening for writing")
    }

    /// The regular file `name`, where there is one, and nothing to read it by where somebody else's may
    /// be replaced but not looked into.
    pub(super) fn look_into(&self, name: &str) -> Result<Option<(Stat, Option<File>)>, ImageError> {
        let Some(stat) = self.stat(name)? else {
            return Ok(None);
        };
        match self.open_found(name, &stat) {
            Ok((file, stat)) => Ok(Some((stat, Some(file)))),
            Err(error) if error.is_no_access() => Ok(Some((stat, None))),
            Err(error) => Err(error),
        }
    }

    /// As [`Dir::open_file`], of what was just examined.
    pub(super) fn open_found(&self, name: &str, stat: &Stat) -> Result<(File, Stat), ImageError> {
        self.open_examined(name, stat, OFlags::RDONLY, "opening")
    }

    fn open_regular(
        &self,
        name: &str,
        access: OFlags,
        doing: &'static str,
    ) -> Result<(File, Stat), ImageError> {
        let stat = self.stat(name)?.ok_or_else(|| ImageError::Missing {
            path: self.path_of(name),
        })?;
        self.open_examined(name, &stat, access, doing)
    }

    fn open_examined(
        &self,
        name: &str,
        stat: &Stat,
        access: OFlags,
        doing: &'static str,
    ) -> Result<(File, Stat), ImageError> {
        let path = self.path_of(name);
        regular(stat, &path)?;
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, fs::Mode::empty()).during(doing, &path)?;
        let stat = stat_fd(&fd).during("examining", &path)?;
        regular(&stat, &path)?;
        Ok((File::from(fd), stat))
    }

    /// Creates `name`, readable and writable by us alone; it must not exist.
    pub(super) fn create_file(&self, name: &str) -> Result<File, ImageError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.fd, name, flags, fs::Mode::from_raw_mode(0o600))
            .during("creating", &self.path_of(name))
            .map(File::from)
    }

    /// Opens `name` for appending, creating it with 0600; a symbolic link or device is not opened.
    pub(super) fn open_for_append(&self, name: &str) -> Result<File, ImageError> {
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        fs::openat(&self.fd, name, flags, fs::Mode::from_raw_mode(0o600))
            .during("opening for appending", &self.path_of(name))
            .map(File::from)
    }

    /// Creates the directory `name`; `false` when something of that name is there already.
    pub(super) fn make_dir(&self, name: &str, mode: u32) -> Result<bool, ImageError> {
        match fs::mkdirat(&self.fd, name, fs::Mode::from_raw_mode(mode)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno).during("creating the directory", &self.path_of(name)),
        }
    }

    /// Removes the file `name`; it may be gone already.
    pub(super) fn remove_file(&self, name: &str) -> Result<(), ImageError> {
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).during("removing", &self.path_of(name)),
        }
    }

    /// Removes the directory `name` if it is empty; one that is in use or gone is left as it is.
    pub(super) fn remove_empty_dir(&self, name: &str) -> Result<(), ImageError> {
        match fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(())
            | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::BUSY) => {
                Ok(())
            }
            Err(errno) => Err(errno).during("removing the directory", &self.path_of(name)),
        }
    }

    /// renameat2(2) within the directory.
    pub(super) fn rename_with(
        &self,
        from: &str,
        to: &str,
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        fs::renameat_with(&self.fd, from, &self.fd, to, flags)
    }

    /// Plain rename: `to` is replaced when it exists.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), ImageError> {
        fs::renameat(&self.fd, from, &self.fd, to).during("renaming to", &self.path_of(to))
    }

    /// A second name for the same file; fails when `to` exists.
    pub(super) fn link(&self, from: &str, to: &str) -> Result<(), Errno> {
        fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty())
    }

    /// Makes the names in the directory survive a power failure, where the file system can.
    pub(super) fn sync(&self) -> Result<(), ImageError> {
        match fs::fsync(self.readable()?) {
            Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(errno).during("syncing the directory", &self.path),
        }
    }

    /// Whether we may create, rename and remove names here, and open the directory to sync it.
    pub(super) fn is_writable(&self) -> Result<bool, ImageError> {
        match fs::accessat(
            &self.fd,
            ".",
            Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        ) {
            Ok(()) => Ok(true),
            Err(Errno::ACCESS | Errno::PERM) => Ok(false),
            // Answered before permissions are looked at; the caller asks the mount itself.
            Err(Errno::ROFS) => Ok(true),
            Err(errno) => Err(errno).during("examining", &self.path),
        }
    }

    pub(super) fn file_system(&self) -> Result<StatVfs, ImageError> {
        fs::fstatvfs(&self.fd).during("examining the file system of", &self.path)
    }

    /// Whether it is on a file system in which the kernel alone makes files, whatever access(2) says.
    pub(super) fn is_kernels(&self) -> Result<bool, ImageError> {
        const SYSFS_MAGIC: fs::FsWord = 0x6265_6572;
        let held = fs::fstatfs(&self.fd).during("examining the file system of", &self.path)?;
        Ok(matches!(held.f_type, fs::PROC_SUPER_MAGIC | SYSFS_MAGIC))
    }

    /// The file system of the file `name` itself, which a bind mount makes another one.
    pub(super) fn file_system_of(&self, name: &str) -> Result<StatVfs, ImageError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.fd, name, flags, fs::Mode::empty())
            .and_then(fs::fstatvfs)
            .during("examining the file system of", &self.path_of(name))
    }
}

/// Refuses anything but a regular file.
pub(super) fn regular(stat: &Stat, path: &str) -> Result<(), ImageError> {
    match stat.kind() {
        FileKind::File => Ok(()),
        kind => Err(ImageError::NotAFile {
            path: path.to_owned(),
            kind,
        }),
    }
}
