//! Orders by a JWK provisioner: names, lifetimes, trust, clocks, renewal, revocation.

use std::process::Command;
use std::time::Duration;

use certbake::authority::{Current, Depth, Reason, Revocation};
use certbake::pki::{AltName, Certificate, PrivateKey};
use certbake::span::Span;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{assert_issued, jwk, open, open_at, order, order_of, refused, settings, with};
use crate::servers::step::{PASSWORD, StepCa};
use crate::support::contract::{arranged, order_by, revocation};

#[test]
fn a_password_and_a_fingerprint_are_enough() {
    let Some(ca) = StepCa::start() else { return };
    let opened = open(jwk(&ca));
    let (key, order) = order();
    let issued = opened.authority.issue(&order).unwrap();
    let chain = assert_issued(&ca, &issued, &key, &["dns:app.internal"]);
    assert_eq!(chain.leaf.facts().common_name.as_deref(), Some("app"));
    // An hour from the CA's now, which it backdates by a minute.
    assert_eq!(chain.leaf.window().lifetime(), time::Duration::minutes(61));
    assert_eq!(issued.anchors.len(), 1);
    assert!(issued.date.is_some());
}

#[test]
fn the_certificate_has_exactly_the_names_that_were_asked_for() {
    let Some(ca) = StepCa::start() else { return };
    let opened = open(jwk(&ca));
    let issue = |common_name, names: Vec<AltName>, expected: &[&str]| {
        let (key, order) = order_of(common_name, names);
        let issued = opened.authority.issue(&order).unwrap();
        assert_issued(&ca, &issued, &key, expected)
    };
    issue(Some("app"), vec![], &[]);
    issue(
        Some("app"),
        vec![
            AltName::dns("*.app.internal").unwrap(),
            AltName::ip("10.0.0.7").unwrap(),
            AltName::ip("2001:db8::7").unwrap(),
            AltName::uri("spiffe://lab/app").unwrap(),
            AltName::email("ops@app.internal").unwrap(),
        ],
        &[
            "dns:*.app.internal",
            "email:ops@app.internal",
            "ip:10.0.0.7",
            "ip:2001:db8::7",
            "uri:spiffe://lab/app",
        ],
    );
    // A token must have a subject, and the CA makes it the common name.
    let chain = issue(
        None,
        vec![AltName::dns("app.internal").unwrap()],
        &["dns:app.internal"],
    );
    assert_eq!(
        chain.leaf.facts().common_name.as_deref(),
        Some("app.internal")
    );
}

#[test]
fn another_fingerprint_is_told_and_nothing_is_asked_for() {
    let Some(ca) = StepCa::start() else { return };
    let mut table = jwk(&ca);
    table.insert(
        "trust".to_owned(),
        format!("sha256:{}", "ab".repeat(32)).into(),
    );
    let error = open(table).authority.issue(&order().1).unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "ca-pin-mismatch");
    assert!(!ca.running.as_ref().unwrap().output().contains("/sign"));
}

#[test]
fn a_lifetime_above_the_limit_is_foreseen_and_refused_with_the_limit() {
    let Some(mut ca) = StepCa::make() else { return };
    ca.set_claim("maxTLSCertDuration", "72h");
    ca.serve();
    let opened = open(jwk(&ca));
    let (_key, mut order) = order();
    order.ttl = Some(Span::seconds(72 * 3600));
    opened.authority.issue(&order).unwrap();
    order.ttl = Some(Span::seconds(72 * 3600 + 61));
    let finding = refused(opened.authority.issue(&order));
    assert_eq!(finding.code.as_str(), "ttl-not-allowed");
    assert_eq!(finding.facts["maximum_seconds"], 72 * 3600);
    assert!(finding.hint.contains("at most 3d"), "{}", finding.hint);
    let preflight = opened.preflight.unwrap();
    let foreseen = preflight.preflight(&order, Depth::Order).unwrap();
    assert_eq!(foreseen[0].code.as_str(), "ttl-not-allowed");
    assert_eq!(foreseen[0].facts["maximum_seconds"], 72 * 3600);
    order.ttl = Some(Span::seconds(1));
    let finding = refused(opened.authority.issue(&order));
    assert_eq!(finding.facts["minimum_seconds"], 300);
    order.ttl = Some(Span::seconds(3600));
    let look = preflight.preflight(&order, Depth::Whole).unwrap();
    assert_eq!(look[0].code.as_str(), "ca-answers");
    assert_eq!(look[0].facts["max_ttl_seconds"], 72 * 3600);
}

#[test]
fn a_clock_that_is_wrong_here_does_not_spoil_a_token() {
    let Some(ca) = StepCa::start() else { return };
    for hours in [-5, 5] {
        let wrong = OffsetDateTime::now_utc() + time::Duration::hours(hours);
        let issued = open_at(jwk(&ca), wrong)
            .authority
            .issue(&order().1)
            .unwrap();
        let offset = issued.date.unwrap() - OffsetDateTime::now_utc();
        assert!(offset.abs() < time::Duration::MINUTE);
    }
}

#[test]
fn a_certificate_is_renewed_by_its_key_and_rekeyed_by_another() {
    let Some(ca) = StepCa::start() else { return };
    let opened = open(jwk(&ca));
    let (key, first) = order();
    let issued = opened.authority.issue(&first).unwrap();
    let old = arranged(&issued, &key);
    let current = Current {
        chain: &issued.certificates,
        key: &key,
    };
    let renew = opened.renew.unwrap();
    let again = order_by(&key, Some("app"), vec![]);
    let renewed = renew.renew(&again, &current).unwrap();
    let chain = assert_issued(&ca, &renewed, &key, &["dns:app.internal"]);
    assert_ne!(chain.leaf.facts().serial, old.leaf.facts().serial);
    assert_eq!(chain.leaf.window().lifetime(), old.leaf.window().lifetime());
    let (new, order) = order();
    let rekeyed = renew.renew(&order, &current).unwrap();
    assert_issued(&ca, &rekeyed, &new, &["dns:app.internal"]);
}

/// The CA verifies an expired certificate as of a minute before its end, when its own chain has to have
/// been valid: this one then is a day old.
fn make_older(ca: &mut StepCa) {
    let start = OffsetDateTime::now_utc() - time::Duration::DAY;
    let start = start
        .replace_nanosecond(0)
        .unwrap()
        .format(&Rfc3339)
        .unwrap();
    let file = |name: &str| ca.directory().join(name).to_str().unwrap().to_owned();
    let password = ca.password.to_str().unwrap();
    let (root, root_key) = (file("certs/root_ca.crt"), file("secrets/root_ca_key"));
    let (issuing, key) = (
        file("certs/intermediate_ca.crt"),
        file("secrets/intermediate_ca_key"),
    );
    let always = [
        "--not-before",
        &start,
        "--password-file",
        password,
        "--force",
    ];
    let create = [
        "certificate",
        "create",
        "Lab Root CA",
        &root,
        "--profile",
        "root-ca",
    ];
    ca.step(&[&create[..], &["--key", &root_key], &always].concat());
    let create = [
        "certificate",
        "create",
        "Lab Issuing CA",
        &issuing,
        "--profile",
        "intermediate-ca",
    ];
    let by = [
        "--ca",
        &root,
        "--ca-key",
        &root_key,
        "--ca-password-file",
        password,
        "--key",
        &key,
    ];
    ca.step(&[&create[..], &by, &always].concat());
    let fingerprint = ca.step(&["certificate", "fingerprint", &root]);
    ca.fingerprint = String::from_utf8(fingerprint).unwrap().trim().to_owned();
}

#[test]
fn an_expired_certificate_is_renewed_only_where_the_ca_allows_it() {
    let Some(mut ca) = StepCa::make() else { return };
    make_older(&mut ca);
    ca.set_claim("minTLSCertDuration", "1s");
    for allowed in [false, true] {
        ca.configure(|configuration| {
            configuration["authority"]["provisioners"][0]["claims"]["allowRenewalAfterExpiry"] =
                allowed.into();
        });
        ca.serve();
        let opened = open(jwk(&ca));
        let (key, mut order) = order();
        order.ttl = Some(Span::seconds(1));
        let issued = opened.authority.issue(&order).unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        let current = Current {
            chain: &issued.certificates,
            key: &key,
        };
        let again = order_by(&key, Some("app"), vec![]);
        let renewed = opened.renew.unwrap().renew(&again, &current);
        if allowed {
            let chain = arranged(&renewed.unwrap(), &key);
            assert_eq!(chain.leaf.facts().common_name.as_deref(), Some("app"));
        } else {
            let finding = refused(renewed);
            assert_eq!(finding.code.as_str(), "renewal-not-allowed");
            assert!(
                finding.summary.contains("certificate expired on"),
                "{}",
                finding.summary
            );
        }
    }
}

#[test]
fn a_certificate_is_taken_back_by_the_provisioner_or_by_its_own_key_and_then_not_renewed() {
    let Some(ca) = StepCa::start() else { return };
    let by_provisioner = open(jwk(&ca));
    let by_itself = open(with(&ca, &[("token", "env:CERTBAKE_TEST_UNSET")]));
    for revoking in [&by_provisioner, &by_itself] {
        let (key, order) = order();
        let issued = by_provisioner.authority.issue(&order).unwrap();
        let certificate = Certificate::from_der(issued.certificates[0].clone()).unwrap();
        let by_its_key = || Revocation {
            key: Some(&key),
            ..revocation(&certificate, Reason::KeyCompromise)
        };
        let revoke = revoking.revoke.as_ref().unwrap();
        let notes = revoke.revoke(&by_its_key()).unwrap();
        assert_eq!(notes[0].code.as_str(), "revocation-passive");
        revoke.revoke(&by_its_key()).unwrap();
        let current = Current {
            chain: &issued.certificates,
            key: &key,
        };
        let again = order_by(&key, Some("app"), vec![]);
        let renew = by_provisioner.renew.as_ref().unwrap();
        let finding = refused(renew.renew(&again, &current));
        assert_eq!(finding.code.as_str(), "renewal-not-allowed");
        assert!(finding.hint.contains("revoked"), "{}", finding.hint);
    }
}

/// step-ca itself would note it, and say that all is well.
#[test]
fn a_certificate_of_another_ca_is_not_noted_as_revoked() {
    let Some(ca) = StepCa::start() else { return };
    let foreign = crate::support::Lab::new("Other").client("x").certificate();
    let foreign = revocation(&foreign, Reason::KeyCompromise);
    let revoked = open(jwk(&ca)).revoke.unwrap().revoke(&foreign);
    let error = revoked.unwrap_err().to_string();
    for words in ["refused", "Other Issuing", "Lab Intermediate CA"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_provisioner_of_another_type_and_a_wrong_password_are_told_by_name() {
    let Some(mut ca) = StepCa::make() else { return };
    ca.add_provisioner(serde_json::json!({ "type": "ACME", "name": "acme" }));
    ca.serve();
    let issue = |key: &str, value: &str| {
        let mut table = jwk(&ca);
        table.insert(key.to_owned(), value.into());
        settings(open(table).authority.issue(&order().1))
    };
    let acme = issue("provisioner", "acme");
    assert!(
        acme.summary.contains("is of type ACME, not JWK"),
        "{}",
        acme.summary
    );
    let typo = issue("provisioner", "admni");
    assert!(
        typo.hint.contains("did you mean \"admin\""),
        "{}",
        typo.hint
    );
    let wrong = issue("password", "cmd:echo wrong");
    assert_eq!(wrong.code.as_str(), "password-wrong");
    assert!(!ca.running.as_ref().unwrap().output().contains("/sign"));
}

/// The binary, from words to files.
#[test]
fn provision_bakes_a_certificate_of_step_ca_into_an_image() {
    let Some(ca) = StepCa::start() else { return };
    let root = ca.directory().join("rootfs");
    std::fs::create_dir_all(root.join("etc/app")).unwrap();
    let file = ca.directory().join("certbake.toml");
    let (url, fingerprint) = (&ca.url, &ca.fingerprint);
    let text = format!(
        r#"
        [ca.lab]
        kind = "step-ca"
        url = "{url}"
        trust = "sha256:{fingerprint}"
        provisioner = "admin"
        password = "env:STEP_PASSWORD"

        [identity.app]
        common_name = "app"
        dns = ["app.internal"]
        ttl = "12h"
        min_validity = "8h"

        [identity.app.placements]
        full_chain = "/etc/app/client.crt"
        private_key = "/etc/app/client.key"

        [identity.batch]
        common_name = "batch"
        ttl = "12h"

        [identity.batch.placements]
        combined = "/etc/app/batch.pem"
        "#
    );
    std::fs::write(&file, text).unwrap();
    let run = |ttl: &str| {
        Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["provision", "--config", file.to_str().unwrap()])
            .args([
                "--root",
                root.to_str().unwrap(),
                "--report",
                "json",
                "--ttl",
                ttl,
            ])
            .env("STEP_PASSWORD", PASSWORD)
            .output()
            .unwrap()
    };
    let baked = run("12h");
    let said = String::from_utf8_lossy(&[baked.stdout, baked.stderr].concat()).into_owned();
    assert_eq!(baked.status.code(), Some(0), "{said}");
    assert!(!said.contains(PASSWORD));
    crate::servers::assert_openssl_verifies(&root.join("etc/app/client.crt"), &ca.root);
    let pem = std::fs::read(root.join("etc/app/batch.pem")).unwrap();
    assert!(pem.starts_with(b"-----BEGIN PRIVATE KEY-----"));

    let longer = run("90d");
    let said = String::from_utf8_lossy(&[longer.stdout, longer.stderr].concat()).into_owned();
    assert_eq!(longer.status.code(), Some(5), "{said}");
    assert!(said.contains("ttl-not-allowed"), "{said}");
    assert!(
        said.contains("authorized maximum certificate duration of 24h1m0s"),
        "{said}"
    );
}

#[test]
fn orders_at_the_same_time_take_one_login() {
    let Some(ca) = StepCa::start() else { return };
    let opened = open(jwk(&ca));
    let keys: Vec<PrivateKey> = std::thread::scope(|scope| {
        let orders: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let (key, order) = order();
                    arranged(&opened.authority.issue(&order).unwrap(), &key);
                    key
                })
            })
            .collect();
        orders
            .into_iter()
            .map(|order| order.join().unwrap())
            .collect()
    });
    assert_eq!(keys.len(), 20);
    let log = ca.running.as_ref().unwrap().output();
    assert_eq!(log.matches("path=\"/provisioners").count(), 1);
    assert_eq!(log.matches("path=/1.0/sign ").count(), 20);
}
