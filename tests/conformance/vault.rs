//! HashiCorp's Vault.

#[path = "vault/approle.rs"]
mod approle;
#[path = "vault/faults.rs"]
mod faults;
#[path = "vault/lifetimes.rs"]
mod lifetimes;
#[path = "vault/logins.rs"]
mod logins;
#[path = "vault/orders.rs"]
mod orders;

use std::fs;
use std::io::Write;
use std::process::{Command, Output};

use certbake::authority::{Issued, Opened};
use certbake::finding::Finding;
use certbake::pki::{Certificate, pem};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::servers::vault::{MOUNT, ROLE, Vault};
use crate::servers::{assert_openssl_verifies, curl};
use crate::support::contract::{PATIENCE, codes, open, order};

/// certbake's authority on this Vault.
fn authority(vault: &Vault, auth: toml::Table, change: impl FnOnce(&mut toml::Table)) -> Opened {
    let url = vault.url.as_str();
    let trust = format!("file:{}", vault.anchors.display());
    let mut table = toml::toml! {
        url = url
        trust = trust
        role = ROLE
        auth = auth
    };
    change(&mut table);
    open("vault", table, &root(vault))
}

fn root(vault: &Vault) -> Vec<Vec<u8>> {
    pem::certificates(&fs::read(&vault.root).unwrap()).unwrap()
}

/// A file that nobody else may read, and its name as the source of a secret.
fn secret(text: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    let source = format!("file:{}", file.path().display());
    (file, source)
}

/// What an order ends in.
fn fails(opened: &Opened) -> Finding {
    let outcome = opened.authority.issue(&order(PATIENCE).1);
    outcome.unwrap_err().into_finding()
}

fn by_token(source: &str) -> toml::Table {
    toml::toml! { method = "token"
    token = source }
}

/// A token that may have requests signed and nothing else.
fn builder(vault: &Vault) -> String {
    vault.allow("builder", &format!("{MOUNT}/sign/{ROLE}"), &["update"]);
    vault.token("builder", "10m")
}

fn leaf(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.certificates[0].clone()).unwrap()
}

/// `certbake provision` with flags alone, its image `rootfs` beside the server's files, and
/// `VAULT_TOKEN` set.
fn bake(vault: &Vault, token: &str, options: &[&str]) -> Output {
    let rootfs = vault.directory().join("rootfs");
    fs::create_dir_all(&rootfs).unwrap();
    let trust = format!("file:{}", vault.anchors.display());
    Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(["provision", "--root", rootfs.to_str().unwrap()])
        .args([
            "--ca",
            "vault",
            "--ca-url",
            &vault.url,
            "--ca-trust",
            &trust,
        ])
        .args(["--ca-anchors", vault.root.to_str().unwrap()])
        .args(["--ca-set", "role=app", "--common-name", "app"])
        .args(["--cert", "/etc/app/c.crt", "--key", "/etc/app/c.key"])
        .args(options)
        .env("VAULT_TOKEN", token)
        .current_dir(vault.directory())
        .output()
        .unwrap()
}

/// As Vault names a certificate.
fn serial(certificate: &Certificate) -> String {
    let digits = certificate.facts().serial.as_bytes().chunks(2);
    let octets: Vec<_> = digits.map(|it| str::from_utf8(it).unwrap()).collect();
    octets.join(":")
}

/// The fixture itself: Vault's own command line gets a certificate, two levels below the root.
#[test]
fn vault_issues_to_its_own_command_line() {
    let Some(vault) = Vault::start() else { return };

    let place = format!("{MOUNT}/issue/{ROLE}");
    let answer = vault.vault(&["write", "-format=json", &place, "common_name=app", "ttl=1h"]);

    let issued: Value = serde_json::from_slice(&answer).unwrap();
    let pem = |value: &Value| value.as_str().unwrap().to_owned() + "\n";
    let chain = vault.directory().join("chain.pem");
    let issuer = pem(&issued["data"]["issuing_ca"]);
    fs::write(&chain, pem(&issued["data"]["certificate"]) + &issuer).unwrap();
    assert_openssl_verifies(&chain, &vault.root);
    assert_ne!(issuer, fs::read_to_string(&vault.root).unwrap());
}

/// The fixture's logins: what each may do, and what it may not; and that a sealed Vault says so.
#[test]
fn vault_lets_a_token_do_what_its_policy_allows_until_it_is_sealed() {
    let Some(vault) = Vault::start() else { return };
    let sign = format!("{MOUNT}/sign/{ROLE}");
    vault.allow("builder", &sign, &["update"]);
    vault.enable("approle");
    let app_role = vault.app_role("builder", "builder");
    let login = json!({ "role_id": app_role.role_id, "secret_id": app_role.secret_id });
    let logged_in = vault.ask("POST", "auth/approle/login", "", Some(&login));

    let by_role = logged_in["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for token in [by_role, vault.token("builder", "10m")] {
        let path = json!({ "paths": [sign, "pki/roles/app"] });
        let may = vault.ask("POST", "sys/capabilities-self", &token, Some(&path));
        assert_eq!(may["data"][&sign], json!(["update"]));
        assert_eq!(may["data"]["pki/roles/app"], json!(["deny"]));
    }
    for login in ["cert", "jwt", "userpass"] {
        vault.enable(login);
    }

    vault.seal();
    let health = format!("{}/v1/sys/seal-status", vault.url);
    let status = curl::json(&health, Some(&vault.anchors), &[], None);
    assert_eq!(status["sealed"], true);
}
