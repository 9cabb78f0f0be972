//! Where a secret comes from: an environment variable, a file, an inherited descriptor or a command.
//! Never a plain value, which every process list and shell history would keep.

mod command;
mod words;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::fs::OFlags;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::finding::{Code, Finding};
use crate::secret::Secret;

const UNREADABLE: Code = Code::new("secret-unreadable");
const EXPOSED: Code = Code::new("secret-file-exposed");

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

    /// A relative `file:` path seen from `directory`.
    #[must_use]
    pub fn relative_to(self, directory: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(directory.join(path)),
            other => other,
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

/// POSIX 1-2017, Base Definitions 8.1, without its preference for upper case.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
    let mut file =
        File::open(format!("/proc/self/fd/{number}")).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Reason::Closed,
            _ => Reason::Io(error),
        })?;
    let (answer, answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more when patience has ended.
        let _ = answer.send(bounded(&mut file));
    });
    answered
        .recv_timeout(PATIENCE)
        .map_err(|_| Reason::TimedOut)?
        .map_err(Reason::Io)
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

/// Text that names no secret source. The text itself is not kept: it may be the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotASource {
    #[error(
        "a secret is never given itself, only where it is: env:NAME, file:PATH, fd:N or \
         cmd:PROGRAM ARGUMENT…"
    )]
    Plain,
    #[error("what follows env: is not the name of an environment variable")]
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
    #[error("{0}")]
    Io(io::Error),
    #[error("the command ended with {status}")]
    Command {
        /// `exit status: 1`, `signal: 9`.
        status: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use super::*;
    use std::fs::Permissions;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    fn read(source: &str) -> Result<Vec<u8>, SecretSourceError> {
        let source: SecretSource = source.parse().unwrap();
        source.read().map(|secret| secret.expose().to_vec())
    }

    fn file_with(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_plain_value_is_refused_without_being_repeated() {
        for text in ["xyzzy-canary", "hunter2:xyzzy-canary", "env:xyzzy-canary"] {
            let error = text.parse::<SecretSource>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("xyzzy"), "{error:?}");
        }
        let error = "xyzzy".parse::<SecretSource>().unwrap_err().to_string();
        for form in ["env:NAME", "file:PATH", "fd:N", "cmd:PROGRAM"] {
            assert!(error.contains(form), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_without_its_line_end() {
        let file = file_with(b"xyzzy\n", 0o600);
        assert_eq!(
            read(&format!("file:{}", file.path().display())).unwrap(),
            b"xyzzy"
        );
        let file = file_with(b" two lines\n\r\n", 0o400);
        assert_eq!(
            read(&format!("file:{}", file.path().display())).unwrap(),
            b" two lines\n"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let file = file_with(b"xyzzy", 0o640);
        let error = read(&format!("file:{}", file.path().display())).unwrap_err();
        let finding = error.finding();
        assert_eq!(finding.code, EXPOSED);
        assert_eq!(finding.facts["mode"], "0640");
        assert_eq!(
            finding.hint,
            format!("chmod 0600 {}", file.path().display())
        );
    }

    #[test]
    fn a_folder_a_fifo_and_a_missing_file_are_errors_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(
            std::process::Command::new("mkfifo")
                .args(["-m", "600"])
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        for path in [folder.path(), &fifo] {
            let error = read(&format!("file:{}", path.display())).unwrap_err();
            assert!(matches!(error.reason, Reason::NotAFile), "{error}");
        }
        let missing = folder.path().join("missing");
        let error = read(&format!("file:{}", missing.display())).unwrap_err();
        assert!(matches!(error.reason, Reason::Io(_)), "{error}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_an_error_that_names_it() {
        let error = read("env:CERTBAKE_TEST_IS_NOT_SET").unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading env:CERTBAKE_TEST_IS_NOT_SET: the environment variable is not set"
        );
    }

    #[test]
    fn an_empty_secret_and_an_endless_one_are_errors() {
        let empty = file_with(b"\n", 0o600);
        let error = read(&format!("file:{}", empty.path().display())).unwrap_err();
        assert!(matches!(error.reason, Reason::Empty), "{error}");
        let long = file_with(&[b'x'; 64 * 1024 + 1], 0o600);
        let error = read(&format!("file:{}", long.path().display())).unwrap_err();
        assert!(matches!(error.reason, Reason::TooLong), "{error}");
        let error = read("cmd:cat /dev/zero").unwrap_err();
        assert!(matches!(error.reason, Reason::TooLong), "{error}");
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"from a pipe\n").unwrap();
        drop(writer);
        assert_eq!(
            read(&format!("fd:{}", reader.as_raw_fd())).unwrap(),
            b"from a pipe"
        );
    }

    #[test]
    fn a_command_gives_what_it_prints_and_no_shell_reads_its_arguments() {
        assert_eq!(
            read("cmd:printf '%s|%s\n' 'a  b' \"c;d\"").unwrap(),
            b"a  b|c;d"
        );
        assert_eq!(
            read(r#"cmd:["printf", "%s", "$HOME `id`"]"#).unwrap(),
            b"$HOME `id`"
        );
    }

    #[test]
    fn a_descriptor_that_is_closed_and_a_program_that_is_not_there_are_called_so() {
        let error = read("fd:987").unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading fd:987: the descriptor is not open"
        );
        assert!(error.finding().hint.contains("987<FILE"));
        let error = read("cmd:no-such-program-as-this").unwrap_err();
        assert!(matches!(error.reason, Reason::NoProgram), "{error}");
    }

    #[test]
    fn a_failing_command_tells_how_it_ended_and_nothing_that_it_wrote() {
        let script = "echo xyzzy-canary; echo password xyzzy-canary expired >&2; exit 3";
        let error = read(&format!("cmd:sh -c '{script}'")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading cmd:sh: the command ended with exit status: 3"
        );
        let finding = error.finding();
        assert!(finding.hint.starts_with("run the command by hand"));
        assert!(!format!("{error:?} {finding:?}").contains("xyzzy"));
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let argv = ["sleep".to_owned(), "600".to_owned()];
        let error = command::output(&argv, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Reason::TimedOut), "{error}");
    }

    #[test]
    fn printing_a_source_shows_no_argument_of_its_command() {
        let source: SecretSource = "cmd:vault read -token=xyzzy secret".parse().unwrap();
        assert_eq!(source.to_string(), "cmd:vault");
        assert_eq!(format!("{source:?}"), "SecretSource(cmd:vault)");
    }
}
