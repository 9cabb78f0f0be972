//! certbake is told to end while a program runs for it: the program and all that it started end too,
//! the image stays as it is, and whoever waits for certbake sees the signal.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);
/// What the signal has to have done.
const AT_ONCE: Duration = Duration::from_secs(5);

const HEARING: &str = "";
const DEAF: &str = "trap '' TERM INT HUP";

/// A folder with a program that starts another one, says who both are, and never ends.
struct Scene {
    folder: TempDir,
    program: PathBuf,
}

impl Scene {
    fn new(first: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let script = format!(
            "#!/bin/sh\n{first}\ncd \"${{0%/*}}\"\nsleep 60 &\n\
             echo \"$$ $!\" >pids.part; mv pids.part pids\nwait\n"
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(folder.path().join("rootfs/etc")).unwrap();
        Self { folder, program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has the `exec` authority run the program.
    fn provision(&self, wrapper: &[&str]) -> Child {
        let config = self.path("certbake.toml");
        let text = "[ca.lab]\nkind = \"exec\"\ncommand = [\"./program\"]\n\n\
             [identity.app]\nca = \"lab\"\ndns = [\"app.lab\"]\n\n\
             [identity.app.placements]\nfull_chain = \"/etc/app.crt\"\nprivate_key = \"/etc/app.key\"\n";
        fs::write(&config, text).unwrap();
        let mut command = started_by(wrapper);
        command.args(["provision", "--config"]).arg(&config);
        command.arg("--root").arg(self.path("rootfs"));
        command.spawn().unwrap()
    }

    /// Has a secret read from the program, or from `password`.
    fn serve(&self, password: &str) -> Command {
        let mut command = started_by(&[]);
        command.args([
            "ca",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--user",
            "builder",
        ]);
        command.arg("--ca-dir").arg(self.path("ca"));
        command.arg("--password").arg(password);
        command
    }

    /// The program and what it started, once they run.
    fn pids(&self) -> [Pid; 2] {
        let pids = eventually(|| fs::read_to_string(self.path("pids")).ok());
        let numbers = pids.split_whitespace().map(|pid| pid.parse().unwrap());
        let pids: Vec<Pid> = numbers.map(|pid| Pid::from_raw(pid).unwrap()).collect();
        pids.try_into().unwrap()
    }
}

/// In a session without a terminal, and with the signals as an interactive shell hands them on.
fn started_by(wrapper: &[&str]) -> Command {
    let mut words = vec!["--default-signal=INT,TERM,HUP", "setsid"];
    words.extend(wrapper);
    words.push(env!("CARGO_BIN_EXE_certbake"));
    let mut command = Command::new("env");
    command.args(words).stdin(Stdio::null());
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env_remove("SSL_CERT_FILE");
    command
}

fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it never came to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // Past the name in brackets; a zombie has merely not been waited for.
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn signalled(mut certbake: Child, signal: Signal) -> ExitStatus {
    kill_process(Pid::from_child(&certbake), signal).unwrap();
    eventually(|| certbake.try_wait().unwrap())
}

fn all_gone(pids: [Pid; 2], since: Instant) {
    eventually(|| pids.iter().all(|pid| !is_alive(*pid)).then_some(()));
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn the_program_of_an_exec_authority_ends_with_certbake_and_the_image_stays_as_it_is() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for first in [HEARING, DEAF] {
            let scene = Scene::new(first);
            let certbake = scene.provision(&[]);
            let pids = scene.pids();
            assert!(pids.iter().all(|pid| is_alive(*pid)));
            let since = Instant::now();
            let status = signalled(certbake, signal);
            assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
            all_gone(pids, since);
            assert_eq!(files(&scene.path("rootfs")), [scene.path("rootfs/etc")]);
        }
    }
}

#[test]
fn the_program_that_gives_a_secret_ends_with_certbake() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new(DEAF);
        let password = format!("cmd:{}", scene.program.display());
        let certbake = scene.serve(&password).spawn().unwrap();
        let pids = scene.pids();
        let since = Instant::now();
        let status = signalled(certbake, signal);
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        all_gone(pids, since);
    }
}

/// nohup(1) has its programs ignore SIGHUP.
#[test]
fn a_signal_that_was_ignored_at_the_start_is_ignored_on() {
    let scene = Scene::new("");
    let mut certbake = scene.provision(&["env", "--ignore-signal=HUP"]);
    let pids = scene.pids();
    kill_process(Pid::from_child(&certbake), Signal::HUP).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert_eq!(certbake.try_wait().unwrap(), None);
    let status = signalled(certbake, Signal::TERM);
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

/// A server that has run a program ends in its own time, as it does without.
#[test]
fn a_server_that_ran_a_program_still_ends_by_itself() {
    let scene = Scene::new("");
    let mut serving = scene.serve("cmd:echo correct-horse").spawn().unwrap();
    let mut said = String::new();
    let stdout = serving.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    assert!(said.contains("127.0.0.1:"), "{said}");
    let status = signalled(serving, Signal::TERM);
    assert_eq!(status.code(), Some(0), "{status}");
}
