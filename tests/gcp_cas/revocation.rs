//! A certificate is taken back.

use std::sync::{Arc, Mutex};

use certbake::authority::{AuthorityError, Reason};
use certbake::finding::Finding;
use certbake::pki::Certificate;
use serde_json::{Value, json};

use crate::fake::{POOL, answer, by_the_proto, lab_with, parameter};
use crate::support::contract::revocation;
use crate::support::{FakeServer, Lab};

/// Revokes a certificate of which the service lists this.
fn revoke(
    list: impl FnOnce(&Lab, &Certificate) -> Value,
) -> (
    FakeServer,
    Certificate,
    Result<Vec<Finding>, AuthorityError>,
) {
    let listed = Arc::new(Mutex::new(Value::Null));
    let serving = Arc::clone(&listed);
    let (lab, server, opened) = lab_with(
        move |_, asked| {
            if let Err(reply) = by_the_proto(asked) {
                return Some(reply);
            }
            let lists = asked.method == "GET";
            let list = serving.lock().unwrap().clone();
            Some(answer(if lists { &list } else { &Value::Null }))
        },
        &[],
        |_, _| {},
    );
    let certificate = lab.client("app").certificate();
    *listed.lock().unwrap() = list(&lab, &certificate);
    let revoked = opened
        .revoke
        .unwrap()
        .revoke(&revocation(&certificate, Reason::Superseded));
    (server, certificate, revoked)
}

#[test]
fn the_resource_is_found_by_its_serial_and_revoked() {
    let name = "projects/123/locations/europe-west1/caPools/builders/certificates/app-77";
    let (server, certificate, revoked) = revoke(|lab, certificate| {
        // Whose serial number has the other in it.
        let other = lab.client("other").certificate().pem();
        let stranger = json!({ "name": name.replace("app-77", "other"), "pemCertificate": other });
        let ours = json!({ "name": name, "pemCertificate": certificate.pem() });
        json!({ "certificates": [stranger, ours] })
    });
    assert_eq!(revoked.unwrap(), []);
    let asked = server.asked();
    assert_eq!(
        parameter(&asked[0], "filter").unwrap(),
        format!(
            "certificate_description.subject_description.hex_serial_number:{}",
            certificate.facts().serial.trim_start_matches('0')
        )
    );
    assert_eq!(asked[1].path, format!("{POOL}/certificates/app-77:revoke"));
    let body: Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert_eq!(body["reason"], "SUPERSEDED");
}

#[test]
fn one_revoked_already_is_left_and_one_unknown_is_told_with_the_tier() {
    let name = format!("{}/certificates/app-77", &POOL[4..]);
    let details = json!({"revocationState": "SUPERSEDED"});
    let (server, _, revoked) = revoke(|_, certificate| {
        let pem = certificate.pem();
        json!({"certificates": [{"name": name, "pemCertificate": pem, "revocationDetails": details}]})
    });
    assert_eq!((revoked.unwrap().len(), server.asked().len()), (0, 1));
    let (_, _, revoked) = revoke(|_, _| json!({}));
    let finding = revoked.unwrap_err().into_finding();
    assert!(finding.hint.contains("DevOps"), "{}", finding.hint);
    let evil = "x/certificates/../../../evil";
    let (_, _, revoked) = revoke(
        |_, certificate| json!({"certificates": [{"name": evil, "pemCertificate": certificate.pem()}]}),
    );
    assert!(revoked.is_err());
}

#[test]
fn a_stranger_whose_serial_number_is_like_ours_is_left_alone() {
    let name = format!("{}/certificates/other", &POOL[4..]);
    let (server, _, revoked) = revoke(|lab, _| {
        let other = lab.client("other").certificate().pem();
        json!({"certificates": [{"name": name, "pemCertificate": other}]})
    });
    let finding = revoked.unwrap_err().into_finding();
    assert!(
        finding.summary.contains("does not have this certificate"),
        "{}",
        finding.summary
    );
    assert_eq!(server.asked().len(), 1);
}
