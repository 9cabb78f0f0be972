//! An image root in a fresh directory, what a run of the binary gave, and the words the tests share.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::built;

/// The user `app` and the group `tls` of an image: for root, who alone can give files away, others than root's own.
pub fn app_and_tls() -> (u32, u32) {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    match user.is_root() {
        true => (1001, 2002),
        false => (user.as_raw(), group.as_raw()),
    }
}

/// A fresh directory with an image root that knows a user `app` in a group `tls`.
pub struct Lab {
    pub dir: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("rootfs/etc")).unwrap();
        let (app, tls) = app_and_tls();
        let users = format!("root:x:0:0::/root:/bin/sh\napp:x:{app}:1001::/:/bin/false\n");
        std::fs::write(dir.path().join("rootfs/etc/passwd"), users).unwrap();
        let groups = format!("root:x:0:\ntls:x:{tls}:app\n");
        std::fs::write(dir.path().join("rootfs/etc/group"), groups).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = built::certbake();
        command.args(arguments).current_dir(self.dir.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// The CA, made before the first order.
    pub fn make_ca(&self) {
        self.run(&["ca", "init", "--ca-dir", "ca"]).ends_with(0);
    }

    /// `provision` with the embedded CA and a JSON report, plus `more`.
    pub fn provision(&self, more: &[&str]) -> Run {
        self.run(&[EMBEDDED, &["--report", "json"], more].concat())
    }

    /// Every file in the image root: path, mode, owner, content, modification time.
    pub fn image(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>, i64)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path("rootfs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let content = if metadata.is_file() {
                    std::fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                files.insert(
                    path.clone(),
                    (
                        metadata.mode(),
                        metadata.uid(),
                        metadata.gid(),
                        content,
                        metadata.mtime_nsec(),
                    ),
                );
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        files
    }
}

pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    pub fn codes(&self) -> Vec<String> {
        let report = self.json();
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What asks a CA in the folder `ca`.
pub const EMBEDDED: &[&str] = &[
    "provision",
    "--ca",
    "embedded",
    "--ca-dir",
    "ca",
    "--root",
    "rootfs",
];

pub const APP: &[&str] = &[
    "--common-name",
    "app-server",
    "--dns",
    "app.internal",
    "--cert",
    "/etc/app/tls/client.crt",
    "--key",
    "/etc/app/tls/client.key",
];

pub const TWO: &str = r#"
[ca.lab]
kind = "embedded"
dir = "ca"

[identity.app]
common_name = "app"
uri = ["spiffe://lab/app"]
ttl = "30d"
[identity.app.use_by]
image_max_age = "14d"
instance_life = "7d"
[identity.app.placements]
combined = "/etc/app.pem"

[identity.agent]
common_name = "agent"
key_algorithm = "ed25519"
min_validity = "66%"
[identity.agent.placements]
full_chain = ["/etc/agent.crt", "/opt/agent.crt"]
private_key = "/etc/agent.key"
anchors = "/etc/anchors.pem"
"#;

pub fn openssl(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
