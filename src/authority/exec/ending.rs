//! How a run of the program ended, and what that means for the order.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::authority::AuthorityError;
use crate::authority::answer::{BUSY, PENDING, REFUSED, UNUSABLE};
use crate::finding::{Code, Finding};
use crate::line;
use crate::os_error;
use crate::secret::Secret;
use crate::subprocess::{self, Complaint, Ended, RunError, why_not_started};

const NOT_STARTED: Code = Code::new("ca-program-not-started");
const FAILED: Code = Code::new("ca-program-failed");
const TIMED_OUT: Code = Code::new("ca-program-timeout");

/// How many of its last lines are its words, and how many characters of them.
const LINES: usize = 4;
const CHARACTERS: usize = 400;
/// A line of a secret that is shorter says too little to be looked for.
const TELLING: usize = 8;

/// What comes after a run.
pub enum Ending {
    Done(Vec<u8>),
    /// It wants to be run again; the error is for when there is no time left.
    Later(AuthorityError),
}

/// Which program it was, and what it must not be quoted with.
pub struct Told {
    program: String,
    runs: u32,
    secrets: Vec<Secret>,
}

impl Told {
    pub fn new(program: &str, runs: u32, secrets: &[Secret]) -> Self {
        Self {
            program: program.to_owned(),
            runs,
            secrets: secrets.to_vec(),
        }
    }

    /// 0 issued, 1 refused, 2 try again, 3 pending.
    pub fn ending(
        &self,
        ended: Result<Ended, RunError>,
        timeout: Duration,
    ) -> Result<Ending, AuthorityError> {
        let ended = ended.map_err(|error| self.not_ended(error, timeout))?;
        let said = self.said(&ended.complaint);
        match ended.status.code() {
            Some(0) => Ok(Ending::Done(ended.output.to_vec())),
            Some(1) => Err(AuthorityError::Refused(self.refused(said))),
            Some(2) => Ok(Ending::Later(AuthorityError::Unreachable(self.busy(said)))),
            Some(3) => Ok(Ending::Later(AuthorityError::Unreachable(
                self.pending(said),
            ))),
            Some(status) => Err(AuthorityError::Unusable(self.other(status, said))),
            None => Err(AuthorityError::Unreachable(
                self.killed(ended.status.signal().unwrap_or_default(), said),
            )),
        }
    }

    /// It said that all is well, and gave nothing that is.
    pub fn unusable(&self, reason: &str, length: usize) -> AuthorityError {
        AuthorityError::Unusable(self.finding(
            UNUSABLE,
            format!("what {} wrote to standard output is unusable: {reason}", self.program),
            None,
            "it writes the certificate for the key of the request, and the issuers above it, as PEM \
             and nothing else; everything for people goes to standard error",
        )
        .fact("length_bytes", length)
        .into())
    }

    fn refused(&self, said: Option<String>) -> Box<Finding> {
        let hint = match said {
            Some(_) => "the message is the last lines that the program wrote to standard error",
            None => {
                "the program wrote nothing to standard error: have it say why before it exits with 1"
            }
        };
        self.finding(REFUSED, format!("{} refused", self.program), said, hint)
            .into()
    }

    fn busy(&self, said: Option<String>) -> Box<Finding> {
        self.finding(
            BUSY,
            format!(
                "{} kept asking for a retry until the deadline",
                self.program
            ),
            said,
            "retry later, or give the order a longer deadline",
        )
        .into()
    }

    fn pending(&self, said: Option<String>) -> Box<Finding> {
        self.finding(
            PENDING,
            format!(
                "{} accepted the request but did not decide on it before the deadline",
                self.program
            ),
            said,
            "have such requests approved at once, or give the order a longer deadline: a later run \
             makes a new key, and its request is another one",
        )
        .into()
    }

    /// A status that the agreement does not have.
    fn other(&self, status: i32, said: Option<String>) -> Box<Finding> {
        let hint = match status {
            126 => "126 is a shell's code for a command that cannot be run: look in the script",
            127 => {
                "127 is a shell's word for a command that it does not find: the program has PATH, \
                 HOME and LANG, and what env names, and nothing else"
            }
            _ => "a program must exit with 0 (issued), 1 (refused), 2 (try again) or 3 (pending)",
        };
        self.finding(
            FAILED,
            format!(
                "{} ended with the exit status {status}, which has no meaning here",
                self.program
            ),
            said,
            hint,
        )
        .fact("exit_status", status)
        .into()
    }

    fn killed(&self, signal: i32, said: Option<String>) -> Box<Finding> {
        let hint = if signal == 9 {
            "somebody killed it, or the kernel did for lack of memory (see dmesg): retry"
        } else {
            "run it by hand with the same request: it crashed, or somebody killed it"
        };
        self.finding(
            FAILED,
            format!("{} was killed by {}", self.program, signal_name(signal)),
            said,
            hint,
        )
        .fact("signal", signal)
        .into()
    }

    fn not_ended(&self, error: RunError, timeout: Duration) -> AuthorityError {
        match error {
            RunError::NoProgram => not_started(&self.program, &io::ErrorKind::NotFound.into()),
            RunError::Start(error) => not_started(&self.program, &error),
            RunError::TimedOut(complaint) => AuthorityError::Unreachable(
                self.finding(
                    TIMED_OUT,
                    format!(
                        "{} did not finish in time and was killed, with everything it started",
                        self.program
                    ),
                    self.said(&complaint),
                    "it may wait for input that never comes, such as a password: it has no \
                     terminal; or give it a longer timeout and the order a longer deadline",
                )
                .fact("timeout_seconds", timeout.as_secs())
                .into(),
            ),
            RunError::TooLong { limit } => {
                self.unusable(&format!("it is longer than {limit} bytes"), limit)
            }
            RunError::Io(error) => AuthorityError::Unreachable(
                self.finding(
                    FAILED,
                    format!("running {}: {}", self.program, os_error::in_words(&error)),
                    None,
                    "try again",
                )
                .into(),
            ),
        }
    }

    fn finding(&self, code: Code, summary: String, said: Option<String>, hint: &str) -> Finding {
        let finding = match said {
            None => Finding::error(code, summary),
            Some(said) => Finding::error(code, format!("{summary}: {said}")).fact("said", said),
        };
        finding
            .fact("program", self.program.clone())
            .fact("runs", self.runs)
            .hint(hint)
    }

    /// The last lines of what it wrote, as one that can be printed, without the secrets it was given.
    fn said(&self, complaint: &Complaint) -> Option<String> {
        let secrets = self.secrets.iter().map(Secret::expose);
        let lines = self
            .secrets
            .iter()
            .flat_map(|secret| secret.expose().split(|byte| *byte == b'\n'))
            .filter(|line| line.len() >= TELLING);
        let mut text = line::redacted(&complaint.text, secrets.clone().chain(lines));
        if complaint.is_cut {
            // The cut may have gone through a secret.
            let longest = secrets.map(<[u8]>::len).max().unwrap_or_default();
            text.drain(..longest.min(text.len()));
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" ");
        let surplus = last.chars().count().saturating_sub(CHARACTERS);
        let end: String = last.chars().skip(surplus).collect();
        let words = line::sanitized(end.replace('\0', " ").as_bytes(), CHARACTERS)?;
        Some(if surplus > 0 {
            format!("…{words}")
        } else {
            words
        })
    }
}

/// signal(7), those that end programs.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("the signal {signal}"),
    };
    format!("the signal {name}")
}

/// # Errors
/// [`AuthorityError::Settings`] when there is no such program, or it is not executable.
pub fn can_be_run(program: &str, path: &str) -> Result<(), AuthorityError> {
    subprocess::can_be_run(program, path.as_ref()).map_err(|error| not_started(program, &error))
}

fn not_started(program: &str, error: &io::Error) -> AuthorityError {
    let (reason, hint) = why_not_started(program, error);
    AuthorityError::Settings(Box::new(
        Finding::error(NOT_STARTED, format!("starting {program}: {reason}"))
            .fact("program", program.to_owned())
            .hint(hint),
    ))
}
