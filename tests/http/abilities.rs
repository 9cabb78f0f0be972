//! Preflight, renewal and revocation.

use certbake::authority::{AuthorityError, Current, Depth, Reason};
use certbake::pki::{Certificate, PrivateKey};

use crate::fake::{Api, SIGN, body, csr, lab_with, set, sign};
use crate::support::contract::{PATIENCE, Protocol, credential, open, order, revocation};
use crate::support::{FakeServer, Lab, Reply};

#[test]
fn a_renewal_shows_the_current_certificate() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        assert_eq!(asked.path, "/api/v1/renewals");
        let request = csr(body(asked)["csr"].as_str().unwrap());
        Api.issued(&[serving.sign(&request), serving.issuing()])
    });
    let (_file, source) = credential();
    let opened = open("http", Api.settings(&server, &source), &lab.anchors());
    let present = lab.client("app");
    let current_key = PrivateKey::from_der(&present.key).unwrap();
    let (key, order) = order(PATIENCE);
    let current = Current {
        chain: &present.chain,
        key: &current_key,
    };
    let issued = opened.renew.unwrap().renew(&order, &current).unwrap();
    let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    assert_eq!(leaf.facts().spki, key.spki());
    assert_eq!(
        server.asked()[0].client_certificate.as_ref(),
        Some(&present.chain[0])
    );
}

#[test]
fn a_revocation_has_the_certificate_in_scope() {
    let (lab, server, opened) = lab_with(|_, _| Reply::status(204), |_| {});
    let certificate = lab.client("app").certificate();
    let revocation = revocation(&certificate, Reason::KeyCompromise);
    assert_eq!(opened.revoke.unwrap().revoke(&revocation).unwrap(), []);
    let asked = &server.asked()[0];
    let serial = &certificate.facts().serial;
    assert_eq!(asked.method, "DELETE");
    assert_eq!(asked.path, format!("{SIGN}/{serial}?reason=keyCompromise"));
}

#[test]
fn the_look_before_an_order_tries_the_login() {
    for (status, good) in [(200, true), (204, true), (401, false), (404, false)] {
        let (_lab, server, opened) = lab_with(move |_, _| Reply::status(status), |_| {});
        let (_key, order) = order(PATIENCE);
        let preflight = opened.preflight.unwrap();
        assert_eq!(preflight.preflight(&order, Depth::Order).unwrap(), []);
        assert!(server.asked().is_empty());
        let found = preflight.preflight(&order, Depth::Whole);
        assert_eq!(found.is_ok(), good, "{status}: {found:?}");
        assert_eq!(server.asked()[0].path, "/api/v1/me");
        assert!(server.asked()[0].header("authorization").is_some());
    }
}

#[test]
fn a_template_that_this_order_cannot_fill_is_seen_before_anything_is_sent() {
    let (_lab, server, opened) = lab_with(sign, |table| {
        set(
            table,
            "request = { body = '''{\"csr\": {{ csr }},\n\"ttl\": {{ ttl_seconds }} }''' }",
        );
    });
    let (_key, mut order) = order(PATIENCE);
    order.ttl = None;
    let before = opened.preflight.unwrap().preflight(&order, Depth::Order);
    for error in [
        before.unwrap_err(),
        opened.authority.issue(&order).unwrap_err(),
    ] {
        assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
        let finding = error.into_finding();
        assert_eq!(finding.code.as_str(), "template-unfilled");
        assert!(
            finding.summary.contains("request.body, line 2"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains("ttl"), "{}", finding.hint);
    }
    assert!(server.asked().is_empty());
}
