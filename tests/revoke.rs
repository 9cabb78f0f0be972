//! Certificates taken back: by hand from a record, and by a run that fails after they were issued.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;
mod support;

use std::process::Command;

use serde_json::Value;

use built::{Lab, codes};
use support::{FakeServer, Reply, pem};

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

#[test]
fn only_the_issuer_is_asked() {
    let lab = baked();
    let revoke = [
        "revoke",
        "--record",
        "app.json",
        "--config",
        "certbake.toml",
    ];
    let report = lab.json(&[&revoke[..], &["--ca", "est"]].concat(), 2);
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    assert!(
        summary.contains("issued by lab (embedded)") && summary.contains("kind est"),
        "{summary}"
    );
    lab.text(&["ca", "init", "--ca-dir", "other"], 0);
    let report = lab.json(&[&revoke[..], &["--ca", "other"]].concat(), 5);
    assert_eq!(codes(&report), ["embedded-ca-refused"]);
    lab.write(
        "certbake.toml",
        &CONFIG
            .replace("ca.lab", "ca.moved")
            .replace("ca = \"lab\"", "ca = \"moved\""),
    );
    let report = lab.json(&revoke, 2);
    let finding = &report["findings"][0];
    assert!(
        finding["summary"]
            .as_str()
            .unwrap()
            .contains("`lab`, which is not configured here"),
        "{finding}"
    );
    assert_eq!(finding["file"], "certbake.toml");
    lab.json(&[&revoke[..], &["--ca", "moved"]].concat(), 0);
}

/// Its serial number may be one of theirs.
#[test]
fn a_ca_of_the_same_name_at_another_place_is_not_asked_unless_it_is_named() {
    let lab = baked();
    lab.write("moved.toml", &CONFIG.replace("127.0.0.1:9", "127.0.0.1:10"));
    record_with(&lab, |record| {
        record["authority"] = serde_json::json!({"kind": "est", "name": "est", "place": "http://127.0.0.1:9/.well-known/est"});
    });
    let revoke = [
        "revoke",
        "--record",
        "changed.json",
        "--config",
        "moved.toml",
    ];
    let report = lab.json(&revoke, 2);
    let finding = &report["findings"][0];
    let summary = finding["summary"].as_str().unwrap();
    assert!(
        summary.contains("but `est` is now http://127.0.0.1:10"),
        "{summary}"
    );
    assert!(finding["hint"].as_str().unwrap().contains("--ca est"));
    let report = lab.json(&[&revoke[..], &["--ca", "est"]].concat(), 2);
    assert_eq!(codes(&report), ["revocation-not-offered"]);
}

/// A path depends on where one stands.
#[test]
fn a_ca_in_a_directory_is_the_same_wherever_it_is_seen_from() {
    let lab = baked();
    std::fs::create_dir(lab.path("elsewhere")).unwrap();
    std::fs::rename(lab.path("ca"), lab.path("elsewhere/ca")).unwrap();
    lab.write("elsewhere/certbake.toml", CONFIG);
    let config = ["--config", "elsewhere/certbake.toml"];
    lab.json(
        &[&["revoke", "--record", "app.json"], &config[..]].concat(),
        0,
    );
}

#[test]
fn a_record_of_a_newer_version_revokes_nothing() {
    let lab = baked();
    record_with(&lab, |record| record["schema"] = 99.into());
    let report = lab.json(&["revoke", "--record", "changed.json"], 2);
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("its schema is 99"), "{summary}");
    assert_eq!(revocations(&lab).len(), 0);
}

/// The record's hint says to name the table.
#[test]
fn a_table_of_the_usual_file_can_be_named() {
    let lab = baked();
    lab.write(
        "certbake.toml",
        &CONFIG
            .replace("ca.lab", "ca.renamed")
            .replace("ca = \"lab\"", "ca = \"renamed\""),
    );
    let words = ["revoke", "--record", "app.json", "--ca", "renamed"];
    lab.json(&words, 0);
    assert_eq!(revocations(&lab).len(), 1);
}

#[test]
fn no_report_takes_the_place_of_what_a_revocation_reads() {
    let lab = baked();
    let pem = lab.read("rootfs/app.crt");
    let (_, der) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    std::fs::write(lab.path("app.der"), &der.contents).unwrap();
    for (words, report, said) in [
        (
            ["--record", "app.json"],
            "certbake.toml",
            "is the configuration file",
        ),
        (["--record", "app.json"], "app.json", "is the record"),
        (
            ["--cert", "app.der"],
            "app.der",
            "it would overwrite a certificate",
        ),
    ] {
        let before = std::fs::read(lab.path(report)).unwrap();
        let run = built::certbake()
            .args(["revoke", "--report", &format!("json={report}")])
            .args(words)
            .current_dir(lab.path(""))
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{log}");
        assert!(log.contains(said), "{log}");
        assert_eq!(std::fs::read(lab.path(report)).unwrap(), before);
    }
}

#[test]
fn the_certificate_of_a_ca_is_not_taken_back_for_one_that_it_issued() {
    let lab = baked();
    let issuer = lab.read("ca/intermediate.pem");
    lab.write("chain.pem", &(issuer + &lab.read("rootfs/app.crt")));
    let words = ["revoke", "--ca", "lab", "--cert", "chain.pem"];
    let report = lab.json(&words, 2);
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "usage-invalid");
    let summary = finding["summary"].as_str().unwrap();
    assert!(
        summary.contains("chain.pem begins with a CA's certificate"),
        "{summary}"
    );
    assert_eq!(revocations(&lab).len(), 0);
}

#[test]
fn an_authority_without_the_ability_says_what_to_do_instead() {
    let lab = baked();
    record_with(&lab, |record| {
        record["authority"] = serde_json::json!({"kind": "est", "name": "est", "place": "http://127.0.0.1:9/.well-known/est"});
    });
    let revoke = ["revoke", "--record", "changed.json"];
    let report = lab.json(&revoke, 2);
    assert_eq!(codes(&report), ["revocation-not-offered"]);
    let serial = report["identities"][0]["certificate"]["serial"]
        .as_str()
        .unwrap();
    assert!(
        report["findings"][0]["hint"]
            .as_str()
            .unwrap()
            .contains(serial)
    );
    for format in ["human", "markdown", "junit", "gitlab"] {
        let text = lab.text(&[&revoke[..], &["--report", format]].concat(), 2);
        assert!(text.contains("revocation"), "{format}: {text}");
    }
}

/// Beside `app`, one whose floor no certificate of this CA holds.
const SECOND: &str = r#"
[identity.second]
ca = "lab"
common_name = "second"
min_validity = "45d"
placements.combined = "/second.pem"
"#;

#[test]
fn a_failed_run_takes_back_what_it_was_issued_when_it_is_told_to() {
    let lab = Lab::new(&format!("{CONFIG}{SECOND}"));
    let report = lab.run(&["provision"], 3);
    assert_eq!(
        codes(&report),
        ["window-below-floor", "certificate-discarded"]
    );
    assert_eq!(revocations(&lab).len(), 0, "nobody asked for it");
    let report = lab.run(&["provision", "--revoke-on-failure"], 3);
    assert_eq!(
        codes(&report),
        [
            "window-below-floor",
            "certificate-revoked",
            "certificate-revoked"
        ]
    );
    let entries = revocations(&lab);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["reason"], "cessation-of-operation");
    assert!(!lab.path("rootfs/app.crt").exists());
}

#[test]
fn what_has_landed_is_never_taken_back() {
    // A name that no file system takes is found out when it is made.
    let unmakeable = format!("{}/app.json", "x".repeat(300));
    let lab = Lab::new(&CONFIG.replace("app.json", &unmakeable));
    let report = lab.run(&["provision", "--revoke-on-failure"], 7);
    assert_eq!(codes(&report), ["record-unwritable"]);
    assert!(lab.path("rootfs/app.crt").exists());
    assert_eq!(revocations(&lab).len(), 0);
}

#[test]
fn what_may_stand_in_an_image_half_done_is_not_taken_back() {
    let lab = baked();
    // The first swap works, the second fails, and so does swapping the first back.
    let inject = ["-f", "-o", "/dev/null", "-e", "trace=renameat2"];
    let ran = Command::new("strace")
        .args(inject)
        .args(["-e", "inject=renameat2:error=EIO:when=2+"])
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["provision", "--root", "rootfs", "--revoke-on-failure"])
        .args(["--report", "json"])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (ran.status.code(), codes(&report)),
        (Some(7), vec!["image-half-done"])
    );
    let files = report["identities"][0]["placements"].as_array().unwrap();
    assert!(
        files.iter().all(|file| file["change"] == "unknown"),
        "{report}"
    );
    assert_eq!(revocations(&lab).len(), 0);
    assert_eq!(codes(&lab.run(&["provision"], 0)), ["image-recovered"]);
}

#[test]
fn a_landing_that_fails_tells_of_a_certificate_that_cannot_be_taken_back() {
    let ca = support::Lab::new("Lab");
    let lab = Lab::new("");
    std::fs::create_dir(lab.path("rootfs/tls")).unwrap();
    let tls = lab.path("rootfs/tls");
    let issuer = ca.clone();
    let server = FakeServer::https(&ca.server(), move |asked| {
        let certificates = match asked.path.rsplit('/').next().unwrap() {
            "cacerts" => vec![issuer.root(), issuer.issuing()],
            "simpleenroll" => {
                // While it is asked, the directory that was found writable goes away.
                std::fs::remove_dir(&tls).unwrap();
                let text: String = asked
                    .body
                    .iter()
                    .map(|b| *b as char)
                    .filter(|c| !c.is_whitespace())
                    .collect();
                vec![issuer.sign(&data_encoding::BASE64.decode(text.as_bytes()).unwrap())]
            }
            _ => return Reply::status(404),
        };
        Reply::ok(certificates.iter().map(|der| pem(der)).collect::<String>())
    });
    lab.write("root.pem", &pem(&ca.root()));
    lab.write(
        "certbake.toml",
        &format!(
            "[ca.lab]\nkind = \"est\"\nurl = \"{}\"\nanchors = \"root.pem\"\n[identity.app]\ncommon_name = \"app\"\nplacements.combined = \"/tls/app.pem\"\n",
            server.origin()
        ),
    );
    let report = lab.run(&["provision", "--revoke-on-failure"], 7);
    assert_eq!(
        codes(&report),
        ["not-conforming", "image-io", "revocation-not-offered"]
    );
    assert_eq!(report["findings"][2]["severity"], "warning");
    let paths: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| asked.path.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["cacerts", "simpleenroll"], "a preflight asked more");
    // Nobody is told to give a flag that this authority has no use for.
    std::fs::create_dir(lab.path("rootfs/tls")).unwrap();
    let report = lab.run(&["provision"], 7);
    assert_eq!(
        codes(&report),
        ["not-conforming", "image-io", "certificate-discarded"]
    );
    let summary = report["findings"][2]["summary"].as_str().unwrap();
    let end = "only the CA's own tools can revoke such certificates";
    assert!(summary.ends_with(end), "{summary}");
}
