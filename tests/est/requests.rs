//! What is asked of the server, and what it learns of us.

use certbake::authority::AuthorityError;
use data_encoding::BASE64;

use crate::fake::{Est, lab_with, paths, sign};
use crate::support::contract::{CANARY, PATIENCE, Protocol, Run, open, order};
use crate::support::{FakeServer, Lab};

#[test]
fn an_order_is_what_rfc_7030_asks_for() {
    let run = Run::new(&Est, PATIENCE, |lab, request, _| sign(lab, request));
    let asked = run.server.asked();
    assert_eq!(
        paths(&run.server),
        ["/.well-known/est/cacerts", "/.well-known/est/simpleenroll"]
    );
    assert_eq!(asked[0].header("authorization"), None);
    let order = &asked[1];
    assert_eq!(order.method, "POST");
    assert_eq!(order.header("content-type"), Some("application/pkcs10"));
    assert_eq!(order.header("content-transfer-encoding"), Some("base64"));
    let login = format!(
        "Basic {}",
        BASE64.encode(format!("builder:{CANARY}").as_bytes())
    );
    assert_eq!(order.header("authorization"), Some(login.as_str()));
    assert!(
        order
            .body
            .split(|b| *b == b'\n')
            .all(|line| line.len() <= 64)
    );
    assert_eq!(run.server.connections(), 1);
}

#[test]
fn a_leaf_alone_gets_its_issuer_and_its_root_from_cacerts() {
    let run = Run::new(&Est, PATIENCE, |lab, request, _| sign(lab, request));
    let issued = run.outcome.unwrap();
    assert_eq!(issued.certificates.len(), 2);
    assert_eq!(issued.certificates[1], run.lab.issuing());
    assert_eq!(issued.anchors, [run.lab.root()]);
}

#[test]
fn a_label_stands_between_est_and_the_operation() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
        Some(request) => sign(&serving, &request),
        None => Est.issued(&[serving.root()]),
    });
    let url = server.origin();
    let table = toml::toml! {
        url = url
        label = "devices"
    };
    let opened = open("est", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(
        paths(&server),
        [
            "/.well-known/est/devices/cacerts",
            "/.well-known/est/devices/simpleenroll"
        ]
    );
    assert_eq!(server.asked()[1].header("authorization"), None);
}

#[test]
fn orders_at_the_same_time_share_what_was_learnt_about_the_server() {
    let (_lab, server, opened) = lab_with(sign, |_| {});
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
        }
    });
    let cacerts = paths(&server)
        .iter()
        .filter(|path| path.ends_with("cacerts"))
        .count();
    assert_eq!((cacerts, server.asked().len()), (1, 5));
}

#[test]
fn a_password_that_cannot_be_read_ends_the_order_before_anything_is_sent() {
    let (_lab, server, opened) = lab_with(sign, |table| {
        table.insert("password".to_owned(), "env:CERTBAKE_TEST_UNSET".into());
    });
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "secret-unreadable");
    assert_eq!(server.connections(), 0);
}
