//! The embedded authority: a CA in a directory, from its first use to its end.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certbake::authority::embedded::{CaDirectory, CaError, NewCa, Terms};
use certbake::authority::{AuthorityError, CATALOGUE, Issued, Opened, Order, Settings};
use certbake::finding::Finding;
use certbake::pki::path::validate;
use certbake::pki::{
    AltName, Anchors, Certificate, Credential, KeyAlgorithm, PrivateKey, ReceivedRequest,
    SigningRequest, Subject, Usage,
};
use certbake::span::Span;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

fn days(count: i64) -> Span {
    Span::seconds(count * 86_400)
}

fn open(dir: &Path, settings: &str) -> Opened {
    let mut table: toml::Table = settings.parse().unwrap();
    table.insert("dir".into(), dir.display().to_string().into());
    let entry = CATALOGUE.iter().find(|e| e.kind == "embedded").unwrap();
    let settings = Settings {
        name: "lab",
        table,
        anchors: &[],
        directory: Path::new("/nowhere"),
        now: NOW,
        environment: &|_| None,
    };
    (entry.open)(&settings).unwrap()
}

fn order(key: &PrivateKey, ttl: Option<Span>) -> Order {
    Order {
        request: request(key),
        ttl,
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

fn request(key: &PrivateKey) -> SigningRequest {
    let subject = Subject {
        common_name: Some("app-server".into()),
        organization: Some("Lab".into()),
        ..Subject::default()
    };
    let names = vec![
        AltName::dns("app.internal").unwrap(),
        AltName::ip("10.0.0.7").unwrap(),
        AltName::uri("spiffe://lab/app").unwrap(),
        AltName::email("ops@app.internal").unwrap(),
    ];
    SigningRequest::new(key, subject, names, Usage::Client).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn leaf(issued: &Issued, key: PrivateKey) -> Certificate {
    let roots = issued.anchors.iter().cloned();
    let roots = roots.map(|der| Certificate::from_der(der).unwrap());
    let anchors = Anchors::new(roots.collect());
    let credential = Credential::assemble(Arc::new(key), &issued.certificates, anchors).unwrap();
    let chain = credential.chain();
    validate(
        &chain.leaf,
        &chain.intermediates,
        credential.anchors(),
        NOW,
        Usage::Client,
        &[],
    )
    .unwrap();
    chain.leaf.clone()
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

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
    assert_eq!(issued.findings, []);

    let log = CaDirectory::open(&dir).unwrap().log().read().unwrap();
    let entries = log.entries;
    assert_eq!((entries.len(), log.unreadable), (1, 0));
    assert_eq!(entries[0].serial, facts.serial);
    assert_eq!(entries[0].requester, "local");
    assert_eq!(entries[0].not_after, "2026-06-08T12:00:00Z");
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

    fs::set_permissions(
        dir.join("keys/intermediate.key"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    let error = open(&dir, "").authority.issue(&order(&key(), None));
    assert!(matches!(error, Err(AuthorityError::Settings(finding))
        if finding.summary.ends_with("its mode is 0640, so others can read or change it")));
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
    assert_eq!(codes(&issued.findings), ["lifetime-capped"]);
    let end = leaf(&issued, key).window().not_after;
    assert_eq!(end, NOW + time::Duration::days(10));
}

#[test]
fn a_certificate_never_outlives_the_intermediate() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let new = NewCa {
        intermediate_lifetime: days(5),
        ..NewCa::default()
    };
    CaDirectory::make(&dir, &new, NOW).unwrap();
    let key = key();
    let issued = open(&dir, "").authority.issue(&order(&key, None)).unwrap();
    assert_eq!(codes(&issued.findings), ["issuer-ends-first"]);
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
fn the_ca_takes_any_key_that_certbake_makes() {
    let above = tempfile::tempdir().unwrap();
    for (algorithm, name) in KeyAlgorithm::ALL {
        let ca = CaDirectory::open_or_make(
            &above.path().join(name),
            &NewCa {
                key_algorithm: algorithm,
                ..NewCa::default()
            },
            NOW,
        )
        .unwrap();
        let key = PrivateKey::generate(algorithm).unwrap();
        let request = ReceivedRequest::from_der(request(&key).der()).unwrap();
        let terms = Terms {
            now: NOW,
            ttl: days(1),
            max_ttl: days(1),
            requester: "local",
        };
        let granted = ca.issue(&request, &terms).unwrap();
        let anchors = Anchors::new(vec![ca.root().clone()]);
        validate(
            &granted.certificate,
            &[ca.intermediate().clone()],
            &anchors,
            NOW,
            Usage::Client,
            &[],
        )
        .unwrap();
    }
}
