//! A secret from a command's standard output: no shell, no input, bounded in time and size.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Bytes, Reason, bounded};
use crate::line;

/// How much of the command's standard error is kept for the error message, in characters.
const STDERR: usize = 500;

pub(super) fn output(
    argv: &[String],
    variables: &[(String, String)],
    patience: Duration,
) -> Result<Bytes, Reason> {
    let deadline = Instant::now() + patience;
    let (program, arguments) = argv.split_first().ok_or(Reason::Empty)?;
    let child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Reason::Io)?;
    let mut running = Running(child);
    let stdout = running.0.stdout.take();
    let stderr = running.0.stderr.take();
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more when patience has ended.
        let _ = answer.send(stdout.map(|mut stdout| bounded(&mut stdout)));
    });
    let (complain, complained) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr
                .by_ref()
                .take(STDERR as u64 * 4)
                .read_to_end(&mut text);
            // A command that is cut off here must not be held up by a full pipe.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
        let _ = complain.send(text);
    });
    let bytes = answered
        .recv_timeout(left(deadline))
        .map_err(|_| Reason::TimedOut)?
        .ok_or(Reason::Empty)?
        .map_err(Reason::Io)?;
    if bytes.len() as u64 > super::LONGEST {
        return Err(Reason::TooLong);
    }
    let status = running.wait(deadline)?;
    if status.success() {
        return Ok(bytes);
    }
    let stderr = complained.recv_timeout(left(deadline)).unwrap_or_default();
    Err(Reason::Command {
        status: status.to_string(),
        stderr: line::harmless(&stderr, STDERR),
    })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A child that does not outlive its use.
struct Running(Child);

impl Running {
    /// The command has closed its output; it should end now.
    fn wait(&mut self, deadline: Instant) -> Result<ExitStatus, Reason> {
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = self.0.try_wait().map_err(Reason::Io)? {
                return Ok(status);
            }
            if left(deadline).is_zero() {
                return Err(Reason::TimedOut);
            }
            std::thread::sleep(pause.min(left(deadline)));
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
