//! A program run to its end: an argument list and no shell, bounded in time and in what it may say,
//! ended with all that it started when certbake is told to end.

mod interrupt;
mod start;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{os_error, thread};
use rustix::process::{Pid, Signal};
use zeroize::Zeroizing;

pub use interrupt::signals_are_handled;
pub use start::{can_be_run, why_not_started};

/// How long pipes may stay open after the program itself has ended.
const GRACE: Duration = Duration::from_millis(500);
/// The longest pause between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// What is run, and within which bounds.
pub struct Program<'a> {
    /// The program, looked up in `PATH` unless it holds a slash, and its arguments.
    pub argv: &'a [String],
    pub directory: Option<&'a Path>,
    /// All that it finds in its environment; `None` means ours.
    pub environment: Option<Vec<(OsString, OsString)>>,
    /// For its standard input.
    pub input: &'a [u8],
    pub group: Group,
    /// Most bytes taken from its standard output.
    pub output_limit: usize,
    /// How many of the last bytes of its standard error are kept.
    pub complaint_limit: usize,
    pub deadline: Instant,
}

/// Which process group it runs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Ours where there is a terminal, at which it may ask for a password; what it leaves behind lives on.
    Ours,
    /// One of its own, which ends with it: nothing that it started is left behind.
    Own,
}

/// A program that has ended by itself.
pub struct Ended {
    pub status: ExitStatus,
    pub output: Zeroizing<Vec<u8>>,
    pub complaint: Complaint,
}

/// The end of what it wrote to standard error.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    pub text: Vec<u8>,
    /// There was more before.
    pub is_cut: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("no program is named")]
    NoProgram,
    #[error("{}", os_error::in_words(.0))]
    Start(io::Error),
    #[error("it did not end by the deadline")]
    TimedOut(Complaint),
    #[error("it wrote more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("{}", os_error::in_words(.0))]
    Io(io::Error),
}

impl Program<'_> {
    /// Runs it. Whatever way this ends, the program has ended too.
    ///
    /// # Errors
    /// When it cannot be started, says too much, or had to be killed at the deadline.
    pub fn run(&self) -> Result<Ended, RunError> {
        let mut running = self.start()?;
        let output = running.output(self.output_limit).map_err(RunError::Io)?;
        let complaint = running
            .complaint(self.complaint_limit)
            .map_err(RunError::Io)?;
        running.feed(self.input).map_err(RunError::Io)?;
        let output = self.await_end(&mut running, &output, &complaint)?;
        let status = running.reap().map_err(RunError::Io)?;
        Ok(Ended {
            status,
            output,
            complaint: complaint.finished(),
        })
    }

    fn start(&self) -> Result<Running, RunError> {
        let (program, arguments) = self.argv.split_first().ok_or(RunError::NoProgram)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(if self.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(environment) = &self.environment {
            command
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)));
        }
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        // A group that is not the terminal's would be stopped when it asks there.
        let leads = self.group == Group::Own || !has_terminal();
        if leads {
            command.process_group(0);
        }
        let child = interrupt::starting(|| command.spawn(), Pid::from_child, leads)
            .map_err(|error| RunError::Start(thread::refused(error)))?;
        Ok(Running {
            child,
            group: self.group,
            leads,
            reaped: false,
        })
    }

    /// Until the program has ended and its output is closed.
    fn await_end(
        &self,
        running: &mut Running,
        output: &Receiver<io::Result<Zeroizing<Vec<u8>>>>,
        complaint: &Listening,
    ) -> Result<Zeroizing<Vec<u8>>, RunError> {
        let timed_out = || RunError::TimedOut(complaint.so_far());
        let mut came = None;
        let mut pause = Duration::from_micros(200);
        while !running.has_ended().map_err(RunError::Io)? {
            let wait = pause.min(self.left());
            if came.is_some() {
                std::thread::sleep(wait);
            } else {
                came = self.received(output.recv_timeout(wait))?;
            }
            if self.left().is_zero() {
                return Err(timed_out());
            }
            pause = (pause * 2).min(PAUSE);
        }
        if let Some(came) = came {
            return Ok(came);
        }
        // What it started may hold the pipe open.
        let wait = match self.group {
            Group::Ours => self.left().max(GRACE),
            Group::Own => GRACE,
        };
        if let Some(came) = self.received(output.recv_timeout(wait))? {
            return Ok(came);
        }
        running.kill_group();
        self.received(output.recv_timeout(GRACE))?
            .ok_or_else(timed_out)
    }

    fn received(
        &self,
        came: Result<io::Result<Zeroizing<Vec<u8>>>, RecvTimeoutError>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, RunError> {
        match came {
            Err(_) => Ok(None),
            Ok(Err(error)) => Err(RunError::Io(error)),
            Ok(Ok(bytes)) if bytes.len() > self.output_limit => Err(RunError::TooLong {
                limit: self.output_limit,
            }),
            Ok(Ok(bytes)) => Ok(Some(bytes)),
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A child that does not outlive its use.
struct Running {
    child: Child,
    group: Group,
    /// Whether its process group is its own.
    leads: bool,
    reaped: bool,
}

impl Running {
    /// One byte more than `limit` at most, in one allocation so that no copy of a secret stays behind.
    fn output(&mut self, limit: usize) -> io::Result<Receiver<io::Result<Zeroizing<Vec<u8>>>>> {
        let (tell, told) = mpsc::channel();
        let stdout = self.child.stdout.take();
        thread::spawn(move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(limit.saturating_add(33)));
            let read = stdout.map_or(Ok(0), |stdout| {
                stdout.take(limit as u64 + 1).read_to_end(&mut bytes)
            });
            // Nobody listens any more when the deadline has passed.
            let _ = tell.send(read.map(|_| bytes));
        })?;
        Ok(told)
    }

    fn complaint(&mut self, limit: usize) -> io::Result<Listening> {
        let heard = Arc::new(Mutex::new(Complaint::default()));
        let (tell, told) = mpsc::channel();
        if let Some(mut stderr) = self.child.stderr.take() {
            let heard = Arc::clone(&heard);
            thread::spawn(move || {
                let mut piece = [0; 4096];
                // To its end: a program must not be held up by a full pipe.
                while let Ok(length @ 1..) = stderr.read(&mut piece) {
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.text.extend_from_slice(&piece[..length]);
                    let surplus = heard.text.len().saturating_sub(limit);
                    heard.is_cut |= surplus > 0;
                    heard.text.drain(..surplus);
                }
                let _ = tell.send(());
            })?;
        }
        Ok(Listening { heard, told })
    }

    fn feed(&mut self, input: &[u8]) -> io::Result<()> {
        if let Some(mut stdin) = self.child.stdin.take() {
            let input = input.to_vec();
            // A program that reads nothing is no fault here: its answer counts.
            thread::spawn(move || {
                let _ = stdin.write_all(&input);
            })?;
        }
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn has_ended(&self) -> io::Result<bool> {
        interrupt::has_ended(self.pid())
    }

    fn kill_group(&self) {
        if self.leads && !self.reaped {
            // Nobody left in it: nothing to kill.
            let _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        if self.group == Group::Own {
            self.kill_group();
        }
        interrupt::ended(self.pid());
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.kill_group();
        interrupt::ended(self.pid());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Its standard error, while it is being read.
struct Listening {
    heard: Arc<Mutex<Complaint>>,
    told: Receiver<()>,
}

impl Listening {
    fn so_far(&self) -> Complaint {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }

    fn finished(&self) -> Complaint {
        let _ = self.told.recv_timeout(GRACE);
        self.so_far()
    }
}

#[cfg(test)]
mod tests;
