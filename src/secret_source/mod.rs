//! Where a secret comes from: an environment variable, a file, an inherited descriptor or a command.
//! Never a plain value, which every process list and shell history would keep.

mod command;
mod error;
mod words;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::thread;

pub use error::{NotASource, Reason, SecretSourceError, UNREADABLE};

/// Longest secret read, in bytes: a key, a token or a JSON of credentials is far shorter.
pub const LONGEST: u64 = 64 * 1024;

/// How long a descriptor or a command may take to give its secret.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of a place that holds a secret. Printing it shows the place, never the secret.
#[derive(Clone, Eq, PartialEq)]
pub enum SecretSource {
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`
    File(PathBuf),
    /// `fd:N`
    Descriptor(u32),
    /// `cmd:PROGRAM ARGUMENT…`, or `cmd:["PROGRAM","ARGUMENT"]`
    Command(Vec<String>),
}

impl SecretSource {
    /// A descriptor gives what it holds once.
    pub const fn can_be_read_again(&self) -> bool {
        !matches!(self, Self::Descriptor(_))
    }

    /// Reads the secret; one line end after it is not part of it.
    ///
    /// # Errors
    /// [`SecretSourceError`]; it never holds any of what was read.
    pub fn read(&self) -> Result<Secret, SecretSourceError> {
        let mut read_ahead = ahead();
        if let Some(at) = read_ahead.iter().position(|(source, _)| source == self) {
            return Ok(read_ahead.swap_remove(at).1);
        }
        drop(read_ahead);
        let read = match self {
            Self::Environment(name) => environment(name),
            Self::File(path) => file(path),
            Self::Descriptor(number) => descriptor(*number),
            Self::Command(argv) => command::output(argv, PATIENCE),
        };
        let bytes = read.map_err(|reason| self.error(reason))?;
        if bytes.len() as u64 > LONGEST {
            return Err(self.error(Reason::TooLong));
        }
        let bytes = without_line_end(bytes);
        if bytes.is_empty() {
            return Err(self.error(Reason::Empty));
        }
        Ok(Secret::new(bytes.to_vec()))
    }

    /// As [`read`](Self::read), which then finds the same: a descriptor, or a command, may give something
    /// only once.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_ahead(&self) -> Result<Secret, SecretSourceError> {
        let secret = self.read()?;
        ahead().push((self.clone(), secret.clone()));
        Ok(secret)
    }

    /// A relative `file:` path, and the program of a `cmd:` that is one, seen from `directory`; a program
    /// without a slash is looked up in `PATH`.
    #[must_use]
    pub fn relative_to(self, directory: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(directory.join(path)),
            Self::Command(mut argv) => {
                if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
                    let path = directory.join(without_dot(program));
                    if let Some(path) = path.to_str().filter(|path| path.contains('/')) {
                        *program = path.to_owned();
                    }
                }
                Self::Command(argv)
            }
            other => other,
        }
    }

    /// As in a setting, arguments and all: not for messages.
    pub fn written(&self) -> String {
        match self {
            Self::Command(argv) => format!("cmd:{}", serde_json::Value::from(argv.as_slice())),
            other => other.to_string(),
        }
    }

    fn error(&self, reason: Reason) -> SecretSourceError {
        SecretSourceError {
            place: self.clone(),
            reason,
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            // Arguments may hold what should not be shown.
            Self::Command(argv) => write!(f, "cmd:{}", argv.first().map_or("", String::as_str)),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({self})")
    }
}

impl FromStr for SecretSource {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, NotASource> {
        let (kind, rest) = text.split_once(':').ok_or(NotASource::Plain)?;
        match kind {
            "env" if is_variable(rest) => Ok(Self::Environment(rest.to_owned())),
            "env" => Err(NotASource::Variable),
            "file" if !rest.is_empty() => Ok(Self::File(PathBuf::from(rest))),
            "file" => Err(NotASource::Path),
            "fd" => rest
                .parse()
                .map(Self::Descriptor)
                .map_err(|_| NotASource::Descriptor),
            "cmd" => words::split(rest)
                .map(Self::Command)
                .map_err(NotASource::Command),
            _ => Err(NotASource::Plain),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "SecretSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Where a secret comes from: env:NAME, file:PATH, fd:N or cmd:PROGRAM ARGUMENT…",
            "pattern": "^(env:.+|file:.+|fd:[0-9]+|cmd:.+)$",
        })
    }
}

/// `./x` as `x`, which reads better behind a directory.
fn without_dot(path: &str) -> &str {
    path.strip_prefix("./")
        .filter(|rest| !rest.starts_with('/'))
        .unwrap_or(path)
}

/// POSIX 1-2017, Base Definitions 8.1, without its preference for upper case.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What was read and is yet to be used.
fn ahead() -> MutexGuard<'static, Vec<(SecretSource, Secret)>> {
    static AHEAD: Mutex<Vec<(SecretSource, Secret)>> = Mutex::new(Vec::new());
    AHEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

type Bytes = Zeroizing<Vec<u8>>;

fn environment(name: &str) -> Result<Bytes, Reason> {
    use std::os::unix::ffi::OsStringExt;
    std::env::var_os(name)
        .map(|value| Zeroizing::new(value.into_vec()))
        .ok_or(Reason::Unset)
}

fn file(path: &Path) -> Result<Bytes, Reason> {
    let mut file = File::options()
        .read(true)
        // A FIFO must not hold us up before it has been recognised.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(Reason::Io)?;
    let metadata = file.metadata().map_err(Reason::Io)?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Reason::Exposed { mode });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(Reason::ForeignOwner { uid: owner });
    }
    bounded(&mut file).map_err(Reason::Io)
}

fn descriptor(number: u32) -> Result<Bytes, Reason> {
    // Opened anew, since a number alone cannot be owned; a pipe gives the same bytes this way.
    let opened = File::options()
        .read(true)
        // Opening a FIFO that nobody writes to any more would wait for a new writer.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(format!("/proc/self/fd/{number}"))
        .and_then(|file| Ok(fcntl_setfl(&file, OFlags::empty()).map(|()| file)?));
    let mut file = opened.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Err(Reason::Closed),
        // A socket, or a file that only who opened it may open.
        _ => inherited(number).map_err(|_| Reason::Io(error)),
    })?;
    let (answer, answered) = std::sync::mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more when patience has ended.
        let _ = answer.send(bounded(&mut file));
    })
    .map_err(Reason::Io)?;
    answered
        .recv_timeout(PATIENCE)
        .map_err(|_| Reason::TimedOut)?
        .map_err(Reason::Io)
}

/// The descriptor itself, doubled by the system (pidfd_getfd(2)).
fn inherited(number: u32) -> io::Result<File> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    let us = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(us, number, PidfdGetfdFlags::empty())?.into())
}

/// At most one byte more than [`LONGEST`], in one allocation so that no copy stays behind.
fn bounded(from: &mut impl Read) -> io::Result<Bytes> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(LONGEST).unwrap_or(0) + 33,
    ));
    from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn without_line_end(mut bytes: Bytes) -> Bytes {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
