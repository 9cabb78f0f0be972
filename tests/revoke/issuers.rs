//! Who is asked to revoke, and by what: only the issuer, and nothing that was read is overwritten.

use crate::built::codes;
use crate::{CONFIG, baked, record_with, revocations};

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
        let run = crate::built::certbake()
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
