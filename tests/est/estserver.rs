//! GlobalSign's server, which nobody here wrote.

use std::io::Write;

use certbake::authority::{AuthorityError, Current, Depth};
use certbake::pki::{Certificate, digest, pem};

use crate::servers::est::{EstServer, PASSWORD, USER};
use crate::support::contract::{PATIENCE, arranged, open, order, order_for};

fn anchors(server: &EstServer) -> Vec<Vec<u8>> {
    pem::certificates(&std::fs::read(&server.anchors).unwrap()).unwrap()
}

fn table(server: &EstServer, password: &tempfile::NamedTempFile) -> toml::Table {
    let source = format!("file:{}", password.path().display());
    toml::toml! {
        url = (server.url.as_str())
        username = USER
        password = source
    }
}

fn password(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    file
}

#[test]
fn an_order_is_signed_up_to_the_cas_own_end() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let password = password(PASSWORD);
    let anchors = anchors(&server);
    let opened = open("est", table(&server, &password), &anchors);
    let (key, order) = order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    let chain = arranged(&issued, &key);
    let root = Certificate::from_der(anchors[0].clone()).unwrap();
    assert_eq!(chain.leaf.facts().common_name.as_deref(), Some("app"));
    assert_eq!(chain.leaf.window().not_after, root.window().not_after);
    assert_eq!(issued.anchors, anchors);
    assert!(issued.date.is_some());
}

#[test]
fn its_root_is_trusted_by_fingerprint() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let password = password(PASSWORD);
    let mut table = table(&server, &password);
    let pin = digest::sha256_hex(&anchors(&server)[0]);
    table.insert("trust".to_owned(), pin.into());
    let opened = open("est", table, &[]);
    opened.authority.issue(&order(PATIENCE).1).unwrap();
}

#[test]
fn a_certificate_it_issued_renews_itself() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let password = password(PASSWORD);
    let opened = open("est", table(&server, &password), &anchors(&server));
    let (key, first) = order(PATIENCE);
    let issued = opened.authority.issue(&first).unwrap();
    let url = server.url.as_str();
    let opened = open("est", toml::toml! { url = url }, &anchors(&server));
    let (new_key, second) = order(PATIENCE);
    let current = Current {
        chain: &issued.certificates,
        key: &key,
    };
    let renewed = opened.renew.unwrap().renew(&second, &current).unwrap();
    let leaf = Certificate::from_der(renewed.certificates[0].clone()).unwrap();
    assert_eq!(leaf.facts().spki, new_key.spki());
}

/// It accepts any login, so this is the refusal that can be had from it.
#[test]
fn a_renewal_under_another_name_is_refused_in_its_words() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let password = password(PASSWORD);
    let opened = open("est", table(&server, &password), &anchors(&server));
    let (key, first) = order(PATIENCE);
    let issued = opened.authority.issue(&first).unwrap();
    let current = Current {
        chain: &issued.certificates,
        key: &key,
    };
    let (_key, other) = order_for("somebody-else", PATIENCE);
    let error = opened.renew.unwrap().renew(&other, &current).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(error.to_string().contains("Subject"), "{error}");
}

#[test]
fn the_attributes_it_wants_are_noted_before_the_order() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let password = password(PASSWORD);
    let mut table = table(&server, &password);
    let opened = open("est", table.clone(), &anchors(&server));
    let (_key, order) = order(PATIENCE);
    let notes = opened.preflight.unwrap().preflight(&order, Depth::Whole);
    let codes: Vec<_> = notes.unwrap().iter().map(|note| note.code).collect();
    assert_eq!(codes, [certbake::authority::foresight::ANSWERS]);
    // The label under which this server gives the example of RFC 7030.
    table.insert("label".to_owned(), "csrattrs".into());
    let opened = open("est", table, &anchors(&server));
    let notes = opened
        .preflight
        .unwrap()
        .preflight(&order, Depth::Whole)
        .unwrap();
    assert_eq!(notes[0].code.as_str(), "csr-attributes-demanded");
    assert!(notes[0].summary.contains("a challenge password"));
}
