//! A secret from a command's standard output: no shell, no input, bounded in time and size. What it
//! writes to standard error is dropped: it may be the secret, and would end in the log of a build.

use std::time::{Duration, Instant};

use super::{Bytes, LONGEST, Reason};
use crate::subprocess::{Group, Program, RunError};

pub(super) fn output(argv: &[String], patience: Duration) -> Result<Bytes, Reason> {
    let ended = Program {
        argv,
        directory: None,
        environment: None,
        input: b"",
        // It may have to ask its user for a passphrase at the terminal.
        group: Group::Ours,
        output_limit: usize::try_from(LONGEST).unwrap_or(usize::MAX),
        complaint_limit: 0,
        deadline: Instant::now() + patience,
    }
    .run()
    .map_err(|error| match error {
        RunError::NoProgram => Reason::Empty,
        RunError::TimedOut(_) => Reason::TimedOut,
        RunError::TooLong { .. } => Reason::TooLong,
        RunError::Start(error) if error.kind() == std::io::ErrorKind::NotFound => Reason::NoProgram,
        RunError::Start(error) | RunError::Io(error) => Reason::Io(error),
    })?;
    if ended.status.success() {
        return Ok(ended.output);
    }
    Err(Reason::Command {
        status: ended.status.to_string(),
    })
}
