//! What is wrong with a secret source, or with what stands there. Nothing of a secret is kept here.

use std::io;

use super::{LONGEST, PATIENCE, SecretSource, words};
use crate::finding::{Code, Finding};
use crate::os_error;

const UNREADABLE: Code = Code::new("secret-unreadable");
pub(super) const EXPOSED: Code = Code::new("secret-file-exposed");

/// Text that names no secret source. The text itself is not kept: it may be the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotASource {
    #[error(
        "a secret is never given itself, only where it is: env:NAME, file:PATH, fd:N or \
         cmd:PROGRAM ARGUMENT…"
    )]
    Plain,
    #[error(
        "what follows env: is not the name of an environment variable: give the name alone, without $"
    )]
    Variable,
    #[error("what follows file: is empty")]
    Path,
    #[error("what follows fd: is not the number of a descriptor")]
    Descriptor,
    #[error("what follows cmd: {0}")]
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
                format!("export {name}, and let the build pass it on to this step")
            }
            (Reason::NotAFile, _) => "for a pipe, open it and name its descriptor: fd:N".to_owned(),
            (Reason::Empty, SecretSource::Descriptor(_)) => {
                "a pipe gives what it holds once: nothing else may have read it before".to_owned()
            }
            (Reason::Closed, SecretSource::Descriptor(number)) => {
                format!("open it for this command: certbake … {number}<FILE")
            }
            (Reason::NoProgram, _) => {
                "give its whole path, or have PATH name its folder in the environment of the build"
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
            _ => "check that the secret is where the source says".to_owned(),
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
    #[error("it gave no end of data within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("the descriptor is not open")]
    Closed,
    #[error("there is no such program")]
    NoProgram,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("others may read it (mode {mode:04o})")]
    Exposed { mode: u32 },
    #[error("it belongs to user {uid}, neither us nor root")]
    ForeignOwner { uid: u32 },
    #[error("{}", os_error::in_words(.0))]
    Io(io::Error),
    #[error("the command ended with {status}")]
    Command {
        /// `exit status: 1`, `signal: 9`.
        status: String,
    },
}
