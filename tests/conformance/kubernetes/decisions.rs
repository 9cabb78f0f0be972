//! What becomes of a request: approved and signed by others, denied, forgotten, deleted.

use std::thread;
use std::time::Duration;

use certbake::authority::Depth;
use serde_json::json;

use super::{by_builder, certbake, leaf, ordered, printed, refused, unreachable};
use crate::servers::kubernetes::{ADMIN_TOKEN, BUILDER_TOKEN, Kubernetes, REQUESTS, SIGNER};
use crate::support::contract::{PATIENCE, order};

#[test]
fn an_order_waits_until_another_party_has_approved_and_another_has_signed() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let issued = ordered(&kubernetes, &opened, "app", PATIENCE, |name, order| {
        let request = kubernetes.request(name);
        assert_eq!(request["spec"]["username"], "builder");
        assert_eq!(request["spec"]["signerName"], SIGNER);
        assert_eq!(request["spec"]["expirationSeconds"], 3600);
        let usages = json!(["digital signature", "client auth"]);
        assert_eq!(request["spec"]["usages"], usages);
        for step in ["Pending", "Approved"] {
            if step == "Approved" {
                kubernetes.decide(name, "Approved", "approved by a test");
            }
            thread::sleep(Duration::from_secs(1));
            assert!(!order.is_finished(), "{step}");
        }
        kubernetes.sign(name, 1);
    });
    let issued = issued.unwrap();
    assert_eq!(issued.findings, []);
    // The cluster vouches for no root of somebody else's signer.
    assert!(issued.anchors.is_empty());
    assert!(issued.date.is_some());
    let leaf = leaf(&issued);
    let usage = leaf.facts().extended_key_usage.clone();
    assert_eq!(usage.as_deref(), Some(&["clientAuth".to_owned()][..]));
    assert_eq!(kubernetes.requests().len(), 1);
}

#[test]
fn a_denial_and_a_failure_of_the_signer_are_refusals_in_their_words() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let outcome = ordered(&kubernetes, &opened, "app", PATIENCE, |name, _| {
        kubernetes.decide(name, "Denied", "no image of that name\n\u{1b}[2Jis known");
    });
    let finding = refused(outcome);
    assert_eq!(finding.code.as_str(), "ca-refused");
    let words = "was denied: LabDecided: no image of that name";
    assert!(finding.summary.contains(words), "{}", finding.summary);
    assert!(!finding.summary.contains('\u{1b}'), "{}", finding.summary);

    let outcome = ordered(&kubernetes, &opened, "other", PATIENCE, |name, _| {
        kubernetes.decide(name, "Approved", "approved by a test");
        let mut request = kubernetes.request(name);
        request["status"]["conditions"].as_array_mut().unwrap().push(json!({
            "type": "Failed", "status": "True", "reason": "CaGone", "message": "the HSM is away",
        }));
        let path = format!("{REQUESTS}/{name}/status");
        kubernetes.ask("PUT", &path, ADMIN_TOKEN, Some(&request));
    });
    let finding = refused(outcome);
    assert!(
        finding.summary.contains("CaGone: the HSM is away"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains(SIGNER), "{}", finding.hint);
}

#[test]
fn who_did_not_come_is_told_and_the_request_can_still_be_looked_at() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let short = Duration::from_secs(3);
    let outcome = ordered(&kubernetes, &opened, "app", short, |_, _| {});
    let finding = unreachable(outcome);
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert_eq!(finding.facts["approved"], false);
    let name = kubernetes.request_for("app");
    let hint = format!("kubectl certificate approve {name}");
    assert!(finding.hint.contains(&hint), "{}", finding.hint);

    // Nobody serves a signer of this name, which the API server takes all the same.
    let (_file, opened) = by_builder(&kubernetes, |table| {
        table.insert("signer_name".into(), "lab.example/clinets".into());
    });
    let outcome = ordered(&kubernetes, &opened, "typo", short, |name, _| {
        kubernetes.decide(name, "Approved", "approved by a test");
    });
    let finding = unreachable(outcome);
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert_eq!(finding.facts["approved"], true);
    let hint = "does not serve lab.example/clinets";
    assert!(finding.hint.contains(hint), "{}", finding.hint);

    let kubeconfig = kubernetes.kubeconfig("builder", &format!("token: {BUILDER_TOKEN}"));
    let kubeconfig = kubeconfig.to_str().unwrap();
    let signer = format!("signer_name={SIGNER}");
    let options = ["--ca-set", &signer, "--ttl", "1d", "--deadline", "2s"];
    let output = certbake(&kubernetes, "provision", kubeconfig, &options);
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(6), "{printed}");
    assert!(
        printed.contains("nobody approved the request certbake-app-"),
        "{printed}"
    );
}

#[test]
fn a_request_that_somebody_deletes_ends_the_order() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let outcome = ordered(&kubernetes, &opened, "app", PATIENCE, |name, _| {
        kubernetes.ask("DELETE", &format!("{REQUESTS}/{name}"), ADMIN_TOKEN, None);
    });
    let finding = refused(outcome);
    assert!(
        finding.summary.contains("was deleted"),
        "{}",
        finding.summary
    );
}

#[test]
fn the_request_is_deleted_in_the_end_by_one_who_may() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |table| {
        table.insert("delete_after".into(), true.into());
    });
    // Foreseen, and no reason not to bake.
    let preflight = opened.preflight.as_ref().unwrap();
    let foresee = || {
        preflight
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap()
    };
    assert_eq!(foresee()[0].code.as_str(), "kubernetes-request-left");
    let served = |name: &str| {
        kubernetes.decide(name, "Approved", "approved by a test");
        kubernetes.sign(name, 1);
    };
    let issued = ordered(&kubernetes, &opened, "app", PATIENCE, |name, _| {
        served(name)
    });
    let findings = issued.unwrap().findings;
    assert_eq!(findings[0].code.as_str(), "kubernetes-request-left");
    let words = "User \"builder\" cannot delete resource";
    assert!(
        findings[0].summary.contains(words),
        "{}",
        findings[0].summary
    );
    assert_eq!(kubernetes.requests().len(), 1);

    kubernetes.allow("builder", "certificatesigningrequests", &["delete"]);
    assert_eq!(foresee()[0].code.as_str(), "ca-answers");
    let issued = ordered(&kubernetes, &opened, "other", PATIENCE, |name, _| {
        served(name)
    });
    assert_eq!(issued.unwrap().findings, []);
    assert_eq!(kubernetes.requests().len(), 1);
}
