//! A desk with certificates on it, and runs of `certbake check`.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::lab::{Authority, Leaf, NOW, window};

pub const DAY: Duration = Duration::DAY;

/// A run that has ended.
pub struct Run {
    pub exit: i32,
    pub report: Value,
}

impl Run {
    #[track_caller]
    pub fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{:#}", self.report);
        self
    }

    /// `code file:line` of each finding.
    pub fn findings(&self) -> Vec<String> {
        let text =
            |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        self.report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let place = match finding["line"].as_u64() {
                    Some(line) => format!("{}:{line}", text(finding, "file")),
                    None => text(finding, "file"),
                };
                let name = place.rsplit('/').next().unwrap_or_default();
                format!("{} {name}", text(finding, "code"))
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    pub fn checked(&self) -> u64 {
        self.report["checked"].as_u64().unwrap()
    }
}

/// `certbake check --report json …`, as of [`NOW`] unless the words say otherwise.
pub fn check(words: &[&str]) -> Run {
    let now = NOW.format(&Rfc3339).unwrap();
    let at = ["--at", now.as_str()];
    let at = if words.contains(&"--at") {
        &[][..]
    } else {
        &at[..]
    };
    run(&[&["check", "--report", "json"], words, at].concat(), &[])
}

pub fn run(words: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(words)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    Run {
        exit: output.status.code().unwrap(),
        report,
    }
}

/// A folder with files of certificates in it.
pub struct Desk {
    pub folder: TempDir,
    pub root: Authority,
    pub issuing: Authority,
}

impl Desk {
    pub fn new() -> Self {
        let root = Authority::root("Lab Root");
        Self {
            issuing: root.intermediate("Lab Issuing"),
            root,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.path(name)
    }

    pub fn expired(&self) -> Leaf {
        self.issuing.leaf_with(window(-30 * DAY, -DAY))
    }

    /// Certificate with its chain, anchors, key.
    pub fn credential(&self, leaf: &Leaf) -> (String, String, String) {
        (
            self.put(
                "app.crt",
                leaf.certificate.pem() + &self.issuing.certificate.pem(),
            ),
            self.put("ca.crt", self.root.certificate.pem()),
            self.put(
                "app.key",
                certbake::pki::pem::encode("PRIVATE KEY", leaf.key.expose_pkcs8()),
            ),
        )
    }
}
