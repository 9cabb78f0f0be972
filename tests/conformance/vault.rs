//! HashiCorp's Vault.

use std::fs;

use serde_json::{Value, json};

use crate::servers::vault::{MOUNT, ROLE, Vault};
use crate::servers::{assert_openssl_verifies, curl};

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
