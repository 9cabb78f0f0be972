//! SELinux labels and access lists: a file gets the label of the file it replaces, or else of its directory. Images
//! without labels, and file systems that cannot hold them, are left without. No access list is kept.

use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use super::error::{During, ImageError};

const LABEL: &str = "security.selinux";

/// The access list a directory's default list gives its new files (acl(5)).
const ACCESS_LIST: &str = "system.posix_acl_access";

/// The kernel's own limit for one attribute.
const LONGEST_ACCESS_LIST: usize = 64 * 1024;

/// Labels are short; the kernel's own limit for one attribute is 64 KiB.
const LONGEST_LABEL: usize = 4096;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Label(Vec<u8>);

/// What became of setting a label.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Labelled {
    AsAsked,
    /// The kernel did not let us: a policy is loaded that forbids it, or we are not root.
    Refused,
}

impl Label {
    /// The label of an open file or directory, where it has one.
    pub(super) fn of(fd: impl AsFd, path: &str) -> Result<Option<Self>, ImageError> {
        let mut label = vec![0_u8; LONGEST_LABEL];
        match fgetxattr(fd, LABEL, label.as_mut_slice()) {
            Ok(0) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Ok(length) => {
                label.truncate(length);
                Ok(Some(Self(label)))
            }
            Err(errno) => Err(errno).during("reading the SELinux label of", path),
        }
    }

    /// Gives an open file or directory this label.
    pub(super) fn set_on(&self, fd: impl AsFd, path: &str) -> Result<Labelled, ImageError> {
        if Self::of(&fd, path)?.as_ref() == Some(self) {
            return Ok(Labelled::AsAsked);
        }
        match fsetxattr(fd, LABEL, &self.0, XattrFlags::empty()) {
            Ok(()) => Ok(Labelled::AsAsked),
            Err(Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::OPNOTSUPP) => {
                Ok(Labelled::Refused)
            }
            Err(errno) => Err(errno).during("setting the SELinux label of", path),
        }
    }
}

/// An access list as the kernel stores it.
pub(super) struct AccessList(Vec<u8>);

impl AccessList {
    /// What an open file has beside its mode, where it has anything.
    pub(super) fn of(fd: impl AsFd) -> Result<Option<Self>, Errno> {
        let mut list = vec![0_u8; LONGEST_ACCESS_LIST];
        match fgetxattr(fd, ACCESS_LIST, list.as_mut_slice()) {
            Ok(length) => {
                list.truncate(length);
                Ok(Some(Self(list)))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn set_on(&self, fd: impl AsFd) -> Result<(), Errno> {
        fsetxattr(fd, ACCESS_LIST, &self.0, XattrFlags::empty())
    }
}

/// Takes away the access list of a file that may be another user's: the kernel refuses those even where
/// there is none.
pub(super) fn drop_access_list(fd: impl AsFd) -> Result<(), Errno> {
    match AccessList::of(&fd)? {
        Some(_) => fremovexattr(fd, ACCESS_LIST),
        None => Ok(()),
    }
}

/// Takes away the access list that a new file inherited from its directory: with it, the group bits
/// of a mode such as 0640 would let in the users and groups it names.
pub(super) fn drop_inherited_access_list(fd: impl AsFd, path: &str) -> Result<(), ImageError> {
    match fremovexattr(fd, ACCESS_LIST) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno).during("removing the inherited access list of", path),
    }
}
