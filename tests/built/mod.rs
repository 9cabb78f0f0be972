//! The built binary in a fresh directory, and authorities that are down, hang or say no.
#![allow(dead_code, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The built binary, to which the environment of whoever runs the tests says nothing.
pub fn certbake() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certbake"));
    let speaks = |name: &str| name.starts_with("CERTBAKE_") || name.starts_with("GITHUB_");
    for (name, _) in std::env::vars().filter(|(name, _)| speaks(name)) {
        command.env_remove(name);
    }
    command
}

pub struct Lab(TempDir);

impl Lab {
    pub fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("rootfs/etc")).unwrap();
        std::fs::write(dir.path().join("certbake.toml"), config).unwrap();
        Self(dir)
    }

    /// With an embedded CA in `ca`, made before the first order.
    pub fn with_ca(config: &str) -> Self {
        let lab = Self::new(config);
        lab.text(&["ca", "init", "--ca-dir", "ca"], 0);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// With an image root and a JSON report.
    pub fn run(&self, arguments: &[&str], code: i32) -> Value {
        self.json(&[arguments, &["--root", "rootfs"]].concat(), code)
    }

    /// With a JSON report.
    pub fn json(&self, arguments: &[&str], code: i32) -> Value {
        let text = self.text(&[arguments, &["--report", "json"]].concat(), code);
        let report: Value = serde_json::from_str(&text).unwrap();
        for finding in report["findings"].as_array().into_iter().flatten() {
            let advises = finding["severity"] != "error" || finding["hint"] != "";
            assert!(advises, "it does not say what to do: {finding}");
        }
        report
    }

    /// What stands on standard output when the run ends with `code`.
    pub fn text(&self, arguments: &[&str], code: i32) -> String {
        let output = certbake()
            .args(arguments)
            .current_dir(self.0.path())
            .env("BUILD_PASSWORD", "canary-4f1c")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {text}\n{log}"
        );
        assert!(
            !text.contains("canary-4f1c") && !log.contains("canary-4f1c"),
            "{text}\n{log}"
        );
        text
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

pub fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|f| f["code"].as_str().unwrap())
        .collect()
}

/// A port on which nobody listens.
pub fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Takes connections and never says a word.
pub fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    address
}

/// Answers every request with this status.
pub fn answering(status: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    });
    address
}
