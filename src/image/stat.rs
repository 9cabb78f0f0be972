//! What is known of a file without reading it.

use std::fmt;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::mode::Mode;

/// What a name in a file system stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    File,
    Directory,
    SymbolicLink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
    Unknown,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::SymbolicLink => "symbolic link",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Unknown => "file of an unknown kind",
        })
    }
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Metadata {
    pub kind: FileKind,
    /// The permission bits, without set-user-ID, set-group-ID and sticky.
    pub mode: Mode,
    pub uid: u32,
    pub gid: u32,
    /// In bytes.
    pub size: u64,
}

/// Device and inode: two names with the same identity are the same file.
pub(super) type Identity = (u32, u32, u64);

/// A file's statx(2) as this module needs it.
#[derive(Clone, Copy)]
pub(super) struct Stat(Statx);

impl From<Statx> for Stat {
    fn from(stat: Statx) -> Self {
        Self(stat)
    }
}

impl Stat {
    pub(super) fn kind(&self) -> FileKind {
        match FileType::from_raw_mode(self.0.stx_mode.into()) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::SymbolicLink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::CharacterDevice => FileKind::CharacterDevice,
            FileType::BlockDevice => FileKind::BlockDevice,
            _ => FileKind::Unknown,
        }
    }

    /// All twelve bits that chmod(2) knows.
    pub(super) fn mode_bits(&self) -> u32 {
        u32::from(self.0.stx_mode) & 0o7777
    }

    pub(super) fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    pub(super) fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    pub(super) fn size(&self) -> u64 {
        self.0.stx_size
    }

    pub(super) fn mtime(&self) -> fs::Timespec {
        let at = self.0.stx_mtime;
        fs::Timespec {
            tv_sec: at.tv_sec,
            tv_nsec: at.tv_nsec.into(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        (self.0.stx_dev_major, self.0.stx_dev_minor, self.0.stx_ino)
    }

    /// Whether something is mounted on this very name (a bind-mounted file). Kernels before 5.8 do
    /// not say; there the swap itself finds out.
    pub(super) fn is_mount(&self) -> bool {
        self.has(StatxAttributes::MOUNT_ROOT)
    }

    /// The mark that keeps the file from being replaced, as lsattr(1) calls it.
    pub(super) fn mark(&self) -> Option<&'static str> {
        if self.has(StatxAttributes::IMMUTABLE) {
            Some("immutable")
        } else if self.has(StatxAttributes::APPEND) {
            Some("append-only")
        } else {
            None
        }
    }

    pub(super) fn metadata(&self) -> Metadata {
        Metadata {
            kind: self.kind(),
            mode: Mode::new(self.mode_bits()),
            uid: self.uid(),
            gid: self.gid(),
            size: self.size(),
        }
    }

    fn has(&self, attribute: StatxAttributes) -> bool {
        (self.0.stx_attributes & self.0.stx_attributes_mask).contains(attribute)
    }
}

pub(super) fn stat_fd(fd: impl AsFd) -> Result<Stat, Errno> {
    fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map(Stat)
}
