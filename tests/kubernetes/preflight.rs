//! What is asked beforehand.

use certbake::authority::{AuthorityError, Depth};
use certbake::finding::Finding;
use serde_json::{Value, json};

use crate::fake::{DRY_RUN, REVIEWS, answer, body, lab_with, standing, status};
use crate::support::contract::{PATIENCE, order};
use crate::support::{FakeServer, Reply};

/// The rehearsal is answered by `rehearsed`, reviews of a verb with what RBAC says.
fn foresee(
    rehearsed: fn() -> Reply,
    denied: &'static str,
    signer: &'static str,
) -> (FakeServer, Result<Vec<Finding>, AuthorityError>) {
    let (_lab, server, opened) = lab_with(
        move |_, asked| {
            if asked.path == DRY_RUN {
                return rehearsed();
            }
            let verb = body(asked)["spec"]["resourceAttributes"]["verb"].clone();
            answer(201, &json!({"status": {"allowed": verb != denied}}))
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

fn taken() -> Reply {
    answer(201, &standing("", &[], &[]))
}

#[test]
fn the_request_is_rehearsed_and_every_verb_after_it_asked_about() {
    let (server, found) = foresee(taken, "", "example.com/images");
    let found = found.unwrap();
    assert_eq!((found.len(), found[0].code.as_str()), (1, "ca-answers"));
    let asked = server.asked();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("POST", DRY_RUN)
    );
    let spec = body(&asked[0])["spec"].clone();
    assert_eq!(spec["signerName"], "example.com/images");
    assert_eq!(spec["expirationSeconds"], 3600);
    let about = |verb| {
        json!({
            "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": verb,
        })
    };
    let reviewed: Vec<Value> = asked[1..]
        .iter()
        .map(|asked| {
            assert_eq!(asked.path, REVIEWS);
            body(asked)["spec"]["resourceAttributes"].clone()
        })
        .collect();
    assert_eq!(reviewed, [about("get"), about("delete")]);
}

#[test]
fn what_the_order_would_be_refused_for_is_refused_before() {
    let invalid = || status(422, "Invalid", "spec.usages[0]: Unsupported value");
    let (server, found) = foresee(invalid, "", "example.com/images");
    let finding = found.unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(
        finding.summary.contains("spec.usages[0]"),
        "{}",
        finding.summary
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_verb_that_is_not_allowed_is_a_refusal_where_the_order_would_fail_by_it() {
    let (_server, found) = foresee(taken, "get", "example.com/images");
    let finding = found.unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding.summary.contains("not allowed to get"),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.contains("ClusterRoleBinding"),
        "{}",
        finding.hint
    );

    let (_server, found) = foresee(taken, "delete", "example.com/images");
    let finding = &found.unwrap()[0];
    assert_eq!(finding.code.as_str(), "kubernetes-request-left");
    assert!(
        finding.summary.contains("not allowed to delete"),
        "{}",
        finding.summary
    );
}

#[test]
fn that_somebody_has_to_approve_is_noted() {
    let (_server, found) = foresee(taken, "", "kubernetes.io/kube-apiserver-client");
    assert_eq!(
        found.unwrap()[0].code.as_str(),
        "kubernetes-approval-by-hand"
    );
}
