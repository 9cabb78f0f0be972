//! Why a CA directory cannot be used, and why a request is not granted; with what to do next.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::super::AuthorityError;
use super::there::Otherwise;
use super::{directory, revoke, shown};
use crate::finding::{Code, Finding, rfc3339};
use crate::image::{ImageError, Mode};
use crate::os_error;
use crate::outcome::Outcome;
use crate::pki::key::KeyError;
use crate::pki::received::ReceivedError;

const UNUSABLE: Code = Code::new("embedded-ca-unusable");
const EXISTS: Code = Code::new("embedded-ca-exists");
const BUSY: Code = Code::new("embedded-ca-busy");
const REFUSED: Code = Code::new("embedded-ca-refused");

/// Where another intermediate would end no later.
pub(super) const NEW_CA: &str = "make a new CA in another directory, and have services trust its root too: an intermediate cannot outlast its root";

/// Why a CA directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("opening the CA in {}: there is none", dir.display())]
    Missing { dir: PathBuf },
    #[error("creating a CA in {}: it contains {found}, which does not belong to a CA", dir.display())]
    Foreign { dir: PathBuf, found: String },
    #[error("opening the CA in {}: it {what}", dir.display())]
    Damaged { dir: PathBuf, what: String },
    #[error("making a CA in {}: there is one already, and {}", dir.display(), listed(otherwise))]
    Otherwise {
        dir: PathBuf,
        /// What of it is not as asked.
        otherwise: Vec<Otherwise>,
    },
    #[error("making an intermediate in {}: the CA's root expired at {}", dir.display(), rfc3339(*at))]
    RootEnded { dir: PathBuf, at: OffsetDateTime },
    #[error("reading {}: its mode is {mode}, so others can read or change it", path.display())]
    Exposed { path: PathBuf, mode: Mode },
    #[error("reading {}: {reason}", path.display())]
    Reading {
        path: PathBuf,
        reason: String,
        denied: bool,
    },
    #[error("reading {}: what is revoked is not known: unreadable lines: {damaged}", path.display())]
    Revocations { path: PathBuf, damaged: usize },
    #[error(transparent)]
    Key(KeyError),
    #[error("signing a CA certificate: {0}")]
    Signing(String),
    #[error("{0}")]
    Io(ImageError),
}

fn listed(otherwise: &[Otherwise]) -> String {
    let words: Vec<_> = otherwise.iter().map(ToString::to_string).collect();
    words.join("; ")
}

/// What was issued, or revoked.
fn is_log(path: &str) -> bool {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| [directory::LOG, revoke::LOG].contains(&name))
}

impl CaError {
    pub(super) fn reading(path: &Path, error: &std::io::Error) -> Self {
        Self::Reading {
            path: path.to_owned(),
            denied: error.kind() == std::io::ErrorKind::PermissionDenied,
            reason: os_error::in_words(error),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "make one with: certbake ca init --ca-dir DIR",
            Self::Foreign { .. } => "give an empty or a new directory",
            Self::Damaged { .. } => {
                "restore the file from a copy, or move the directory away and make a new CA"
            }
            Self::Otherwise { otherwise, .. } => {
                if otherwise.iter().any(|it| it.is_renewable) {
                    "nothing was changed: leave out what differs to keep this CA, give another --ca-dir for a new one, or renew its intermediate alone: `certbake docs embedded` says how"
                } else {
                    "nothing was changed: leave out what differs to keep this CA, or give another --ca-dir for a new one"
                }
            }
            Self::RootEnded { .. } => NEW_CA,
            Self::Exposed { .. } => {
                "if nobody else could read it: chmod 600; otherwise make a new CA and replace its certificates"
            }
            Self::Reading { denied: true, .. } => "run as the user who owns the CA directory",
            Self::Reading { .. } => {
                "check what is there, or move the directory away and make a new CA"
            }
            Self::Revocations { .. } => {
                "restore the file from a copy; or delete those lines, and revoke again what they revoked"
            }
            Self::Io(ImageError::Busy { .. }) => {
                "another run is making this CA; retry when it has ended"
            }
            Self::Io(ImageError::NotAFile { path, .. }) if is_log(path) => {
                "put the log itself there, as a regular file: certbake appends to nothing else; if it is lost, remove what is there, and a new one is begun"
            }
            Self::Io(ImageError::NotADirectory { .. } | ImageError::NotAFile { .. }) => {
                "give a directory, or a path that does not exist yet"
            }
            Self::Io(ImageError::Io { reason, .. }) if reason.is_not_found() => {
                "correct the path, or create the directory above it first"
            }
            Self::Io(_) => {
                "make the directory writable for this user, on a file system with free space"
            }
            Self::Key(_) | Self::Signing(_) => {
                "this is a bug in certbake or a fault of the system: please report it"
            }
        }
    }

    /// The finding that every report shows.
    pub fn finding(&self) -> Finding {
        let code = match self {
            Self::Io(ImageError::Busy { .. }) => BUSY,
            Self::Otherwise { .. } => EXISTS,
            _ => UNUSABLE,
        };
        Finding::error(code, self.to_string()).hint(self.hint())
    }

    /// How a run ends that needs the CA.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Io(ImageError::Busy { .. }) => Outcome::Unreachable,
            _ => Outcome::Usage,
        }
    }

    /// A CA that is made now has issued nothing that could be revoked.
    pub(super) fn into_revocation_error(self) -> AuthorityError {
        match &self {
            Self::Missing { .. } => AuthorityError::Settings(Box::new(
                Finding::error(UNUSABLE, self.to_string())
                    .hint("give the directory of the CA that issued it"),
            )),
            _ => self.into_authority_error(),
        }
    }

    pub(super) fn into_authority_error(self) -> AuthorityError {
        let finding = Box::new(self.finding());
        match self {
            Self::Io(ImageError::Busy { .. }) => AuthorityError::Unreachable(finding),
            _ => AuthorityError::Settings(finding),
        }
    }
}

/// Why a request is not granted. Fit to be told to the requester, except [`IssueError::Log`].
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the request cannot be used: {0}")]
    Request(#[from] ReceivedError),
    #[error(
        "the request asks for a CA certificate, and this CA issues for clients and servers only"
    )]
    AsksForCa,
    #[error("the request asks for {}, and this CA certifies clientAuth and serverAuth only", .0.join(", "))]
    Usage(Vec<String>),
    #[error("the request has no name: neither a subject nor a subject alternative name")]
    Nameless,
    #[error("the CA's intermediate expired at {}", rfc3339(*at))]
    IntermediateEnded {
        at: OffsetDateTime,
        /// What to do about it.
        hint: &'static str,
    },
    #[error("the certificate would not match the request")]
    Unfaithful,
    #[error("signing: {0}")]
    Signing(String),
    #[error("writing to the log of issued certificates: {0}")]
    Log(ImageError),
}

impl IssueError {
    pub(super) fn into_authority_error(self, dir: &Path) -> AuthorityError {
        let text = self.to_string();
        let finding = |code, hint: &str| {
            Box::new(
                Finding::error(code, text.as_str())
                    .fact("ca_directory", shown(dir))
                    .hint(hint),
            )
        };
        match self {
            Self::Log(_) => AuthorityError::Unreachable(finding(
                UNUSABLE,
                "make the CA directory writable, with free space; nothing was issued",
            )),
            Self::IntermediateEnded { hint, .. } => AuthorityError::Refused(finding(REFUSED, hint)),
            _ => AuthorityError::Refused(finding(
                REFUSED,
                "change the request to what this CA certifies",
            )),
        }
    }
}

/// Why a certificate is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("this CA has issued no certificate {serial}")]
    NotOurs { serial: String },
    #[error(transparent)]
    Ca(#[from] CaError),
}

impl RevokeError {
    pub(super) fn into_authority_error(self, dir: &Path) -> AuthorityError {
        match self {
            Self::Ca(error) => error.into_authority_error(),
            Self::NotOurs { .. } => AuthorityError::Refused(Box::new(
                Finding::error(REFUSED, self.to_string())
                    .fact("ca_directory", shown(dir))
                    .hint("give the directory of the CA that issued it: `certbake ca issue-log` lists what a CA has issued"),
            )),
        }
    }
}
