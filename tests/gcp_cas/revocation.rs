//! A certificate is taken back.

use certbake::authority::{AuthorityError, Reason};
use certbake::finding::Finding;
use certbake::pki::Certificate;
use serde_json::{Value, json};

use crate::fake::{POOL, answer, by_the_proto, lab_with, parameter};
use crate::support::FakeServer;
use crate::support::contract::revocation;

fn revoke(
    list: Value,
) -> (
    FakeServer,
    Certificate,
    Result<Vec<Finding>, AuthorityError>,
) {
    let (lab, server, opened) = lab_with(
        move |_, asked| {
            if let Err(reply) = by_the_proto(asked) {
                return Some(reply);
            }
            let lists = asked.method == "GET";
            Some(answer(if lists { &list } else { &Value::Null }))
        },
        &[],
        |_, _| {},
    );
    let certificate = lab.client("app").certificate();
    let revoked = opened
        .revoke
        .unwrap()
        .revoke(&revocation(&certificate, Reason::Superseded));
    (server, certificate, revoked)
}

#[test]
fn the_resource_is_found_by_its_serial_and_revoked() {
    let name = "projects/123/locations/europe-west1/caPools/builders/certificates/app-77";
    let (server, certificate, revoked) = revoke(json!({"certificates": [{ "name": name }]}));
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
    let list = json!({"certificates": [{"name": name, "revocationDetails": details}]});
    let (server, _, revoked) = revoke(list);
    assert_eq!((revoked.unwrap().len(), server.asked().len()), (0, 1));
    let (_, _, revoked) = revoke(json!({}));
    let finding = revoked.unwrap_err().into_finding();
    assert!(finding.hint.contains("DevOps"), "{}", finding.hint);
    let list = json!({"certificates": [{"name": "x/certificates/../../../evil"}]});
    assert!(revoke(list).2.is_err());
}
