//! Certificates that are revoked.

use certbake::authority::{AuthorityError, Reason};
use certbake::pki::Certificate;
use serde_json::json;

use crate::fake::{API, answer, cas, error, lab_with};
use crate::support::contract::revocation;
use crate::support::{FakeServer, Reply};

fn revoke(
    reply: Reply,
) -> (
    FakeServer,
    Certificate,
    Result<Vec<certbake::finding::Finding>, AuthorityError>,
) {
    let (lab, server, opened) = lab_with(
        move |_, asked| {
            if asked.path.ends_with("/v1/ca") {
                cas()
            } else {
                reply.clone()
            }
        },
        |_| {},
    );
    let certificate = lab.client("app").certificate();
    let revoked = opened
        .revoke
        .unwrap()
        .revoke(&revocation(&certificate, Reason::KeyCompromise));
    (server, certificate, revoked)
}

#[test]
fn a_certificate_is_revoked_by_ejbcas_name_of_its_issuer_and_its_serial() {
    let (server, certificate, revoked) = revoke(answer(200, &json!({"revoked": true})));
    assert_eq!(revoked.unwrap(), []);
    let asked = &server.asked()[1];
    assert_eq!(asked.method, "PUT");
    let serial = &certificate.facts().serial;
    assert_eq!(
        asked.path,
        format!(
            "{API}/v1/certificate/CN=Lab%20Issuing,O=Lab%5C,%20Inc%2FEU/{serial}/revoke?reason=KEY_COMPROMISE"
        )
    );
}

#[test]
fn one_revoked_already_is_no_error_and_one_that_waits_is_not_revoked() {
    let (_, _, revoked) = revoke(error(409, "Certificate is already revoked"));
    assert_eq!(revoked.unwrap(), []);
    let (_, _, revoked) = revoke(answer(202, &json!({"info_message": "waiting"})));
    let Err(AuthorityError::Unreachable(finding)) = revoked else {
        panic!("{revoked:?}");
    };
    assert_eq!(finding.code.as_str(), "ca-pending");
    let (_, _, revoked) = revoke(error(404, "no such certificate"));
    assert!(matches!(revoked, Err(AuthorityError::Refused(_))));
}
