//! What can go wrong in an image, as values with the facts; [`super::explain`] makes findings of them.

use std::fmt;
use std::path::PathBuf;

use rustix::io::Errno;

use super::stat::FileKind;
use crate::os_error::in_words;

/// The operating system's reason, in lower case and without its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason(pub(super) Errno);

impl Reason {
    pub fn is_not_found(self) -> bool {
        self.0 == Errno::NOENT
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(&self.0.into()))
    }
}

impl std::error::Error for Reason {}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Self(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl From<pathrs::error::Error> for Reason {
    fn from(error: pathrs::error::Error) -> Self {
        use pathrs::error::ErrorKind;
        match error.kind() {
            ErrorKind::OsError(Some(number)) => Self(Errno::from_raw_os_error(number)),
            // What openat2 itself says of a path that would leave its root.
            ErrorKind::SafetyViolation => Self(Errno::XDEV),
            ErrorKind::NotSupported | ErrorKind::NotImplemented => Self(Errno::NOSYS),
            _ => Self(Errno::IO),
        }
    }
}

/// How two files of a set get in each other's way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Collision {
    /// One name, or two names of one file.
    Same,
    /// The first needs as a directory what the other is as a file.
    Below,
    /// The other way round.
    Above,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "is the same file",
            Self::Below => "is a file where this path needs a directory",
            Self::Above => "needs a directory where this path is a file",
        })
    }
}

/// How a symbolic link leads nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BrokenLink {
    /// Links that lead to each other, or more than 40 in a row.
    Loop,
    /// The link's target is in a directory that does not exist in the image.
    Dangling,
    /// The kernel decides where it leads (proc(5)): out of the image, perhaps.
    Magic,
}

/// What may not be permitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    GiveToUser,
    GiveToGroup,
    UseDirectory,
    ReplaceInSticky,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GiveToUser => "giving a file to another user",
            Self::GiveToGroup => "giving a file to a group it is not in",
            Self::UseDirectory => "reading and writing its directory",
            Self::ReplaceInSticky => "replacing another user's file in a sticky directory",
        }
    }

    pub const fn hint(self) -> &'static str {
        match self {
            Self::GiveToUser => "only root may: run certbake as root, or leave the owner out",
            Self::GiveToGroup => {
                "run certbake as root or as a member of that group, or leave the group out"
            }
            Self::UseDirectory | Self::ReplaceInSticky => OWNER_MAY,
        }
    }
}

/// To whoever lacks the rights for something else.
pub const OWNER_MAY: &str = "run certbake as root or as the owner of the image's tree";

/// Why an image could not be read or written.
///
/// Paths are as seen inside the image, except in [`ImageError::Root`], [`ImageError::Busy`] and what
/// the functions for files outside an image return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    #[error("opening the image root {}: {reason}", root.display())]
    Root { root: PathBuf, reason: Reason },

    #[error("locking {}: another certbake is at work there", root.display())]
    Busy { root: PathBuf },

    #[error("{operation} {path}: {reason}")]
    Io {
        operation: &'static str,
        path: String,
        reason: Reason,
    },

    #[error("reading {path}: no such file in the image")]
    Missing { path: String },

    #[error("reading {path}: it is {size} bytes, more than the limit of {limit}")]
    TooLarge { path: String, size: u64, limit: u64 },

    #[error("using {path} as a file: it is a {kind}")]
    NotAFile { path: String, kind: FileKind },

    #[error("resolving {path}: {component} is not a directory")]
    NotADirectory { path: String, component: String },

    #[error("following the symbolic link {link} on the way to {path}: {}", broken_link(*how, target))]
    LinkBroken {
        path: String,
        link: String,
        target: String,
        how: BrokenLink,
    },

    #[error("placing {label} at {path}: {other_label} at {other} {how}")]
    Shared {
        path: String,
        label: String,
        other: String,
        other_label: String,
        how: Collision,
    },

    #[error("preparing {path}: the file system is mounted read-only")]
    ReadOnly { path: String },

    #[error("preparing {path}: it is marked {mark}")]
    Immutable { path: String, mark: &'static str },

    #[error("preparing {path}: no {lacking} left on its file system")]
    Full { path: String, lacking: &'static str },

    #[error("preparing {path}: {} is not permitted to user {uid}", action.as_str())]
    NotPermitted {
        path: String,
        action: Action,
        uid: u32,
    },

    /// `known` is what the database lists, `None` when the image has no such database.
    #[error("looking up the {} {name:?} of {path}: {}", owner_or_group(database), owner_missing(database, known.as_deref()))]
    OwnerMissing {
        path: String,
        name: String,
        database: &'static str,
        known: Option<Vec<String>>,
    },

    #[error(
        "looking up the {} {name:?} of {path}: its number in {database} of the image, {number:?}, is none that a file can have",
        owner_or_group(database)
    )]
    OwnerUnusable {
        path: String,
        name: String,
        database: &'static str,
        number: String,
    },

    #[error("placing {path}: something else changed it in the meantime")]
    Changed { path: String },

    #[error("reading the journal {path} of an interrupted run: {problem}")]
    Journal { path: String, problem: String },

    /// Cut off by a power failure while it was written, before any file was replaced.
    #[error("the journal {path} of an interrupted run is truncated: no file had been replaced yet")]
    JournalTorn { path: String },

    /// The set could neither land nor be taken back completely; the journal is still there.
    #[error("{cause}; undoing it: {trouble}")]
    HalfDone {
        cause: Box<ImageError>,
        trouble: Box<ImageError>,
    },

    /// The contents given to write are not those of the slots prepared.
    #[error("pairing contents with placements: {path} {problem}")]
    Contents { path: String, problem: &'static str },
}

impl ImageError {
    /// Whether a file is there and not for us to open.
    pub(super) const fn is_no_access(&self) -> bool {
        matches!(
            self,
            Self::Io {
                reason: Reason(Errno::ACCESS),
                ..
            }
        )
    }
}

fn broken_link(how: BrokenLink, target: &str) -> String {
    match how {
        BrokenLink::Loop => format!("it points to {target}, in a loop"),
        BrokenLink::Dangling => {
            format!("it points to {target}, whose directory does not exist in the image")
        }
        BrokenLink::Magic => {
            format!("it points to {target} by way of /proc, which may lead out of the image")
        }
    }
}

fn owner_or_group(database: &str) -> &'static str {
    if database == super::owner::GROUPS {
        "group"
    } else {
        "owner"
    }
}

fn owner_missing(database: &str, known: Option<&[String]>) -> String {
    match known {
        None => format!("the image has no {database}"),
        Some([]) => format!("{database} in the image lists no names"),
        Some(known) => {
            let shown = known
                .iter()
                .take(12)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            let more = if known.len() > 12 { ", …" } else { "" };
            format!("{database} in the image has {shown}{more}")
        }
    }
}

/// Says what was being done to what when a system call failed.
pub(super) trait During<T> {
    fn during(self, operation: &'static str, path: &str) -> Result<T, ImageError>;
}

impl<T, E: Into<Reason>> During<T> for Result<T, E> {
    fn during(self, operation: &'static str, path: &str) -> Result<T, ImageError> {
        self.map_err(|error| ImageError::Io {
            operation,
            path: path.to_owned(),
            reason: error.into(),
        })
    }
}
