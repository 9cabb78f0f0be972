//! Certificates that are revoked.

use certbake::authority::Reason;
use certbake::pki::Certificate;
use serde_json::json;

use crate::fake::{Cfssl, body, lab_with, success};
use crate::support::contract::{PATIENCE, Protocol, order, revocation};
use crate::support::{Asked, Lab, Reply};

#[test]
fn a_revocation_names_serial_issuer_and_reason_as_the_store_does() {
    let (lab, server, opened) = lab_with(
        |lab, asked| match asked.path.as_str() {
            "/api/v1/cfssl/revoke" => success(&json!({})),
            _ => Cfssl.aside(lab, asked),
        },
        |_| {},
    );
    let request = order(PATIENCE).1.request;
    let certificate = Certificate::from_der(lab.sign(request.der())).unwrap();
    let revocation = revocation(&certificate, Reason::KeyCompromise);
    assert_eq!(opened.revoke.unwrap().revoke(&revocation).unwrap(), []);
    let body = body(server.asked().last().unwrap());
    assert_eq!(body["reason"], "keyCompromise");
    let serial = body["serial"].as_str().unwrap();
    assert!(
        serial.bytes().all(|b| b.is_ascii_digit()) && serial.len() > 30,
        "{serial}"
    );
    assert_eq!(body["authority_key_id"].as_str().unwrap().len(), 40);
}

#[test]
fn a_server_without_a_store_says_so() {
    let (lab, _server, opened) = lab_with(aside, |_| {});
    let certificate = lab.client("app").certificate();
    let revocation = revocation(&certificate, Reason::Unspecified);
    let error = opened.revoke.unwrap().revoke(&revocation).unwrap_err();
    assert!(error.into_finding().hint.contains("-db-config"));
}

fn aside(lab: &Lab, asked: &Asked) -> Reply {
    Cfssl.aside(lab, asked)
}
