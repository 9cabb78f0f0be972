//! dns-01 (RFC 8555 section 8.4) through a program of the user's: no shell, no input, bounded in time.

use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

use super::Task;
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::line;
use crate::subprocess::{Group, Program, RunError, can_be_run, why_not_started};

pub const HOOK_FAILED: Code = Code::new("acme-hook-failed");

/// How much of what the program complains is kept, and how much it may say, which nobody reads.
const COMPLAINT: usize = 500;
const OUTPUT: usize = 64 * 1024;

/// A TXT record, made and removed by the program.
pub struct Record {
    hook: Vec<String>,
    patience: Duration,
    domain: String,
    name: String,
    value: String,
}

impl Record {
    pub fn of(task: &Task, hook: &[String], patience: Duration) -> Self {
        let domain = task.name();
        Self {
            hook: hook.to_vec(),
            patience,
            name: format!("_acme-challenge.{domain}"),
            domain,
            value: BASE64URL_NOPAD.encode(&task.digest),
        }
    }

    /// Has the record made. One that could not be made whole is removed again.
    pub fn present(&self, deadline: Instant) -> Result<(), AuthorityError> {
        let deadline = deadline.min(Instant::now() + self.patience);
        self.call("present", deadline).map_err(|failed| {
            let unstarted = matches!(failed, Failed::NotRun(RunError::Start(_)));
            let finding = Box::new(self.finding("present", &failed));
            if unstarted {
                return AuthorityError::Settings(finding);
            }
            let _ = self.clean_up();
            AuthorityError::Unreachable(finding)
        })
    }

    /// Has the record removed, whatever time is left of the order.
    pub fn clean_up(&self) -> Result<(), Finding> {
        let deadline = Instant::now() + self.patience;
        self.call("cleanup", deadline).map_err(|failed| {
            let mut finding = self.finding("cleanup", &failed);
            finding.severity = crate::finding::Severity::Warning;
            finding
        })
    }

    fn call(&self, action: &str, deadline: Instant) -> Result<(), Failed> {
        let mut argv = self.hook.clone();
        argv.extend([action, &self.domain, &self.name, &self.value].map(str::to_owned));
        let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        for (name, value) in [
            ("CERTBAKE_ACME_ACTION", action),
            ("CERTBAKE_ACME_DOMAIN", &self.domain),
            ("CERTBAKE_ACME_RECORD", &self.name),
            ("CERTBAKE_ACME_VALUE", &self.value),
        ] {
            environment.push((name.into(), value.into()));
        }
        let program = Program {
            argv: &argv,
            directory: None,
            environment: Some(environment),
            input: &[],
            group: Group::Own,
            output_limit: OUTPUT,
            complaint_limit: COMPLAINT,
            deadline,
        };
        let ended = program.run().map_err(Failed::NotRun)?;
        if ended.status.success() {
            return Ok(());
        }
        let words = line::sanitized(&ended.complaint.text, COMPLAINT);
        Err(Failed::Ended(ended.status, words))
    }

    fn finding(&self, action: &str, failed: &Failed) -> Finding {
        let program = self.hook.first().map_or("", String::as_str);
        let reason = match failed {
            Failed::NotRun(RunError::Start(error)) => {
                format!(
                    "it could not be started: {}",
                    why_not_started(program, error).0
                )
            }
            Failed::NotRun(RunError::TimedOut(complaint)) => {
                match line::sanitized(&complaint.text, COMPLAINT) {
                    Some(words) => format!("it did not end in time: {words}"),
                    None => "it did not end in time".to_owned(),
                }
            }
            Failed::NotRun(error) => error.to_string(),
            Failed::Ended(status, Some(words)) => format!("it ended with {status}: {words}"),
            Failed::Ended(status, None) => format!("it ended with {status}"),
        };
        Finding::error(HOOK_FAILED, format!("{program} {action} {}: {reason}", self.name))
            .fact("action", action)
            .fact("record", self.name.clone())
            .hint("run it by hand, as the same user, without a terminal: the program, its arguments, present, domain, record name and value")
    }
}

enum Failed {
    NotRun(RunError),
    Ended(ExitStatus, Option<String>),
}

/// A program that is not there or cannot be run, for a preflight.
pub fn missing_program(hook: &[String]) -> Option<Finding> {
    let program = hook.first()?;
    // Without it the system has a path of its own.
    let path = std::env::var_os("PATH");
    let path = path.or_else(|| program.contains('/').then(OsString::new))?;
    let error = can_be_run(program, &path).err()?;
    let (reason, hint) = why_not_started(program, &error);
    Some(Finding::error(HOOK_FAILED, format!("{program}: {reason}")).hint(hint))
}
