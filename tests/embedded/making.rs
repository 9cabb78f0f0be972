//! `certbake ca init`, more than one at once, and killed at any step.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use certbake::authority::embedded::CaDirectory;

use super::skips;

fn init(dir: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "120"])
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["ca", "init", "--report", "json", "--ca-dir"])
        .arg(dir);
    command
}

#[test]
fn what_ca_init_made_is_told() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let made = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certbake"));
        command.args(["ca", "init", "--ca-dir"]).arg(&dir);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(made().starts_with("made a CA in "));
    assert!(made().starts_with("there is already a CA in "));
    fs::remove_file(dir.join("intermediate.pem")).unwrap();
    assert!(made().starts_with("made a new intermediate in "));
}

#[test]
fn an_intermediate_that_ends_with_its_root_is_told_as_that() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let init = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certbake"));
        let command = command.args(["ca", "init", "--ca-dir"]).arg(&dir);
        command.args(words).output().unwrap()
    };
    let longer = ["--root-lifetime", "10d", "--intermediate-lifetime", "20d"];
    let refused = init(&longer);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("an intermediate of 20d would outlast its root of 10d"),
        "{said}"
    );
    assert!(!dir.exists());

    const TOLD: &str = "it cannot outlast its root, and expires with it";
    let made = String::from_utf8(init(&longer[..2]).stdout).unwrap();
    assert!(made.contains(TOLD), "{made}");
    fs::remove_dir_all(&dir).unwrap();
    let made = String::from_utf8(init(&[]).stdout).unwrap();
    assert!(!made.contains(TOLD), "{made}");
}

#[test]
fn processes_that_make_a_ca_at_once_make_one() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let running: Vec<_> = (0..6)
        .map(|_| init(&dir).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let answers: Vec<serde_json::Value> = running
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    let made = answers.iter().filter(|answer| answer["made"] == true);
    assert_eq!(made.count(), 1);
    // What is left of them goes down from one answer to the next.
    for authority in ["root", "intermediate"] {
        let fingerprint = |answer: &serde_json::Value| answer[authority]["fingerprint"].to_string();
        let first = fingerprint(&answers[0]);
        assert!(first.len() > 60, "{first}");
        assert!(answers.iter().all(|answer| fingerprint(answer) == first));
    }
}

/// Kills the making of a CA at each of its system calls that change the disk, one after the other.
#[test]
fn a_ca_whose_making_was_killed_at_any_step_is_completed_by_the_next_run() {
    let strace = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !strace.is_ok_and(|status| status.success()) {
        return skips::forbidden("strace is missing or may not trace here, kills are not tested");
    }
    let kills: usize = ["mkdirat", "fchmod", "write", "fsync", "renameat"]
        .into_iter()
        .map(|call| {
            (1..200)
                .take_while(|nth| !survives_a_kill(call, *nth))
                .count()
        })
        .sum();
    // Five files, each opened, written, synced and renamed.
    assert!(kills > 25, "{kills} kills only: strace saw too little");
}

/// Makes a CA and kills it at the `nth` such call, then makes it again. Returns whether the first was
/// through before.
fn survives_a_kill(call: &str, nth: usize) -> bool {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let ended = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .args([env!("CARGO_BIN_EXE_certbake"), "ca", "init", "--ca-dir"])
        .arg(&dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let root_before = fs::read_to_string(dir.join("root.pem")).ok();
    let output = init(&dir).output().unwrap();
    assert!(output.status.success(), "{call} {nth}: {output:?}");
    let ca = CaDirectory::open(&dir).unwrap();
    if let Some(root) = root_before {
        assert_eq!(ca.root().pem(), root, "{call} {nth}");
    }
    for name in ["keys/root.key", "keys/intermediate.key"] {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{call} {nth}");
    }
    ended.success()
}
