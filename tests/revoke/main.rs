//! Certificates taken back: by hand from a record, and by a run that fails after they were issued.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../built/mod.rs"]
mod built;
#[path = "../support/mod.rs"]
mod support;

mod failed_runs;
mod issuers;

use std::process::Command;

use serde_json::Value;

use built::{Lab, codes};

const CONFIG: &str = r#"
[ca.lab]
kind = "embedded"
dir = "ca"
[ca.other]
kind = "embedded"
dir = "other"
[ca.est]
kind = "est"
url = "http://127.0.0.1:9"
[identity.app]
ca = "lab"
common_name = "app"
placements.full_chain = "/app.crt"
placements.private_key = "/app.key"
record = "app.json"
"#;

fn baked() -> Lab {
    let lab = Lab::new(CONFIG);
    lab.run(&["provision"], 0);
    lab
}

fn revocations(lab: &Lab) -> Vec<Value> {
    std::fs::read_to_string(lab.path("ca/revoked.jsonl"))
        .unwrap_or_default()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn record_with(lab: &Lab, change: impl FnOnce(&mut Value)) {
    let mut record: Value = serde_json::from_str(&lab.read("app.json")).unwrap();
    change(&mut record);
    lab.write("changed.json", &record.to_string());
}

#[test]
fn a_record_is_all_that_is_needed_and_peers_that_look_refuse_the_certificate() {
    let lab = baked();
    let check = [
        "check",
        "--cert",
        "rootfs/app.crt",
        "--anchors",
        "ca/root.pem",
    ];
    lab.json(&check, 0);
    let revoke = [
        "revoke",
        "--record",
        "app.json",
        "--reason",
        "key-compromise",
    ];
    let report = lab.json(&revoke, 0);
    assert_eq!(codes(&report), ["certificate-revoked"]);
    let identity = &report["identities"][0];
    assert_eq!(identity["name"], "app");
    assert_eq!(identity["authority"]["name"], "lab");
    let entries = revocations(&lab);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["serial"], identity["certificate"]["serial"]);
    assert_eq!(entries[0]["reason"], "key-compromise");

    let listed = [&check[..], &["--crl", "ca/ca.crl"]].concat();
    assert_eq!(codes(&lab.json(&listed, 4)), ["revoked"]);
    let openssl = Command::new("openssl")
        .args([
            "verify",
            "-crl_check",
            "-CAfile",
            "ca/root.pem",
            "-untrusted",
        ])
        .args(["rootfs/app.crt", "-CRLfile", "ca/ca.crl", "rootfs/app.crt"])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&openssl.stderr);
    assert!(said.contains("certificate revoked"), "{said}");

    let log = lab.text(&["ca", "issue-log", "--ca-dir", "ca"], 0);
    assert!(
        log.contains("  revoked 20") && log.contains("  key-compromise\n"),
        "{log}"
    );
}

#[test]
fn one_that_is_revoked_already_is_no_error_and_others_stay_on_the_list() {
    let lab = baked();
    let revoke = ["revoke", "--record", "app.json"];
    lab.json(&revoke, 0);
    lab.json(&revoke, 0);
    assert_eq!(revocations(&lab).len(), 1);
    std::fs::copy(lab.path("rootfs/app.crt"), lab.path("first.crt")).unwrap();
    lab.run(&["provision"], 0);
    lab.json(&revoke, 0);
    assert_eq!(revocations(&lab).len(), 2);
    for cert in ["first.crt", "rootfs/app.crt"] {
        let check = [
            "check",
            "--cert",
            cert,
            "--anchors",
            "ca/root.pem",
            "--crl",
            "ca/ca.crl",
        ];
        assert_eq!(codes(&lab.json(&check, 4)), ["revoked"], "{cert}");
    }
}

#[test]
fn a_certificate_of_a_key_that_the_ca_no_longer_has_is_told_apart() {
    let lab = baked();
    for gone in ["ca/intermediate.pem", "ca/keys/intermediate.key"] {
        std::fs::remove_file(lab.path(gone)).unwrap();
    }
    lab.json(&["ca", "init", "--ca-dir", "ca"], 0);
    let report = lab.json(&["revoke", "--record", "app.json"], 0);
    let mut told = codes(&report);
    told.sort_unstable();
    assert_eq!(told, ["certificate-revoked", "revocation-passive"]);

    lab.run(&["provision"], 0);
    let report = lab.json(&["revoke", "--record", "app.json"], 0);
    assert_eq!(codes(&report), ["certificate-revoked"]);
}

/// To make one would help nobody: it has not issued the certificate.
#[test]
fn where_the_ca_is_gone_nobody_is_sent_to_make_another() {
    let lab = baked();
    std::fs::rename(lab.path("ca"), lab.path("moved")).unwrap();
    let report = lab.json(&["revoke", "--record", "app.json"], 2);
    assert_eq!(codes(&report), ["embedded-ca-unusable"]);
    let hint = report["findings"][0]["hint"].as_str().unwrap();
    assert_eq!(hint, "give the directory of the CA that issued it");
    let moved = [
        "revoke", "--record", "app.json", "--ca", "embedded", "--ca-dir", "moved",
    ];
    lab.json(&moved, 0);
}

#[test]
fn an_older_record_needs_the_certificate_and_another_ones_is_refused() {
    let lab = baked();
    record_with(&lab, |record| {
        record["certificate"]
            .as_object_mut()
            .unwrap()
            .remove("pem")
            .unwrap();
    });
    let revoke = ["revoke", "--record", "changed.json"];
    let report = lab.json(&revoke, 2);
    assert!(
        report["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .contains("has no certificate")
    );
    let other = [&revoke[..], &["--cert", "ca/root.pem"]].concat();
    let report = lab.json(&other, 2);
    assert!(
        report["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .contains("is not the certificate of the record")
    );
    let right = [
        &revoke[..],
        &["--cert", "rootfs/app.crt", "--key", "rootfs/app.key"],
    ]
    .concat();
    lab.json(&right, 0);
    assert_eq!(revocations(&lab).len(), 1);
}

/// Nobody has given --cert.
#[test]
fn a_certificate_that_was_cut_off_in_a_record_is_a_fault_of_the_record() {
    let lab = baked();
    record_with(&lab, |record| record["certificate"]["pem"] = "".into());
    let report = lab.json(&["revoke", "--record", "changed.json"], 2);
    let finding = &report["findings"][0];
    assert_eq!(finding["file"], "changed.json");
    let summary = finding["summary"].as_str().unwrap();
    assert!(!summary.contains("--cert"), "{summary}");
    assert!(finding["hint"].as_str().unwrap().contains("--cert"));
}

#[test]
fn flags_describe_the_authority_where_no_file_does() {
    let lab = baked();
    std::fs::remove_file(lab.path("certbake.toml")).unwrap();
    let revoke = ["revoke", "--record", "app.json"];
    let report = lab.json(&revoke, 2);
    assert!(
        report["findings"][0]["hint"]
            .as_str()
            .unwrap()
            .contains("--ca KIND"),
        "{report}"
    );
    lab.json(
        &[&revoke[..], &["--ca", "embedded", "--ca-dir", "ca"]].concat(),
        0,
    );
    let alone = [
        "revoke",
        "--cert",
        "rootfs/app.crt",
        "--ca",
        "embedded",
        "--ca-dir",
        "ca",
    ];
    lab.json(&alone, 0);
    assert_eq!(revocations(&lab).len(), 1);
}
