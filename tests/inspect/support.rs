//! A folder of what OpenSSL has made, and what `certbake inspect` showed of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::built;

pub const PASSWORD: &str = "correct horse";

/// A folder in which OpenSSL has made a root, an issuing CA below it, and a client certificate.
pub struct Lab {
    pub folder: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        lab.write(
            "ca.ext",
            "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n",
        );
        lab.write("leaf.ext", "extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\nsubjectAltName=DNS:app.internal,URI:spiffe://lab/app\n");
        let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        lab.openssl(&format!(
            "req -x509 {ec} -keyout root.key -out root.pem -subj /CN=Lab.Root -days 400"
        ));
        lab.openssl(&format!(
            "req -new {ec} -keyout issuing.key -out issuing.csr -subj /CN=Lab.Issuing"
        ));
        lab.openssl("x509 -req -in issuing.csr -CA root.pem -CAkey root.key -days 200 -extfile ca.ext -out issuing.pem");
        lab.openssl(&format!(
            "req -new {ec} -keyout app.key -out app.csr -subj /O=Lab/CN=app-server"
        ));
        lab.openssl("x509 -req -in app.csr -CA issuing.pem -CAkey issuing.key -days 22 -extfile leaf.ext -text -out app.pem");
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The files one after the other, as `cat` joins them.
    pub fn join(&self, names: &[&str], to: &str) {
        let all: Vec<u8> = names.iter().flat_map(|name| self.read(name)).collect();
        self.write(to, all);
    }

    pub fn openssl(&self, words: &str) {
        self.tool("openssl", words);
    }

    pub fn tool(&self, program: &str, words: &str) {
        let output = Command::new(program)
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env("PASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program} {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub fn inspect(&self, words: &str) -> Shown {
        self.inspect_with(words, b"")
    }

    pub fn inspect_with(&self, words: &str, stdin: &[u8]) -> Shown {
        let mut child = built::certbake()
            .arg("inspect")
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env("PASSWORD", PASSWORD)
            .env("OTHER", "wrong horse")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        Shown {
            exit_code: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout).unwrap(),
        }
    }
}

pub struct Shown {
    pub exit_code: i32,
    pub text: String,
}

impl Shown {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The line that has this label, without it.
    pub fn row(&self, label: &str) -> &str {
        let row = self
            .text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(label));
        row.unwrap_or_else(|| panic!("no \"{label}\" in\n{}", self.text))
            .trim()
    }
}
