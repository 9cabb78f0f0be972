//! The real servers and peers that conformance tests run: where their programs are, and how one is
//! started on a free port, waited for, and stopped. `tests/servers/README.md` says how to add one.
#![allow(dead_code, clippy::disallowed_methods, clippy::unwrap_used)] // each test program uses a part

pub mod certbake;
pub mod cfssl;
pub mod curl;
pub mod est;
pub mod kubernetes;
pub mod moto;
pub mod names;
pub mod pebble;
#[path = "../ports/mod.rs"]
mod ports;
#[path = "../skips/mod.rs"]
pub mod skips;
pub mod sshd;
pub mod step;
pub mod tls;
pub mod vault;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

pub use ports::free_port;

/// Seconds after which a server ends by itself, should its test be killed before it stops it.
const LIFETIME: &str = "300";

/// How long a server may take until it listens: many start at once, on few cores.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program `name` from the directory `CERTBAKE_TEST_SERVERS`. Without that variable the test is
/// to return; this has said so on stderr, past the test runner's capture.
///
/// # Panics
/// When the variable is set and the program is not there: then the installation is at fault.
pub fn program(name: &str) -> Option<PathBuf> {
    let program = directory(name)?.join(name);
    assert!(
        program.is_file(),
        "{} is missing: run tests/install",
        program.display()
    );
    Some(program)
}

/// Whether `tests/install` has run, for tests that need what it takes from Debian. Where not, the
/// test is to return, as without a [`program`].
pub fn installed(what: &str) -> bool {
    directory(what).is_some()
}

fn directory(needed: &str) -> Option<PathBuf> {
    let Some(directory) = env::var_os("CERTBAKE_TEST_SERVERS") else {
        skips::skipped(&format!("needs {needed}, run tests/run"));
        return None;
    };
    Some(directory.into())
}

/// A server that listens; dropping it stops it.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `program`, its output going to the file `log`, and waits until `port` answers.
    ///
    /// # Panics
    /// With the server's own output, when it ends or does not listen in time.
    pub fn start<I, S>(program: &Path, arguments: I, port: u16, log: &Path) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::start_with(&[], program, arguments, port, log)
    }

    /// [`start`](Self::start), with `environment` added to that of the test.
    pub fn start_with<I, S>(
        environment: &[(&str, &str)],
        program: &Path,
        arguments: I,
        port: u16,
        log: &Path,
    ) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = fs::File::create(log).unwrap();
        let child = Command::new("timeout")
            .args(["--kill-after=5", LIFETIME])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut running = Self {
            child,
            log: log.to_owned(),
        };
        running.wait_until_listening(port);
        running
    }

    fn wait_until_listening(&mut self, port: u16) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not listen on port {port} ({ended:?}): {}",
                self.output()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process that bounds the server; the server is its child.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Everything that the server has written until now.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` hands the signal on to the server; killing it outright would leave the server behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Runs `program` to its end and returns its standard output.
///
/// # Panics
/// With all that it wrote, when it does not exit with 0.
pub fn run<I, S>(program: impl AsRef<OsStr>, arguments: I) -> Vec<u8>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    run_with(&[], program, arguments)
}

/// [`run`], with `environment` added to that of the test.
pub fn run_with<I, S>(
    environment: &[(&str, &str)],
    program: impl AsRef<OsStr>,
    arguments: I,
) -> Vec<u8>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let program = program.as_ref();
    let output = Command::new("timeout")
        .args(["--kill-after=5", LIFETIME])
        .arg(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} ({}): {errors}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    output.stdout
}

/// OpenSSL agrees that the first certificate of `chain` leads over the others to one of `anchors`.
pub fn assert_openssl_verifies(chain: &Path, anchors: &Path) {
    let [chain, anchors] = [chain, anchors].map(|path| path.to_str().unwrap());
    run(
        "openssl",
        ["verify", "-CAfile", anchors, "-untrusted", chain, chain],
    );
}
