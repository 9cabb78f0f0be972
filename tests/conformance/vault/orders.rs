//! Orders, renewals and revocations, by a token that is there already, and through the binary.

use certbake::authority::{Current, Reason};
use certbake::pki::{Certificate, PrivateKey, pem};
use serde_json::json;
use std::fs;

use super::{ROLE, authority, bake, builder, by_token, leaf, root, secret, serial};
use crate::servers::assert_openssl_verifies;
use crate::servers::vault::{MOUNT, Vault};
use crate::support::contract::{PATIENCE, order, revocation};

#[test]
fn a_request_is_signed_two_levels_below_the_root() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    let (key, order) = order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(issued.findings, []);
    assert_eq!(issued.anchors, root(&vault));
    assert!(issued.date.is_some());
    let facts = leaf(&issued);
    assert_eq!(facts.facts().spki, key.spki());
    assert_eq!(facts.facts().names, order.request.names);
    assert_eq!(
        facts.facts().extended_key_usage.as_deref(),
        Some(&["clientAuth".to_owned()][..])
    );

    let chain = vault.directory().join("certbake.pem");
    let text: String = issued
        .certificates
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    fs::write(&chain, text).unwrap();
    assert_eq!(issued.certificates.len(), 2);
    assert_openssl_verifies(&chain, &vault.root);
}

/// A role may take the names from the request or from the fields beside it.
#[test]
fn names_are_those_asked_for_wherever_the_role_takes_them_from() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    for from_request in [true, false] {
        let role = vault.read(&format!("{MOUNT}/roles/{ROLE}"));
        let mut role = role["data"].clone();
        role["use_csr_sans"] = from_request.into();
        role["use_csr_common_name"] = from_request.into();
        vault.write(&format!("{MOUNT}/roles/{ROLE}"), &role);
        let (_key, order) = order(PATIENCE);
        let issued = opened.authority.issue(&order).unwrap();
        assert_eq!(issued.findings, []);
        let leaf = leaf(&issued);
        assert_eq!(leaf.facts().names, order.request.names);
        assert_eq!(leaf.facts().common_name.as_deref(), Some("app"));
    }
}

#[test]
fn a_renewal_is_another_order() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    let (key, first) = order(PATIENCE);
    let issued = opened.authority.issue(&first).unwrap();
    let (new_key, second) = order(PATIENCE);
    let current = Current {
        chain: &issued.certificates,
        key: &key,
    };
    let renewed = opened.renew.unwrap().renew(&second, &current).unwrap();
    assert_eq!(leaf(&renewed).facts().spki, new_key.spki());
}

#[test]
fn an_issuer_by_name_signs() {
    let Some(vault) = Vault::start() else { return };
    vault.write(
        &format!("{MOUNT}/issuer/default"),
        &json!({ "issuer_name": "current" }),
    );
    vault.allow(
        "by-issuer",
        &format!("{MOUNT}/issuer/current/sign/{ROLE}"),
        &["update"],
    );
    let (_file, token) = secret(&vault.token("by-issuer", "10m"));
    let opened = authority(&vault, by_token(&token), |table| {
        table.insert("issuer".into(), "current".into());
    });
    let (key, order) = order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(leaf(&issued).facts().spki, key.spki());
}

#[test]
fn a_certificate_is_revoked_stored_or_not_and_twice_is_no_error() {
    let Some(vault) = Vault::start() else { return };
    vault.allow("builder", &format!("{MOUNT}/sign/{ROLE}"), &["update"]);
    vault.allow("revoker", &format!("{MOUNT}/revoke"), &["update"]);
    let both = vault.write(
        "auth/token/create",
        &json!({ "policies": ["builder", "revoker"] }),
    );
    let (_file, token) = secret(both["auth"]["client_token"].as_str().unwrap());
    let opened = authority(&vault, by_token(&token), |_| {});
    for stored in [true, false] {
        let mut role = vault.read(&format!("{MOUNT}/roles/{ROLE}"))["data"].clone();
        role["no_store"] = (!stored).into();
        vault.write(&format!("{MOUNT}/roles/{ROLE}"), &role);
        let (_key, order) = order(PATIENCE);
        let certificate = leaf(&opened.authority.issue(&order).unwrap());
        for _ in 0..2 {
            let revocation = revocation(&certificate, Reason::Superseded);
            opened.revoke.as_ref().unwrap().revoke(&revocation).unwrap();
        }
        let state = vault.read(&format!("{MOUNT}/cert/{}", serial(&certificate)));
        assert!(
            state["data"]["revocation_time"].as_i64().unwrap() > 0,
            "{state}"
        );
    }
    // Vault puts none that has expired on its list, and says 200.
    let (_key, mut soon) = order(PATIENCE);
    soon.ttl = Some("1s".parse().unwrap());
    let expired = leaf(&opened.authority.issue(&soon).unwrap());
    std::thread::sleep(std::time::Duration::from_secs(2));
    let revocation_of_it = revocation(&expired, Reason::Superseded);
    let revoke = opened.revoke.as_ref().unwrap();
    let error = revoke.revoke(&revocation_of_it).unwrap_err();
    assert!(error.to_string().contains("already expired"), "{error}");

    // Somebody else's is none of this mount's business.
    let lab = crate::support::Lab::new("Other");
    let foreign = lab.client("x").certificate();
    let revocation = revocation(&foreign, Reason::default());
    let error = opened.revoke.unwrap().revoke(&revocation).unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
}

/// As its user meets it: flags, an environment variable for the token, files in an image.
#[test]
fn the_binary_bakes_from_vault_by_flags_alone() {
    let Some(vault) = Vault::start() else { return };
    let token = builder(&vault);
    let spelt_out = r#"auth={method="token",token="env:VAULT_TOKEN"}"#;
    for login in [
        ["--ca-password", "env:VAULT_TOKEN"],
        ["--ca-set", spelt_out],
    ] {
        let asked = [
            "--dns",
            "app.internal",
            "--ttl",
            "2d",
            "--min-validity",
            "1d",
        ];
        let output = bake(&vault, &token, &[&login[..], &asked].concat());
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{printed}");
        assert!(!printed.contains(&token));
        assert!(printed.contains("/v1/pki/sign/app"), "{printed}");
        let [chain, key] =
            ["c.crt", "c.key"].map(|it| vault.directory().join("rootfs/etc/app").join(it));
        assert_openssl_verifies(&chain, &vault.root);
        let certificates = pem::certificates(&fs::read(&chain).unwrap()).unwrap();
        assert_eq!(certificates.len(), 2);
        let key = pem::decode(&fs::read(key).unwrap()).unwrap().remove(0);
        let pem::Block::PrivateKey(key) = key else {
            panic!("no key")
        };
        let key = PrivateKey::from_der(&key).unwrap();
        let leaf = Certificate::from_der(certificates[0].clone()).unwrap();
        assert_eq!(leaf.facts().spki, key.spki());
    }
}
