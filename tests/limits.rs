//! A container whose limit of processes is reached: certbake does with one thread what it can, and says of
//! the rest which limit it is.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// certbake where no further thread and no program may be started. Root knows no such limit, so it goes
/// on as somebody else, to whom its files are open.
fn alone(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("prlimit");
    if rustix::process::geteuid().is_root() {
        let rights = "+dac_override,+dac_read_search,+chown,+fowner";
        command = Command::new("setpriv");
        command.args(["--reuid=54321", "--regid=54321", "--clear-groups"]);
        command.args(["--inh-caps", rights, "--ambient-caps", rights, "prlimit"]);
    }
    command.args(["--nproc=1", env!("CARGO_BIN_EXE_certbake")]);
    command
        .args(arguments)
        .current_dir(folder)
        .env("PASSWORD", "not shown")
        .output()
        .unwrap()
}

/// What was said, whatever stream and however many lines it took.
fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(all).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ends(output: &Output, code: i32) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("bug"), "{said}");
    said
}

const LIMIT: &str = "no further thread or program may be started here";

fn config(folder: &Path, authority: &str) {
    let mut text = format!("[ca.lab]\n{authority}\n");
    for name in ["one", "two", "three"] {
        text += &format!(
            "[identity.{name}]\nca = \"lab\"\ncommon_name = \"{name}\"\nplacements.full_chain = \"/etc/{name}.crt\"\n\
             placements.private_key = \"/etc/{name}.key\"\n"
        );
    }
    fs::write(folder.join("certbake.toml"), text).unwrap();
    fs::create_dir_all(folder.join("rootfs/etc")).unwrap();
}

#[test]
fn a_whole_set_is_baked_and_checked_by_one_thread() {
    let folder = TempDir::new().unwrap();
    config(folder.path(), "kind = \"embedded\"\ndir = \"ca\"");
    ends(&alone(folder.path(), &["doctor", "--root", "rootfs"]), 0);
    let baked = alone(folder.path(), &["provision", "--root", "rootfs"]);
    assert!(ends(&baked, 0).contains("3 identities are baked"));
    let certificate = fs::read(folder.path().join("rootfs/etc/one.crt")).unwrap();
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..300 {
        fs::write(many.join(format!("{number}.crt")), &certificate).unwrap();
    }
    let checked = alone(folder.path(), &["check", "--usage", "client", "many"]);
    let checked = ends(&checked, 0);
    assert!(checked.contains("600 certificates checked"), "{checked}");
}

#[test]
fn a_program_that_may_not_be_started_is_told_with_the_limit() {
    let folder = TempDir::new().unwrap();
    config(folder.path(), "kind = \"exec\"\ncommand = [\"true\"]");
    let told = ends(&alone(folder.path(), &["provision", "--root", "rootfs"]), 2);
    assert!(told.contains(LIMIT), "{told}");
}

#[test]
fn a_server_that_gets_no_threads_is_told_the_limit() {
    let folder = TempDir::new().unwrap();
    let arguments = ["ca", "serve", "--ca-dir", "ca", "--listen", "127.0.0.1:0"];
    let login = ["--user", "builder", "--password", "env:PASSWORD"];
    let told = alone(folder.path(), &[&arguments[..], &login].concat());
    let told = ends(&told, 2);
    assert!(told.contains(LIMIT), "{told}");
}

#[test]
fn a_name_that_cannot_be_looked_up_is_told_with_the_limit() {
    let folder = TempDir::new().unwrap();
    config(
        folder.path(),
        "kind = \"est\"\nurl = \"https://est.invalid\"\ntrust = \"system\"\nusername = \"builder\"\npassword = \"env:PASSWORD\"",
    );
    let provision = ["provision", "--root", "rootfs", "--deadline", "2s"];
    let told = ends(&alone(folder.path(), &provision), 6);
    assert!(told.contains(LIMIT), "{told}");
}
