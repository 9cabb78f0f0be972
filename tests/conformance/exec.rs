//! The CAs that people have as programs, behind `examples/exec`: each script as it stands there.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use certbake::authority::{Opened, Reason};
use certbake::pki::{Certificate, pem};
use tempfile::TempDir;

use crate::servers::{assert_openssl_verifies, installed, run};
use crate::support::contract::{PATIENCE, open_beside, order, revocation};

/// A copy of one example, its CA made.
struct Example {
    folder: TempDir,
}

impl Example {
    fn make(name: &str, needs: &str) -> Option<Self> {
        if !installed(needs) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/exec")
            .join(name);
        for entry in fs::read_dir(example).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        run(folder.path().join("new-ca"), [""; 0]);
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Bakes by the example's own configuration.
    fn provision(&self, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["provision", "--config"])
            .arg(self.path("certbake.toml"))
            .arg("--root")
            .arg(self.path("rootfs"))
            .args(more)
            .output()
            .unwrap()
    }

    fn bakes(&self, anchors: &str) -> Certificate {
        let output = self.provision(&[]);
        assert!(output.status.success(), "{}", printed(&output));
        let chain = self.path("rootfs/etc/app/tls/client.crt");
        assert_openssl_verifies(&chain, &self.path(anchors));
        let ders = pem::certificates(&fs::read(chain).unwrap()).unwrap();
        Certificate::from_der(ders[0].clone()).unwrap()
    }

    fn open(&self) -> Opened {
        let config: toml::Table = fs::read_to_string(self.path("certbake.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let mut table = config["ca"]["lab"].as_table().unwrap().clone();
        table.remove("kind");
        table.remove("anchors");
        open_beside(self.folder.path(), "exec", table)
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

#[test]
fn openssl_ca_signs_refuses_and_revokes() {
    let Some(example) = Example::make("openssl-ca", "openssl") else {
        return;
    };
    let baked = example.bakes("ca/ca.pem");
    let names: Vec<String> = baked
        .facts()
        .names
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        ["dns:app.internal", "uri:spiffe://lab.internal/app-server"]
    );

    let output = example.provision(&["--ttl", "60d"]);
    assert_eq!(output.status.code(), Some(5), "{}", printed(&output));
    assert!(printed(&output).contains("30 days at most, and 60 were asked for"));

    let revoke = example.open().revoke.unwrap();
    let revocation = revocation(&baked, Reason::KeyCompromise);
    revoke.revoke(&revocation).unwrap();
    revoke.revoke(&revocation).unwrap();
    let database = fs::read_to_string(example.path("ca/index.txt")).unwrap();
    let revoked = database.lines().find(|line| line.starts_with('R')).unwrap();
    assert!(revoked.contains("keyCompromise"), "{revoked}");
    assert!(
        revoked
            .to_lowercase()
            .contains(baked.facts().serial.trim_start_matches('0'))
    );
}

/// Its database bears one at a time: the script's lock makes ten of them wait for each other.
#[test]
fn ten_orders_at_once_at_openssl_ca_are_all_signed() {
    let Some(example) = Example::make("openssl-ca", "openssl") else {
        return;
    };
    let opened = example.open();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
        }
    });
    let database = fs::read_to_string(example.path("ca/index.txt")).unwrap();
    assert_eq!(database.lines().count(), 10);
}

#[test]
fn a_ca_that_is_held_by_somebody_else_is_busy() {
    let Some(example) = Example::make("openssl-ca", "openssl") else {
        return;
    };
    let mut holder = Command::new("flock")
        .arg(example.path("ca/lock"))
        .args(["sleep", "20"])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let error = example
        .open()
        .authority
        .issue(&order(Duration::from_secs(6)).1)
        .unwrap_err();
    // `flock` hands its lock on to `sleep`, which ends by itself.
    holder.kill().unwrap();
    holder.wait().unwrap();
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-busy");
    assert!(
        finding.summary.ends_with("held the CA for 5 seconds"),
        "{}",
        finding.summary
    );
}

#[test]
fn easy_rsa_signs() {
    let Some(example) = Example::make("easy-rsa", "easy-rsa") else {
        return;
    };
    let baked = example.bakes("pki/ca.crt");
    assert_eq!(baked.facts().common_name.as_deref(), Some("app-server"));
}

#[test]
fn a_key_in_a_pkcs11_token_signs() {
    let Some(example) = Example::make("softhsm", "softhsm2-util") else {
        return;
    };
    example.bakes("ca/ca.pem");

    let pin = fs::read_to_string(example.path("ca/pin")).unwrap();
    fs::write(example.path("ca/pin"), "0000\n").unwrap();
    let output = example.provision(&[]);
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(5), "{printed}");
    assert!(printed.contains("openssl with the token"), "{printed}");
    assert!(!printed.contains(pin.trim()), "{printed}");
}
