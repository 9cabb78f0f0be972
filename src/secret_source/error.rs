//! What is wrong with a secret source, or with what stands there. Nothing of a secret is kept here.

use std::io;

use super::{LONGEST, PATIENCE, SecretSource, words};
use crate::finding::{Code, Finding};
use crate::os_error;

pub const UNREADABLE: Code = Code::new("secret-unreadable");
pub(super) const EXPOSED: Code = Code::new("secret-file-exposed");

/// Text that names no secret source. The text itself is not kept: it may be the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotASource {
    #[error(
        "give where the secret is, never the secret itself: env:NAME, file:PATH, fd:N or cmd:PROGRAM ARGUMENT…"
    )]
    Plain,
    #[error(
        "the text after env: is not the name of an environment variable: give only the name, without $"
    )]
    Variable,
    #[error("the path after file: is missing")]
    Path,
    #[error("the text after fd: is not a file descriptor number")]
    Descriptor,
    #[error("the command after cmd: {0}")]
    Command(words::NotWords),
}

/// A secret that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading {place}: {reason}")]
pub struct SecretSourceError {
    pub place: SecretSource,
    pub reason: Reason,
}

impl SecretSourceError {
    pub fn finding(&self) -> Finding {
        let code = match self.reason {
            Reason::Exposed { .. } | Reason::ForeignOwner { .. } => EXPOSED,
            _ => UNREADABLE,
        };
        let finding = Finding::error(code, self.to_string()).fact("source", self.place.to_string());
        let finding = match &self.reason {
            Reason::Exposed { mode } => finding.fact("mode", format!("{mode:04o}")),
            Reason::ForeignOwner { uid } => finding.fact("owner_uid", *uid),
            _ => finding,
        };
        finding.hint(self.hint())
    }

    fn hint(&self) -> String {
        match (&self.reason, &self.place) {
            (Reason::Exposed { .. }, SecretSource::File(path)) => {
                format!("chmod 0600 {}", words::quoted(&path.to_string_lossy()))
            }
            (Reason::ForeignOwner { .. }, SecretSource::File(path)) => format!(
                "chown {} {}",
                rustix::process::geteuid().as_raw(),
                words::quoted(&path.to_string_lossy())
            ),
            (Reason::Unset, SecretSource::Environment(name)) => {
                format!("export {name}, and have the build pass it to this step")
            }
            (Reason::NotAFile, _) => {
                "give a regular file; for a pipe, open it and give its descriptor: fd:N".to_owned()
            }
            (Reason::Empty, SecretSource::Descriptor(_)) => {
                "a pipe can be read only once: make sure that nothing else reads it first"
                    .to_owned()
            }
            (Reason::Closed, SecretSource::Descriptor(number)) => {
                format!("open it for this command: certbake … {number}<FILE")
            }
            (Reason::NoProgram, _) => {
                "give its full path, or add its folder to PATH in the build's environment"
                    .to_owned()
            }
            (Reason::TimedOut, SecretSource::Descriptor(_)) => {
                "close the writing end of the pipe".to_owned()
            }
            (_, SecretSource::Command(_)) => {
                "run the command by hand, as the same user and without a terminal, to see what it \
                 says: certbake shows nothing of it, for it may be the secret"
                    .to_owned()
            }
            _ => "check that the secret exists where the source points".to_owned(),
        }
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("the environment variable is not set")]
    Unset,
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    #[error("it did not end within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("the descriptor is not open")]
    Closed,
    #[error("there is no such program")]
    NoProgram,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("others may read it (mode {mode:04o})")]
    Exposed { mode: u32 },
    #[error("it belongs to user {uid}, neither the user running certbake nor root")]
    ForeignOwner { uid: u32 },
    #[error("{}", os_error::in_words(.0))]
    Io(io::Error),
    #[error("the command ended with {status}")]
    Command {
        /// `exit status: 1`, `signal: 9`.
        status: String,
    },
}
