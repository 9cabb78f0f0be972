//! What is asked beforehand.

use certbake::authority::{AuthorityError, Depth};
use certbake::finding::Finding;
use serde_json::{Value, json};

use crate::fake::{REVIEWS, answer, body, lab_with};
use crate::support::FakeServer;
use crate::support::contract::{PATIENCE, order};

fn foresee(
    denied: &'static str,
    signer: &'static str,
) -> (FakeServer, Result<Vec<Finding>, AuthorityError>) {
    let (_lab, server, opened) = lab_with(
        move |_, asked| {
            let verb = body(asked)["spec"]["resourceAttributes"]["verb"].clone();
            let reason = "no RBAC policy matched";
            answer(
                201,
                &json!({"status": {"allowed": verb != denied, "reason": reason}}),
            )
        },
        |table| {
            table.insert("signer_name".to_owned(), signer.into());
            table.insert("delete_after".to_owned(), true.into());
        },
    );
    let found = opened
        .preflight
        .unwrap()
        .preflight(&order(PATIENCE).1, Depth::Whole);
    (server, found)
}

#[test]
fn every_verb_that_the_order_needs_is_asked_about() {
    let (server, found) = foresee("", "example.com/images");
    let found = found.unwrap();
    assert_eq!((found.len(), found[0].code.as_str()), (1, "ca-answers"));
    let asked: Vec<Value> = server
        .asked()
        .iter()
        .map(|asked| {
            assert_eq!(asked.path, REVIEWS);
            body(asked)["spec"]["resourceAttributes"].clone()
        })
        .collect();
    let about = |verb| {
        json!({
            "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": verb,
        })
    };
    assert_eq!(asked, [about("create"), about("get"), about("delete")]);
}

#[test]
fn a_verb_that_is_not_allowed_is_a_refusal_with_the_reason() {
    for verb in ["create", "get", "delete"] {
        let finding = foresee(verb, "example.com/images")
            .1
            .unwrap_err()
            .into_finding();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(finding.summary.contains(verb), "{}", finding.summary);
        assert_eq!(finding.facts["said"], "no RBAC policy matched");
    }
}

#[test]
fn that_somebody_has_to_approve_is_noted() {
    let (_server, found) = foresee("", "kubernetes.io/kube-apiserver-client");
    assert_eq!(
        found.unwrap()[0].code.as_str(),
        "kubernetes-approval-by-hand"
    );
}
