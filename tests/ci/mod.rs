//! What the emulated runners share: a project directory as the example's reader has it, and what a
//! job leaves.
#![allow(dead_code)] // each test program uses a part

pub mod github;
pub mod gitlab;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use saphyr::{LoadableYamlNode, Yaml};
use tempfile::TempDir;

use crate::servers::certbake::{self, ServedCa};
use crate::servers::{Running, assert_openssl_verifies, run, skips};

/// The user and the group of [`Project::give_the_application_its_data`].
const APPLICATION: u32 = 1001;

/// A project with the configuration of an example and an EST server to ask: `certbake ca serve`.
pub struct Project {
    pub ca: ServedCa,
    directory: TempDir,
    server: Option<Running>,
}

impl Project {
    /// `config` is the path of the example's certbake.toml in this repository; what the CA signs
    /// lives for `ttl`, such as `30d`.
    pub fn new(config: &str, ttl: &str) -> Self {
        let ca = ServedCa::make();
        let directory = tempfile::tempdir().unwrap();
        let config = fs::read_to_string(repository().join(config)).unwrap();
        let url = "https://ca.example:8443";
        assert!(config.contains(url) && config.contains(certbake::USER));
        fs::write(
            directory.path().join("certbake.toml"),
            config.replace(url, &ca.url),
        )
        .unwrap();
        fs::copy(&ca.anchors, directory.path().join("ca.pem")).unwrap();
        let mut project = Self {
            ca,
            directory,
            server: None,
        };
        project.serve(ttl);
        project
    }

    /// From now on the CA grants `ttl`.
    pub fn serve(&mut self, ttl: &str) {
        self.server = None;
        self.server = Some(self.ca.serve(ttl));
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Something of the image that is another's than the runner's; root alone can make it.
    pub fn give_the_application_its_data(&self) {
        let data = self.path("rootfs/srv/app");
        fs::create_dir_all(&data).unwrap();
        if skips::is_root() {
            chown(&data, Some(APPLICATION), Some(APPLICATION)).unwrap();
        }
    }

    /// The image holds the key, a certificate that OpenSSL verifies, and all as its record has it, owners included.
    pub fn assert_packed_and_verified(&self) {
        let unpacked = self.path("unpacked");
        fs::create_dir(&unpacked).unwrap();
        let (image, to) = (self.path("image.tar"), unpacked.to_str().unwrap());
        let mode = fs::metadata(&image).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "others can read the key in it");
        let options = ["--numeric-owner", "--acls", "--selinux", "--xattrs"];
        let all = ["--xattrs-include=*", "-xpf", image.to_str().unwrap()];
        self.run_as_the_job(&[&["tar"], &options[..], &all, &["-C", to]].concat());
        let tls = unpacked.join("etc/app/tls");
        assert_openssl_verifies(&tls.join("client.crt"), &self.ca.anchors);
        assert!(tls.join("client.key").is_file());
        let data = fs::metadata(unpacked.join("srv/app")).unwrap();
        assert!(!skips::is_root() || data.uid() == APPLICATION && data.gid() == APPLICATION);
        self.run_as_the_job(&[env!("CARGO_BIN_EXE_certbake"), "check", "--root", to]);
    }

    /// Runs `words` as root where the job was: only root can unpack and read what is root's.
    fn run_as_the_job(&self, words: &[&str]) {
        let sudo: &[&str] = if self.was_baked_by_sudo() {
            &["sudo", "-n"]
        } else {
            &[]
        };
        let words = [sudo, words].concat();
        run(words[0], &words[1..]);
    }

    fn was_baked_by_sudo(&self) -> bool {
        let root = fs::metadata(self.path("rootfs/etc"));
        !skips::is_root() && root.is_ok_and(|root| root.uid() == 0)
    }

    /// What the examples ask to be said: where certbake is downloaded from, and its digest. Here it is the binary
    /// under test.
    fn download(&self) -> BTreeMap<String, String> {
        let binary = env!("CARGO_BIN_EXE_certbake");
        let digest = String::from_utf8(run("sha256sum", [binary])).unwrap();
        let digest = digest.split(' ').next().unwrap().to_owned();
        BTreeMap::from([
            ("CERTBAKE_URL".to_owned(), format!("file://{binary}")),
            ("CERTBAKE_SHA256".to_owned(), digest),
        ])
    }

    /// Runs `script` with the arguments of bash that the runner gives, in the project and an
    /// environment of its own, in which certbake is on PATH unless it has another one.
    pub fn bash(
        &self,
        options: &[&str],
        script: &str,
        environment: &BTreeMap<String, String>,
    ) -> Ran {
        let binaries = Path::new(env!("CARGO_BIN_EXE_certbake")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let file = self.path("script.sh");
        fs::write(&file, script).unwrap();
        let output = Command::new("timeout")
            .args(["--kill-after=5", "120", "bash"])
            .args(options)
            .arg(&file)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .env("CI", "true")
            .envs(environment)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        fs::remove_file(&file).unwrap();
        let log = [output.stdout, output.stderr].concat();
        Ran {
            exit_code: output.status.code().unwrap(),
            log: String::from_utf8(log).unwrap(),
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.was_baked_by_sudo() {
            let made = ["rootfs", "unpacked", "image.tar"].map(|name| self.path(name));
            let _ = Command::new("sudo")
                .args(["-n", "rm", "-rf"])
                .args(made)
                .status();
        }
    }
}

/// How one script ended, and what it printed.
pub struct Ran {
    pub exit_code: i32,
    pub log: String,
}

/// How a job ended and what it left.
pub struct Job {
    pub exit_code: i32,
    /// What the runner would show.
    pub log: String,
    /// By the step's id, then by name.
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
    /// GitHub's step summary, Markdown.
    pub summary: String,
}

impl Job {
    /// The password is in no line of the log but the one that asks the runner to mask it, and in no
    /// file of the project.
    pub fn assert_password_nowhere(&self, project: &Project) {
        let shown = self
            .log
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"));
        assert_eq!(
            shown
                .filter(|line| line.contains(certbake::PASSWORD))
                .count(),
            0,
            "{}",
            self.log
        );
        let directory = project.directory.path();
        let found = Command::new("grep")
            .args(["-rlF", certbake::PASSWORD])
            .arg(directory)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "",
            "these files hold the password"
        );
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn parse(path: &Path) -> Yaml<'static> {
    let text = fs::read_to_string(path).unwrap();
    let mut documents =
        Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(documents.len(), 1, "{}", path.display());
    documents.remove(0)
}

/// The value under `key`, which must be there.
fn at<'a, 'y>(node: &'a Yaml<'y>, key: &str) -> &'a Yaml<'y> {
    node.as_mapping_get(key)
        .unwrap_or_else(|| panic!("`{key}` is missing"))
}

fn text(node: &Yaml<'_>) -> String {
    node.as_str()
        .unwrap_or_else(|| panic!("{node:?} is not a string"))
        .to_owned()
}

/// A mapping of strings to strings, or nothing where the key is missing.
fn strings(node: &Yaml<'_>, key: &str) -> BTreeMap<String, String> {
    let Some(mapping) = node.as_mapping_get(key) else {
        return BTreeMap::new();
    };
    let mapping = mapping
        .as_mapping()
        .unwrap_or_else(|| panic!("`{key}` is not a mapping"));
    mapping
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// A list of strings.
fn list(node: &Yaml<'_>, key: &str) -> Vec<String> {
    at(node, key)
        .as_sequence()
        .unwrap()
        .iter()
        .map(text)
        .collect()
}
