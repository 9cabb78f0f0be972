//! dns-01 (RFC 8555 section 8.4) through a program of the user's: no shell, no input, bounded in time.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

use super::Task;
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::line;

pub const HOOK_FAILED: Code = Code::new("acme-hook-failed");

/// How much of what the program complains is kept, in characters.
const STDERR: usize = 500;

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
            let unstarted = matches!(failed, Failed::NotStarted(_));
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
        let (program, arguments) = self.hook.split_first().ok_or(Failed::TimedOut)?;
        let child = Command::new(program)
            .args(arguments)
            .args([action, &self.domain, &self.name, &self.value])
            .env("CERTBAKE_ACME_ACTION", action)
            .env("CERTBAKE_ACME_DOMAIN", &self.domain)
            .env("CERTBAKE_ACME_RECORD", &self.name)
            .env("CERTBAKE_ACME_VALUE", &self.value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failed::NotStarted)?;
        let mut running = Running(child);
        let complained = complaint(&mut running.0);
        let status = running.wait(deadline)?;
        if status.success() {
            return Ok(());
        }
        // What it started may still hold its standard error.
        let stderr = complained
            .recv_timeout(Duration::from_millis(500))
            .unwrap_or_default();
        Err(Failed::Ended(status, line::harmless(&stderr, STDERR)))
    }

    fn finding(&self, action: &str, failed: &Failed) -> Finding {
        let program = self.hook.first().map_or("", String::as_str);
        let reason = match failed {
            Failed::NotStarted(error) => format!("it could not be started: {error}"),
            Failed::TimedOut => "it did not end in time".to_owned(),
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
    NotStarted(std::io::Error),
    TimedOut,
    Ended(ExitStatus, Option<String>),
}

fn complaint(child: &mut Child) -> mpsc::Receiver<Vec<u8>> {
    let (complain, complained) = mpsc::channel();
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr
                .by_ref()
                .take(STDERR as u64 * 4)
                .read_to_end(&mut text);
            // A program that is cut off here must not be held up by a full pipe.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        let _ = complain.send(text);
    });
    complained
}

/// A child that does not outlive its use.
struct Running(Child);

impl Running {
    fn wait(&mut self, deadline: Instant) -> Result<ExitStatus, Failed> {
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(status) = self.0.try_wait().map_err(Failed::NotStarted)? {
                return Ok(status);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failed::TimedOut);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended and waited for: nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that is not there, for a preflight. One by its bare name is looked for in `PATH` when
/// it is started.
pub fn missing_program(hook: &[String]) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let program = hook.first().filter(|program| program.contains('/'))?;
    let reason = match std::fs::metadata(Path::new(program)) {
        Err(error) => error.to_string(),
        Ok(metadata) if !metadata.is_file() => "it is not a file".to_owned(),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            "it is not executable".to_owned()
        }
        Ok(_) => return None,
    };
    Some(
        Finding::error(HOOK_FAILED, format!("{program}: {reason}"))
            .hint("give a program that can be started as the first word of dns_hook"),
    )
}
