//! A client certificate as the login.

use std::os::unix::fs::PermissionsExt;

use certbake::authority::{AuthorityError, Current};
use certbake::pki::{Certificate, PrivateKey, pem};

use crate::fake::{Est, sign};
use crate::support::contract::{PATIENCE, Protocol, credential, open, order};
use crate::support::{FakeServer, Lab, Reply};

/// A server that wants a client certificate, and signs.
fn enrolling(lab: &Lab) -> FakeServer {
    let serving = lab.clone();
    FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        match Est.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Est.aside(&serving, asked),
        }
    })
}

#[test]
fn a_client_certificate_from_files_is_shown_and_its_key_must_be_private() {
    let lab = Lab::new("Lab");
    let server = enrolling(&lab);
    let builder = lab.client("builder");
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("b.pem"), folder.path().join("b.key"));
    let chain: String = builder
        .chain
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    std::fs::write(&certificate, chain).unwrap();
    std::fs::write(&key, pem::encode("PRIVATE KEY", &builder.key)).unwrap();
    let url = server.origin();
    let table = toml::toml! {
        url = url
        client_certificate = (certificate.to_str().unwrap())
        client_key = (key.to_str().unwrap())
    };
    let mode = |mode| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let opened = open("est", table.clone(), &lab.anchors());
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "secret-file-exposed");
    mode(0o600);
    let opened = open("est", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(
        server.asked()[1].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
}

/// `openssl pkcs12 -nodes` writes what a store holds in the store's order, a root first perhaps.
#[test]
fn a_client_certificate_is_found_wherever_it_stands_in_its_file() {
    let lab = Lab::new("Lab");
    let server = enrolling(&lab);
    let builder = lab.client("builder");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("login.pem");
    let reversed = std::iter::once(lab.root()).chain(builder.chain.iter().rev().cloned());
    let mut text = pem::encode("PRIVATE KEY", &builder.key);
    text.extend(reversed.map(|der| pem::encode("CERTIFICATE", &der)));
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let url = server.origin();
    let table = toml::toml! {
        url = url
        client_certificate = (file.to_str().unwrap())
    };
    let opened = open("est", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(
        server.asked()[1].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
}

#[test]
fn a_server_that_wants_a_certificate_refuses_a_password_alone() {
    let lab = Lab::new("Lab");
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), |_| Reply::ok(""));
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(
        error.to_string().contains("certificate_required"),
        "{error}"
    );
}

#[test]
fn a_renewal_shows_the_current_certificate_and_may_bring_a_new_key() {
    let lab = Lab::new("Lab");
    let server = enrolling(&lab);
    let present = lab.client("app");
    let key = PrivateKey::from_der(&present.key).unwrap();
    let url = server.origin();
    let table = toml::toml! { url = url };
    let opened = open("est", table, &lab.anchors());
    let (new_key, order) = order(PATIENCE);
    let current = Current {
        chain: &present.chain,
        key: &key,
    };
    let issued = opened.renew.unwrap().renew(&order, &current).unwrap();
    let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    assert_eq!(leaf.facts().spki, new_key.spki());
    let asked = &server.asked()[1];
    assert_eq!(asked.path, "/.well-known/est/simplereenroll");
    assert_eq!(asked.client_certificate.as_ref(), Some(&present.chain[0]));
}
