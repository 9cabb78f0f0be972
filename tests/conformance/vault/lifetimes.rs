//! Lifetimes that Vault cuts, with words and without.

use std::time::Instant;

use certbake::authority::{Depth, Opened, Order};
use certbake::span::Span;
use serde_json::json;

use super::{MOUNT, ROLE, authority, bake, builder, by_token, codes, leaf, secret};
use crate::servers::vault::Vault;
use crate::support::contract::{PATIENCE, order};

fn order_of(hours: i64) -> Order {
    let (_key, mut order) = order(PATIENCE);
    order.ttl = Some(Span::seconds(hours * 3600));
    order.deadline = Instant::now() + PATIENCE;
    order
}

fn foreseen(opened: &Opened, order: &Order) -> Vec<certbake::finding::Finding> {
    let preflight = opened.preflight.as_ref().unwrap();
    preflight.preflight(order, Depth::Order).unwrap()
}

#[test]
fn above_the_roles_limit_it_says_so() {
    let Some(vault) = Vault::start() else { return };
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    let order = order_of(100);
    // The builder may not read the role, and the mount allows five years.
    assert_eq!(foreseen(&opened, &order), []);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(
        codes(&issued.findings),
        ["lifetime-capped"],
        "{:?}",
        issued.findings
    );
    assert!(
        issued.findings[0].summary.contains("72h0m0s"),
        "{}",
        issued.findings[0].summary
    );
    let (_file, token) = secret(crate::servers::vault::ROOT_TOKEN);
    let opened = authority(&vault, by_token(&token), |_| {});
    let foreseen = foreseen(&opened, &order);
    assert_eq!(foreseen[0].facts["max_ttl_seconds"], 72 * 3600);
}

/// A role without a limit of its own, on a mount that has one.
#[test]
fn above_the_mounts_limit_it_is_foreseen_by_whoever_may_order() {
    let Some(vault) = Vault::start() else { return };
    vault.write(
        &format!("sys/mounts/{MOUNT}/tune"),
        &json!({ "max_lease_ttl": "24h" }),
    );
    vault.write(
        &format!("{MOUNT}/roles/{ROLE}"),
        &json!({ "allow_any_name": true, "enforce_hostnames": false, "key_type": "any" }),
    );
    let (_file, token) = secret(&builder(&vault));
    let opened = authority(&vault, by_token(&token), |_| {});
    let order = order_of(48);
    let foreseen = foreseen(&opened, &order);
    assert_eq!(codes(&foreseen), ["lifetime-capped"]);
    assert_eq!(foreseen[0].facts["max_ttl_seconds"], 24 * 3600);
    let issued = opened.authority.issue(&order).unwrap();
    assert!(
        issued.findings[0].summary.contains("24h0m0s"),
        "{}",
        issued.findings[0].summary
    );
}

/// A second mount whose intermediate ends in two hours.
fn short_lived(vault: &Vault, behaviour: &str) {
    let data = |answer: serde_json::Value, key: &str| answer["data"][key].clone();
    vault.write("sys/mounts/short", &json!({ "type": "pki" }));
    let request = vault.write(
        "short/intermediate/generate/internal",
        &json!({ "common_name": "Short", "key_type": "ec", "key_bits": 256 }),
    );
    let signed = vault.write(
        "pki-root/root/sign-intermediate",
        &json!({ "csr": data(request, "csr"), "common_name": "Short", "ttl": "2h" }),
    );
    let bundle = format!("{}\n", data(signed, "certificate").as_str().unwrap());
    vault.write(
        "short/intermediate/set-signed",
        &json!({ "certificate": bundle }),
    );
    vault.write(
        "short/issuer/default",
        &json!({ "leaf_not_after_behavior": behaviour }),
    );
    vault.write(&format!("short/roles/{ROLE}"), &json!({ "allow_any_name": true, "enforce_hostnames": false, "key_type": "any", "ext_key_usage": ["ClientAuth"] }));
    vault.allow("short", &format!("short/sign/{ROLE}"), &["update"]);
}

#[test]
fn at_the_issuers_end_it_is_cut_without_a_word_and_seen_anyway() {
    let Some(vault) = Vault::start() else { return };
    short_lived(&vault, "truncate");
    let (_file, token) = secret(&vault.token("short", "10m"));
    let opened = authority(&vault, by_token(&token), |table| {
        table.insert("mount".into(), "short".into());
    });
    let order = order_of(24);
    let foreseen = foreseen(&opened, &order);
    assert_eq!(codes(&foreseen), ["lifetime-capped"]);
    assert!(
        foreseen[0].summary.contains("\"Short\" expires in 1h 59m"),
        "{}",
        foreseen[0].summary
    );
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(issued.findings, []);
    assert!(leaf(&issued).window().lifetime() < time::Duration::hours(3));

    // What the gates make of it, in the binary.
    let options = [
        "--ca-set",
        "mount=short",
        "--ca-password",
        &token,
        "--ttl",
        "1d",
        "--report",
        "json",
    ];
    let output = bake(&vault, "", &options);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{printed}");
    assert!(printed.contains("lifetime-shortened"), "{printed}");
    assert!(!vault.directory().join("rootfs/etc/app/c.crt").exists());
}

#[test]
fn an_issuer_that_refuses_to_be_outlived_is_told_with_its_reason() {
    let Some(vault) = Vault::start() else { return };
    short_lived(&vault, "err");
    let (_file, token) = secret(&vault.token("short", "10m"));
    let opened = authority(&vault, by_token(&token), |table| {
        table.insert("mount".into(), "short".into());
    });
    let finding = opened
        .authority
        .issue(&order_of(24))
        .unwrap_err()
        .into_finding();
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(
        finding.hint.contains("leaf_not_after_behavior"),
        "{}: {}",
        finding.summary,
        finding.hint
    );
}
