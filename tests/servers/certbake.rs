//! `certbake ca serve`: the embedded CA as an EST server on loopback, with one user. It needs no
//! other program, so tests that use it are never skipped.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Running, free_port, run};

pub const USER: &str = "builder";
/// Found nowhere but in what leaks it.
pub const PASSWORD: &str = "canary-Hk3-vWq9-password";

const CERTBAKE: &str = env!("CARGO_BIN_EXE_certbake");

/// A CA that can be served, at one place, several times.
pub struct ServedCa {
    /// `https://127.0.0.1:PORT`, without the path of EST.
    pub url: String,
    /// The root, PEM.
    pub anchors: PathBuf,
    /// The file with the user's password.
    pub password: PathBuf,
    port: u16,
    directory: TempDir,
}

impl ServedCa {
    pub fn make() -> Self {
        Self::with_password(PASSWORD)
    }

    pub fn with_password(secret: &str) -> Self {
        Self::with(secret, &[])
    }

    /// Whose intermediate lasts so long, such as `10d`.
    pub fn lasting(lifetime: &str) -> Self {
        Self::with(PASSWORD, &["--intermediate-lifetime", lifetime])
    }

    fn with(secret: &str, words: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca");
        let init = [
            "ca",
            "init",
            "--ca-dir",
            ca.to_str().unwrap(),
            "--name",
            "Lab",
        ];
        run(CERTBAKE, init.iter().chain(words));
        let password = directory.path().join("password");
        write_secret(&password, secret);
        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        Self {
            url,
            anchors: ca.join("root.pem"),
            password,
            port,
            directory,
        }
    }

    /// All that it has: the CA, and what it said while it was served.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Serves it until the returned guard is dropped; what it signs lives for `ttl`, such as `30d`.
    pub fn serve(&self, ttl: &str) -> Running {
        let files = self.directory.path();
        let (ca, listen) = (files.join("ca"), format!("127.0.0.1:{}", self.port));
        let password = format!("file:{}", self.password.display());
        let place = [
            "ca",
            "serve",
            "--ca-dir",
            ca.to_str().unwrap(),
            "--listen",
            &listen,
        ];
        let terms = ["--user", USER, "--password", &password, "--ttl", ttl];
        let arguments = place.into_iter().chain(terms);
        Running::start(
            Path::new(CERTBAKE),
            arguments,
            self.port,
            &files.join("server.log"),
        )
    }
}

fn write_secret(path: &Path, secret: &str) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(secret.as_bytes()).unwrap();
}
