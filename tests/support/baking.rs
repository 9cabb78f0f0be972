//! An authority as its user meets it: the built binary bakes from a fake server into an image root.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use certbake::pki::pem;
use serde_json::Value;
use tempfile::TempDir;

/// One run of `certbake provision`, and the directory it ran in.
pub struct Baked {
    pub dir: TempDir,
    pub code: i32,
    pub report: Value,
    pub printed: String,
}

impl Baked {
    /// Bakes the identity `app` for a day; `ca` is the `[ca.lab]` table without its kind.
    pub fn provision(
        kind: &str,
        ca: &toml::Table,
        anchors: &[Vec<u8>],
        variables: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rootfs")).unwrap();
        let roots: String = anchors
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        std::fs::write(dir.path().join("ca.pem"), roots).unwrap();
        let mut ca = ca.clone();
        ca.insert("kind".to_owned(), kind.into());
        if !anchors.is_empty() {
            ca.insert("anchors".to_owned(), "ca.pem".into());
        }
        let config = toml::toml! {
            [ca]
            lab = ca
            [identity.app]
            ca = "lab"
            common_name = "app"
            dns = ["app.internal"]
            ttl = "1d"
            min_validity = "12h"
            [identity.app.placements]
            full_chain = "/etc/app/client.crt"
            private_key = "/etc/app/client.key"
        };
        std::fs::write(dir.path().join("certbake.toml"), config.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_certbake"));
        command
            .args(["provision", "--root", "rootfs", "--report", "json"])
            .current_dir(dir.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CERTBAKE_") {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self {
            code: output.status.code().unwrap(),
            report: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            printed: stdout + &stderr,
            dir,
        }
    }

    pub fn landed(&self, path: &str) -> PathBuf {
        self.dir.path().join("rootfs").join(path)
    }

    /// The set is there, as it should be, and no secret was printed or landed.
    pub fn is_good(&self, secrets: &[&str]) {
        assert_eq!(self.code, 0, "{}", self.printed);
        let chain = std::fs::read(self.landed("etc/app/client.crt")).unwrap();
        assert_eq!(pem::certificates(&chain).unwrap().len(), 2);
        let key = self.landed("etc/app/client.key").metadata().unwrap();
        assert_eq!(key.permissions().mode() & 0o7777, 0o600);
        let record = self.landed("var/lib/certbake/app.json");
        let record = std::fs::read_to_string(record).unwrap();
        for secret in secrets {
            assert!(!self.printed.contains(secret) && !record.contains(secret));
        }
    }
}

/// The example's `[ca.…]` table, without kind and anchors, must open; what it names need not exist.
pub fn example(kind: &str) -> toml::Table {
    let path = format!("{}/examples/{kind}.toml", env!("CARGO_MANIFEST_DIR"));
    let config: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let cas = config["ca"].as_table().unwrap();
    let mut ca = cas.values().next().unwrap().as_table().unwrap().clone();
    assert_eq!(ca.remove("kind").unwrap().as_str(), Some(kind));
    ca.remove("anchors");
    ca
}
