//! Smallstep's step-ca.

mod broken;
mod logins;
mod orders;

use certbake::authority::{AuthorityError, CATALOGUE, Issued, Opened, Order, Settings};
use certbake::finding::Finding;
use certbake::pki::{AltName, Certificate, Chain, KeyAlgorithm, PrivateKey};
use time::OffsetDateTime;

use crate::servers::assert_openssl_verifies;
use crate::servers::step::{PROVISIONER, StepCa};
use crate::support::contract::{self, PATIENCE, arranged};

/// The fixture itself: Smallstep's client gets a certificate, and gets another after a restart.
#[test]
fn step_enrolls_at_step_ca() {
    let Some(mut ca) = StepCa::start() else {
        return;
    };
    let password = ca.password.to_str().unwrap().to_owned();
    let chain = ca.directory().join("app.crt");
    let key = ca.directory().join("app.key");

    for _ in 0..2 {
        let login = ["--provisioner", PROVISIONER, "--password-file", &password];
        let files = ["app", chain.to_str().unwrap(), key.to_str().unwrap()];
        ca.step(&[&["ca", "certificate", "--force"][..], &login, &files].concat());
        assert_openssl_verifies(&chain, &ca.root);
        ca.serve();
    }
}

/// Trust by the root's fingerprint, login by the JWK provisioner's password.
fn jwk(ca: &StepCa) -> toml::Table {
    let (url, trust) = (ca.url.as_str(), format!("sha256:{}", ca.fingerprint));
    let password = format!("cmd:cat {}", ca.password.display());
    toml::toml! {
        url = url
        trust = trust
        provisioner = PROVISIONER
        password = password
    }
}

/// The same place and trust, another login.
fn with(ca: &StepCa, login: &[(&str, &str)]) -> toml::Table {
    let mut table = jwk(ca);
    table.retain(|key, _| key == "url" || key == "trust");
    for (key, value) in login {
        table.insert((*key).to_owned(), (*value).into());
    }
    table
}

fn open(table: toml::Table) -> Opened {
    open_at(table, OffsetDateTime::now_utc())
}

/// On a machine whose clock shows `now`.
fn open_at(table: toml::Table, now: OffsetDateTime) -> Opened {
    let entry = CATALOGUE.iter().find(|entry| entry.kind == "step-ca");
    (entry.unwrap().open)(&Settings {
        name: "lab",
        table,
        anchors: &[],
        directory: std::path::Path::new("."),
        now,
        environment: &|_| None,
        on_wait: None,
    })
    .unwrap()
}

/// CN=app and app.internal, for an hour, by a new key.
fn order() -> (PrivateKey, Order) {
    contract::order(PATIENCE)
}

fn order_of(common_name: Option<&str>, names: Vec<AltName>) -> (PrivateKey, Order) {
    contract::order_of(KeyAlgorithm::EcdsaP256, common_name, names)
}

/// What was issued leads to the CA's root, as OpenSSL sees it, and has these names.
fn assert_issued(ca: &StepCa, issued: &Issued, key: &PrivateKey, names: &[&str]) -> Chain {
    let chain = arranged(issued, key);
    assert_eq!(chain.intermediates.len(), 1);
    let mut came: Vec<String> = chain
        .leaf
        .facts()
        .names
        .iter()
        .map(ToString::to_string)
        .collect();
    came.sort();
    assert_eq!(came, names);
    let file = ca.directory().join("issued.pem");
    let pem: String = chain.certificates().map(Certificate::pem).collect();
    std::fs::write(&file, pem).unwrap();
    assert_openssl_verifies(&file, &ca.root);
    chain
}

fn refused(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

fn settings(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Settings(finding)) => *finding,
        other => panic!("not a matter of settings: {other:?}"),
    }
}

fn unreachable(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Unreachable(finding)) => *finding,
        other => panic!("not unreachable: {other:?}"),
    }
}
