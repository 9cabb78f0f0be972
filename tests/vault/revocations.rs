//! Certificates that are taken back, and one that Vault leaves as it is.

use certbake::authority::{AuthorityError, Reason};
use certbake::finding::Finding;
use serde_json::{Value, json};

use crate::fake::{Bench, errors, with};
use crate::support::contract::{codes, revocation};

fn revoke(members: &Value) -> Result<Vec<Finding>, AuthorityError> {
    let members = members.clone();
    let bench =
        Bench::new(move |_, asked| (asked.path == "/v1/pki/revoke").then(|| with(members.clone())));
    let certificate = bench.lab.client("app").certificate();
    let revoke = bench.opened.revoke.as_ref().unwrap();
    revoke.revoke(&revocation(&certificate, Reason::KeyCompromise))
}

#[test]
fn one_that_has_expired_is_not_called_revoked() {
    let words = "certificate with serial 06:9d already expired; refusing to add to CRL";
    let error = revoke(&json!({ "warnings": [words] })).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(finding.summary.contains(words), "{finding:?}");
}

#[test]
fn what_is_said_beside_a_revocation_is_not_told_as_of_a_signature() {
    let data = json!({ "revocation_time": 1, "state": "revoked" });
    assert_eq!(revoke(&json!({ "data": data })).unwrap(), []);
    let findings = revoke(&json!({ "data": data, "warnings": ["the CRL is stale"] })).unwrap();
    assert_eq!(codes(&findings), ["ca-said"]);
    assert!(
        findings[0].hint.starts_with("Vault revoked it"),
        "{}",
        findings[0].hint
    );
}

#[test]
fn a_revocation_is_repeated_after_a_fault_and_not_for_ever() {
    for (status, faults, attempts) in [(500, 1, 2), (502, 2, 3), (500, 9, 3)] {
        let mut left = faults;
        let bench = Bench::new(move |_, asked| {
            (asked.path == "/v1/pki/revoke").then(|| {
                left -= 1;
                match left {
                    0.. => errors(status, &["passing"]),
                    _ => with(json!({ "data": { "state": "revoked" } })),
                }
            })
        });
        let certificate = bench.lab.client("app").certificate();
        let revoke = bench.opened.revoke.as_ref().unwrap();
        let done = revoke.revoke(&revocation(&certificate, Reason::KeyCompromise));
        assert_eq!(done.is_ok(), faults < 3);
        assert_eq!(bench.asked().len(), attempts);
    }
}
