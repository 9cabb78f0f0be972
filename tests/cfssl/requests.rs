//! What an order asks of the server.

use certbake::pki::pem;
use serde_json::{Value, json};

use crate::fake::{body, orders_with, sign, without_key, wrapped};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, order};

#[test]
fn an_order_is_authenticated_and_the_ca_comes_from_info() {
    let (lab, server, opened) = orders_with(sign, |table| {
        table.insert("label".to_owned(), "primary".into());
        table.insert("bundle".to_owned(), true.into());
    });
    let (_key, order) = order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(issued.certificates.len(), 2);
    assert_eq!(issued.certificates[1], lab.issuing());
    assert!(issued.findings.is_empty(), "{:?}", issued.findings);
    let asked = server.asked();
    assert_eq!(
        body(&asked[0]),
        json!({"label": "primary", "profile": "client"})
    );
    let request = wrapped(&asked[1]);
    assert_eq!(request["certificate_request"], order.request.pem());
    assert_eq!(
        (&request["profile"], &request["label"]),
        (&json!("client"), &json!("primary"))
    );
    assert_eq!(request["bundle"], true);
}

#[test]
fn an_end_is_asked_for_only_when_it_comes_before_the_profiles_own() {
    let (_lab, server, opened) = orders_with(sign, |_| {});
    let (_key, mut order) = order(PATIENCE);
    opened.authority.issue(&order).unwrap();
    order.ttl = Some("100h".parse().unwrap());
    opened.authority.issue(&order).unwrap();
    let [_, shorter, longer] = server.asked().try_into().unwrap();
    assert!(
        wrapped(&shorter)["NotAfter"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(wrapped(&longer)["NotAfter"], Value::Null);
}

#[test]
fn without_a_key_sign_is_asked_and_that_is_said_with_every_order() {
    let (_lab, server, opened) = orders_with(sign, without_key);
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked()[1].path, "/api/v1/cfssl/sign");
    let [finding] = &issued.findings[..] else {
        panic!("{:?}", issued.findings);
    };
    assert_eq!(finding.code.as_str(), "cfssl-open");
    assert!(!finding.is_error());
}

#[test]
fn what_the_server_says_beside_a_certificate_is_passed_on() {
    let (_lab, _server, opened) = orders_with(
        |lab, request| {
            let certificate = pem::encode("CERTIFICATE", &lab.sign(request));
            let message = json!({"code": 5300, "message": "cannot bundle\u{1b}[2J"});
            let envelope = json!({"success": true, "result": {"certificate": certificate},
                "errors": [], "messages": [message]});
            Reply::ok(envelope.to_string())
        },
        |_| {},
    );
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.findings[0].code.as_str(), "ca-said");
    assert_eq!(issued.findings[0].facts["said"], "cannot bundle [2J");
}

#[test]
fn orders_at_the_same_time_ask_for_the_ca_once() {
    let (_lab, server, opened) = orders_with(sign, |_| {});
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
        }
    });
    assert_eq!(server.asked().len(), 5);
}
