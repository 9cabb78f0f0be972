//! What kept a file, or something in it, from being shown; in words, with what to do.

use std::io;

use crate::finding::{Code, Finding};
use crate::os_error;
use crate::outcome::Outcome;
use crate::pki::encrypted;

const UNREADABLE: Code = Code::new("input-unreadable");
const PASSWORD_NEEDED: Code = Code::new("password-needed");

#[derive(Debug)]
pub(super) enum InspectError {
    /// The file could not be opened or read.
    Unopened(io::Error),
    /// It was read, but not understood.
    Unreadable { summary: String, hint: String },
    /// A key store shows nothing without a password.
    StoreLocked,
    /// A key stays shut; everything else is shown.
    KeyLocked,
    /// The password that was given does not open this.
    WrongPassword { what: &'static str },
}

impl InspectError {
    pub fn unreadable(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unreadable {
            summary: summary.into(),
            hint: hint.into(),
        }
    }

    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unopened(_) | Self::StoreLocked => Outcome::Usage,
            Self::Unreadable { .. } | Self::WrongPassword { .. } => Outcome::Flawed,
            Self::KeyLocked => Outcome::Ok,
        }
    }

    pub fn finding(self) -> Finding {
        const GIVE_ONE: &str =
            "say where its password is: --password env:NAME, file:PATH, fd:N or cmd:…";
        match self {
            Self::Unopened(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::IsADirectory => "give the files in it instead",
                    _ => "check the path, its owner and permissions",
                };
                Finding::error(UNREADABLE, format!("reading it: {}", os_error::in_words(&error))).hint(hint)
            }
            Self::Unreadable { summary, hint } => Finding::error(UNREADABLE, summary).hint(hint),
            Self::StoreLocked => Finding::error(PASSWORD_NEEDED, "it is a PKCS#12 key store with a password").hint(GIVE_ONE),
            Self::KeyLocked => Finding::note(PASSWORD_NEEDED, "its private key is encrypted").hint(GIVE_ONE),
            Self::WrongPassword { what } => Finding::error(encrypted::PASSWORD_WRONG, format!("the password does not open the {what}"))
                .hint("check that the source gives the password of this file; a newline at its end is ignored"),
        }
    }
}
