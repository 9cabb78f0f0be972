//! Orders by the authority: the first makes the CA.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certbake::authority::embedded::{CaDirectory, CaError, NewCa};
use certbake::authority::{AuthorityError, Depth};
use certbake::finding::Finding;
use certbake::outcome::Outcome;
use certbake::pki::{KeyAlgorithm, PrivateKey};

use crate::support::{
    NOW, TERMS, assert_leads_to_root, codes, days, key, leaf, new_ca, open, order, received,
    request,
};

#[test]
fn the_first_order_makes_a_ca_and_its_certificate_leads_to_the_root() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let opened = open(&dir, "");
    assert!(!dir.exists(), "opening the settings writes nothing");

    let key = key();
    let issued = opened.authority.issue(&order(&key, Some(days(7)))).unwrap();
    let leaf = leaf(&issued, key);
    let facts = leaf.facts();
    assert_eq!(facts.subject, "O=Lab, CN=app-server");
    assert_eq!(facts.names, request(&self::key()).names);
    assert_eq!(facts.extended_key_usage, Some(vec!["clientAuth".into()]));
    assert!(!facts.is_ca);
    assert_eq!(facts.window.not_before, NOW - time::Duration::MINUTE);
    assert_eq!(facts.window.not_after, NOW + time::Duration::days(7));
    assert_eq!(facts.serial.len(), 32);
    assert_eq!(codes(&issued.findings), ["embedded-ca-made"]);
    let root = dir.join("root.pem").display().to_string();
    assert_eq!(issued.findings[0].facts["root"], root);

    let log = CaDirectory::open(&dir).unwrap().log().read().unwrap();
    let entries = log.entries;
    assert_eq!((entries.len(), log.unreadable), (1, 0));
    assert_eq!(entries[0].serial, facts.serial);
    assert_eq!(entries[0].requester, "local");
    assert_eq!(entries[0].not_after, "2026-06-08T12:00:00Z");
}

#[test]
fn that_the_ca_is_new_is_told_once_and_foretold() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let opened = open(&dir, "");
    let order = || order(&key(), Some(days(7)));
    let preflight = opened.preflight.unwrap();
    let foretold = || preflight.preflight(&order(), Depth::Whole).unwrap();
    let there_is_none = format!(
        "there is no CA in {}: the first order makes one",
        dir.display()
    );
    assert_eq!(foretold()[0].summary, there_is_none);
    assert!(!dir.exists(), "a preflight makes nothing");
    let told = || codes_of(opened.authority.issue(&order()).unwrap().findings);
    assert_eq!(told(), ["embedded-ca-made"]);
    assert_eq!(told(), [""; 0]);
    assert_eq!(foretold()[0].summary, "the CA answers");
}

fn codes_of(findings: Vec<Finding>) -> Vec<String> {
    codes(&findings).into_iter().map(str::to_owned).collect()
}

#[test]
fn keys_are_for_their_owner_alone() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let mode = |name: &str| {
        let path = dir.join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    for (name, expected) in [
        ("", 0o700),
        ("keys", 0o700),
        ("keys/root.key", 0o600),
        ("keys/intermediate.key", 0o600),
        ("issued.jsonl", 0o600),
        ("root.pem", 0o644),
        ("intermediate.pem", 0o644),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }

    for name in ["keys/intermediate.key", "keys/root.key"] {
        let change = |mode| {
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        change(0o640);
        let error = open(&dir, "").authority.issue(&order(&key(), None));
        let told = format!("{name}: its mode is 0640, so others can read or change it");
        assert!(matches!(error, Err(AuthorityError::Settings(finding))
            if finding.summary.ends_with(&told)));
        change(0o600);
    }
}

#[test]
fn what_cannot_be_read_is_explained_by_what_stands_there() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let log = dir.join("issued.jsonl");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let ca = CaDirectory::open(&dir).unwrap();
    let finding = ca.log().read().unwrap_err().finding();
    assert!(
        finding.summary.ends_with("is a directory"),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.starts_with("check what is there"),
        "{}",
        finding.hint
    );
    let file = above.path().join("file");
    fs::write(&file, "").unwrap();
    let finding = CaDirectory::make(&file, &NewCa::default(), NOW)
        .unwrap_err()
        .finding();
    assert!(
        finding.hint.starts_with("give a directory"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_longer_lifetime_than_allowed_is_shortened_and_said() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let key = key();
    let issued = open(&dir, "max_ttl = '10d'")
        .authority
        .issue(&order(&key, Some(days(30))))
        .unwrap();
    assert_eq!(
        codes(&issued.findings),
        ["lifetime-capped", "embedded-ca-made"]
    );
    let end = leaf(&issued, key).window().not_after;
    assert_eq!(end, NOW + time::Duration::days(10));
}

#[test]
fn a_certificate_never_outlives_the_intermediate() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let new = NewCa {
        intermediate_lifetime: Some(days(5)),
        ..NewCa::default()
    };
    CaDirectory::make(&dir, &new, NOW).unwrap();
    let key = key();
    let issued = open(&dir, "").authority.issue(&order(&key, None)).unwrap();
    assert_eq!(codes(&issued.findings), ["embedded-ca-ends-first"]);
    let end = leaf(&issued, key).window().not_after;
    assert_eq!(end, NOW + time::Duration::days(5));
}

#[test]
fn without_leave_to_make_one_a_missing_ca_is_an_error() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let opened = open(&dir, "create = false");
    let error = opened.authority.issue(&order(&key(), None)).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(!dir.exists());
    assert!(matches!(
        CaDirectory::open(&dir),
        Err(CaError::Missing { .. })
    ));
}

#[test]
fn a_ca_of_any_kind_of_key_signs() {
    let above = tempfile::tempdir().unwrap();
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let new = NewCa {
            key_algorithm: Some(algorithm),
            ..NewCa::default()
        };
        let dir = above.path().join(algorithm.to_string());
        let ca = CaDirectory::open_or_make(&dir, &new, NOW).unwrap();
        let key = PrivateKey::generate(algorithm).unwrap();
        let granted = ca.issue(&received(request(&key).der()), &TERMS).unwrap();
        assert_leads_to_root(&granted.certificate, &ca);
    }
}

#[test]
fn a_dry_run_foresees_what_an_order_would_meet() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let foresee = |settings: &str| {
        let preflight = open(&dir, settings).preflight.unwrap();
        let findings = preflight
            .preflight(&order(&key(), Some(days(30))), Depth::Order)
            .unwrap_or_else(|error| vec![error.into_finding()]);
        findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(foresee("create = false"), ["embedded-ca-unusable"]);
    assert!(foresee("").is_empty());
    assert!(!dir.exists());
    let ca = new_ca(&above);
    assert_eq!(foresee("max_ttl = '10d'"), ["lifetime-capped"]);

    // What is issued could not be logged.
    fs::remove_file(ca.log().path()).unwrap();
    fs::create_dir(ca.log().path()).unwrap();
    assert_eq!(foresee(""), ["embedded-ca-unusable"]);
}

#[test]
fn a_ca_that_the_first_order_could_not_make_is_foreseen() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("missing/ca");
    let preflight = open(&dir, "").preflight.unwrap();
    let order = order(&key(), None);
    let error = preflight.preflight(&order, Depth::Whole).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Usage);
    let hint = error.into_finding().hint;
    assert!(hint.contains("create the directory above"), "{hint}");
}

#[test]
fn a_log_that_is_no_regular_file_is_told_as_such() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let log = dir.join("issued.jsonl");
    let elsewhere = above.path().join("elsewhere.jsonl");
    fs::rename(&log, &elsewhere).unwrap();
    let fifo = |log: &std::path::Path| {
        let made = std::process::Command::new("mkfifo").arg(log).status();
        assert!(made.unwrap().success());
    };
    let link = |log: &std::path::Path| std::os::unix::fs::symlink(&elsewhere, log).unwrap();
    for (make, what) in [
        (&fifo as &dyn Fn(&std::path::Path), "it is a FIFO"),
        (&link, "it is a symbolic link"),
    ] {
        make(&log);
        let preflight = open(&dir, "").preflight.unwrap();
        let error = preflight.preflight(&order(&key(), None), Depth::Order);
        let finding = error.unwrap_err().into_finding();
        assert!(finding.summary.ends_with(what), "{}", finding.summary);
        assert!(
            finding
                .hint
                .starts_with("put the log itself there, as a regular file"),
            "{}",
            finding.hint
        );
        fs::remove_file(&log).unwrap();
    }
}
