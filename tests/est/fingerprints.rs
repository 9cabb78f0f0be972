//! A root that is known by its fingerprint alone.

use certbake::authority::AuthorityError;
use certbake::pki::digest;

use crate::fake::{Est, paths, sign};
use crate::support::contract::{PATIENCE, Protocol, credential, open, order};
use crate::support::{FakeServer, Lab};

fn table(server: &FakeServer, source: &str, pin: &str) -> toml::Table {
    let mut table = Est.settings(server, source);
    table.insert("trust".to_owned(), format!("sha256:{pin}").into());
    table
}

#[test]
fn a_root_is_fetched_compared_and_then_trusted_alone() {
    let lab = Lab::new("Lab");
    let (serving, stray) = (lab.clone(), Lab::new("Stray"));
    let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
        Some(request) => sign(&serving, &request),
        None => Est.issued(&[stray.root(), serving.issuing(), serving.root()]),
    });
    let (_file, source) = credential();
    let pin = digest::sha256_hex(&lab.root());
    let opened = open("est", table(&server, &source, &pin), &[]);
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, [lab.root()]);
    assert_eq!(
        paths(&server),
        [
            "/.well-known/est/cacerts",
            "/.well-known/est/cacerts",
            "/.well-known/est/simpleenroll"
        ]
    );
}

#[test]
fn another_root_ends_the_order_and_nothing_secret_was_sent() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| Est.aside(&serving, asked));
    let (_file, source) = credential();
    let pin = "ab".repeat(32);
    let opened = open("est", table(&server, &source, &pin), &[]);
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-pin-mismatch");
    assert_eq!(finding.facts["pinned"], pin);
    assert_eq!(finding.facts["came"][0], digest::sha256_hex(&lab.root()));
    assert_eq!(server.asked().len(), 1);
    assert_eq!(server.asked()[0].header("authorization"), None);
}

/// The right root among `/cacerts`, on a server that somebody else runs.
#[test]
fn a_server_that_shows_the_pinned_root_without_being_of_it_is_turned_down() {
    let (lab, thief) = (Lab::new("Lab"), Lab::new("Thief"));
    let serving = lab.clone();
    let server = FakeServer::https(&thief.server(), move |asked| Est.aside(&serving, asked));
    let (_file, source) = credential();
    let pin = digest::sha256_hex(&lab.root());
    let opened = open("est", table(&server, &source, &pin), &[]);
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "ca-tls");
    assert_eq!(server.asked().len(), 1);
}
