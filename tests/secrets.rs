//! A canary for every secret: whatever certbake prints or writes, none of them is in it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;
mod servers;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ::certbake::report::FORMATS;
use servers::Running;
use servers::certbake::{ServedCa, USER};
use tempfile::TempDir;

/// Long, odd, and nowhere else: a part of one is as telling as the whole.
const EST_PASSWORD: &str = "canary-est-7f3b\"q'9Z";
const WRONG_PASSWORD: &str = "canary-wrong-51d0&x<8";
const STORE_PASSWORD: &str = "canary-store-c46a";
const PARTS: &[&str] = &[
    "canary-est",
    "canary-wrong",
    "canary-store",
    "7f3b\\\"q",
    "51d0&amp;",
];

struct Lab {
    dir: TempDir,
    ca: ServedCa,
    _server: Running,
    /// Everything that was printed so far.
    printed: Vec<u8>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rootfs")).unwrap();
        let ca = ServedCa::with_password(EST_PASSWORD);
        Self {
            dir,
            _server: ca.serve("30d"),
            ca,
            printed: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Bakes a key store, for which `STORE` is still to be set.
    fn baking(&self, password: &str) -> Command {
        let mut command = built::certbake();
        command
            .args(["provision", "--root", "rootfs", "--common-name", "app"])
            .args(["--ca", "est", "--ca-url", &self.ca.url])
            .arg("--ca-anchors")
            .arg(&self.ca.anchors)
            .args(["--ca-user", USER, "--ca-password", password])
            .args(["--pkcs12", "/tls.p12", "--pkcs12-password", "env:STORE"])
            .env("RIGHT", EST_PASSWORD)
            .current_dir(self.dir.path());
        command
    }

    fn provision(&mut self, password: &str, more: &[&str]) -> Output {
        let output = self
            .baking(password)
            .args(["--cert", "/tls.crt", "--key", "/tls.key"])
            .args(more)
            .env("WRONG", WRONG_PASSWORD)
            .env("STORE", STORE_PASSWORD)
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .env("GITHUB_OUTPUT", self.path("output.txt"))
            .output()
            .unwrap();
        self.printed.extend_from_slice(&output.stdout);
        self.printed.extend_from_slice(&output.stderr);
        output
    }

    /// Every file of the build and of the CA, where its user's password is in one, and everything printed.
    fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![("what was printed".to_owned(), self.printed.clone())];
        let mut folders = vec![self.dir.path().to_owned(), self.ca.directory().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path != self.ca.password {
                    all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
                }
            }
        }
        all
    }

    fn assert_nowhere(&self, secret: &[u8], except: &[&Path]) {
        for (name, bytes) in self.everything() {
            if except.iter().any(|path| Path::new(&name) == *path) {
                continue;
            }
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret),
                "{:?} is in {name}: {}",
                String::from_utf8_lossy(secret),
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

#[test]
fn no_secret_is_in_anything_that_is_printed_or_written() {
    let mut lab = Lab::new();
    let secret_file = lab.path("password");
    std::fs::write(&secret_file, EST_PASSWORD).unwrap();
    std::fs::set_permissions(&secret_file, std::fs::Permissions::from_mode(0o600)).unwrap();

    for (source, code) in [
        ("env:RIGHT", 0),
        ("file:password", 0),
        ("cmd:printenv RIGHT", 0),
        ("env:WRONG", 5),
        ("cmd:sh -c 'printenv WRONG; exit 3'", 2),
    ] {
        for format in FORMATS.iter().map(|format| format.name) {
            let file = format!("{format}=report.{format}");
            let output = lab.provision(source, &["--report", format, "--record", "record.json"]);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{source} {format}: {output:?}"
            );
            if format != "human" {
                lab.provision(source, &["--report", &file]);
            }
        }
    }
    // Plain values on the command line are refused, and not echoed.
    let plain = lab.provision(EST_PASSWORD, &[]);
    assert_eq!(plain.status.code(), Some(2), "{plain:?}");

    for part in PARTS {
        lab.assert_nowhere(part.as_bytes(), &[&secret_file]);
    }
}

#[test]
fn the_private_key_is_in_its_own_files_and_nowhere_else() {
    let mut lab = Lab::new();
    let output = lab.provision(
        "env:RIGHT",
        &[
            "--report",
            "json",
            "--record",
            "record.json",
            "--combined",
            "/all.pem",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let key_file = lab.path("rootfs/tls.key");
    let combined = lab.path("rootfs/all.pem");
    let key = std::fs::read_to_string(&key_file).unwrap();
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        lab.assert_nowhere(line.as_bytes(), &[&key_file, &combined]);
    }
}

#[test]
fn a_github_runner_is_told_to_hide_every_line_of_every_secret() {
    let mut lab = Lab::new();
    let output = lab.provision("env:RIGHT", &["--report", "github"]);
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("::add-mask::"),
        "no runner reads this"
    );

    let output = lab
        .baking("env:RIGHT")
        .args(["--report", "github"])
        .env("STORE", "canary-store-c46a\nsecond line")
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [EST_PASSWORD, STORE_PASSWORD, "second line"] {
        assert_eq!(
            printed.matches(&format!("::add-mask::{line}\n")).count(),
            1,
            "{printed}"
        );
    }
    let masks_end = printed.rfind("::add-mask::").unwrap();
    let rest = &printed[masks_end..].split_once('\n').unwrap().1;
    assert!(PARTS.iter().all(|part| !rest.contains(part)), "{rest}");
}

/// A password that a command gives once, or anew each time: what is hidden is what is used.
#[test]
fn a_command_is_asked_once_though_a_runner_is_told_what_to_hide() {
    let lab = Lab::new();
    let once = lab.dir.path().join("once");
    std::fs::write(
        &once,
        "#!/bin/sh\ncat \"$0.password\" && rm \"$0.password\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&once, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(lab.dir.path().join("once.password"), EST_PASSWORD).unwrap();
    let output = lab
        .baking(&format!("cmd:{}", once.display()))
        .args(["--report", "github"])
        .env("STORE", STORE_PASSWORD)
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains(&format!("::add-mask::{EST_PASSWORD}\n")));
}
