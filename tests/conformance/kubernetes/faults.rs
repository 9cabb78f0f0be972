//! Requests that the API server does not take, and an API server that dies.

use std::thread;
use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Depth};
use certbake::span::Span;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{authority, by_builder, ordered, refused, unreachable};
use crate::servers::kubernetes::{
    ADMIN_TOKEN, BUILDER_TOKEN, CLUSTER_SIGNER, Kubernetes, REQUESTS, SIGNER,
};
use crate::servers::{Running, tls};
use crate::support::contract::{PATIENCE, order, order_for};

/// What the server says to a request with these members changed.
fn said(kubernetes: &Kubernetes, subject: &str, change: impl FnOnce(&mut Value)) -> (i64, String) {
    let request = tls::make_request_for(kubernetes.directory(), "asked", subject);
    let mut asked = json!({
        "metadata": { "generateName": "asked-" },
        "spec": {
            "request": data_encoding::BASE64.encode(&std::fs::read(request).unwrap()),
            "signerName": SIGNER,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "client auth"],
        },
    });
    change(&mut asked["spec"]);
    let status = kubernetes.refusal("POST", REQUESTS, BUILDER_TOKEN, &asked);
    let message = status["message"].as_str().unwrap().to_owned();
    (status["code"].as_i64().unwrap(), message)
}

/// What certbake refuses by itself is what the server refuses; its words are those of our fake.
#[test]
fn what_is_told_before_it_is_asked_is_true_of_the_server() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (code, message) = said(&kubernetes, "/CN=app", |spec| {
        spec["expirationSeconds"] = 599.into();
    });
    assert_eq!(code, 422);
    let words = "may not specify a duration less than 600 seconds (10 minutes)";
    assert!(message.contains(words), "{message}");
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let (_key, mut short) = order(PATIENCE);
    short.ttl = Some(Span::seconds(599));
    let finding = opened.authority.issue(&short).unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-ttl-too-short");

    let (code, message) = said(&kubernetes, "/O=system:masters/CN=app", |spec| {
        spec["signerName"] = CLUSTER_SIGNER.into();
    });
    assert_eq!(code, 403);
    let words = "use of kubernetes.io/kube-apiserver-client signer with system:masters group";
    assert!(message.contains(words), "{message}");

    let (code, message) = said(&kubernetes, "/CN=app", |spec| {
        spec["signerName"] = "images".into();
    });
    assert_eq!(code, 422);
    assert!(message.contains("spec.signerName"), "{message}");
    assert!(kubernetes.requests().is_empty());
}

#[test]
fn an_invalid_request_is_refused_with_its_causes() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |table| {
        table.insert("usages".into(), vec!["client atuh"].into());
    });
    let finding = refused(opened.authority.issue(&order(PATIENCE).1));
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert_eq!(finding.facts["status"], 422);
    let causes = finding.facts["causes"].to_string();
    assert!(
        causes.contains("spec.usages") && causes.contains("client atuh"),
        "{causes}"
    );

    // Found beforehand, and nothing of it is kept.
    let preflight = opened.preflight.as_ref().unwrap();
    let foreseen = preflight.preflight(&order(PATIENCE).1, Depth::Whole);
    assert_eq!(foreseen.unwrap_err().into_finding().facts["status"], 422);
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let preflight = opened.preflight.as_ref().unwrap();
    preflight
        .preflight(&order(PATIENCE).1, Depth::Whole)
        .unwrap();
    assert!(kubernetes.requests().is_empty());
}

/// The builder is told of a path that it may not ask for, the administrator of one that is not there.
#[test]
fn a_path_without_the_api_is_told() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    for (token, status) in [(BUILDER_TOKEN, 403), (ADMIN_TOKEN, 404)] {
        let (_file, opened) = authority(&kubernetes, token, |table| {
            let url = format!("{}/elsewhere", kubernetes.url);
            table.insert("url".into(), url.into());
        });
        let finding = refused(opened.authority.issue(&order(PATIENCE).1));
        assert_eq!(finding.facts["status"], status, "{}", finding.summary);
        assert!(
            finding.hint.contains("check that the URL"),
            "{}",
            finding.hint
        );
    }
}

/// The server's own process, below the `timeout` that bounds it.
fn process(running: &Running) -> Pid {
    let parent = running.process();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let child = children.split_whitespace().next().unwrap();
    Pid::from_raw(child.parse().unwrap()).unwrap()
}

#[test]
fn an_api_server_that_is_killed_under_a_waiting_order_is_unreachable() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    // The server is to be killed well before, on a busy machine too.
    let patience = Duration::from_secs(12);
    let started = Instant::now();
    let outcome = ordered(&kubernetes, &opened, "app", patience, |_, _| {
        let server = process(kubernetes.running.as_ref().unwrap());
        kill_process(server, Signal::KILL).unwrap();
    });
    let finding = unreachable(outcome);
    assert_eq!(
        finding.code.as_str(),
        "ca-unreachable",
        "{}",
        finding.summary
    );
    let request = finding.facts["request"].as_str().unwrap();
    assert!(request.starts_with("certbake-app-"), "{request}");
    assert!(started.elapsed() < patience + Duration::from_secs(5));
}

#[test]
fn an_api_server_that_restarts_under_a_waiting_order_costs_nothing() {
    let Some(mut kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |_| {});
    let (_key, order) = order_for("app", Duration::from_secs(60));
    thread::scope(|scope| {
        let order = scope.spawn(|| opened.authority.issue(&order));
        let name = kubernetes.request_for("app");
        kubernetes.running = None;
        // Longer than one question is tried.
        thread::sleep(Duration::from_secs(4));
        assert!(!order.is_finished());
        kubernetes.serve();
        kubernetes.decide(&name, "Approved", "approved by a test");
        kubernetes.sign(&name, 1);
        assert_eq!(order.join().unwrap().unwrap().findings, []);
    });
}

#[test]
fn an_api_server_that_has_lost_its_etcd_is_a_fault_that_may_pass() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, opened) = by_builder(&kubernetes, |table| {
        table.insert("timeout".into(), "2s".into());
    });
    let etcd = process(&kubernetes.etcd);
    kill_process(etcd, Signal::STOP).unwrap();
    let finding = unreachable(opened.authority.issue(&order(Duration::from_secs(5)).1));
    assert_eq!(finding.code.as_str(), "ca-timeout", "{}", finding.summary);
    // Who may what, the server still knows by heart; the rehearsal tells that it can keep nothing.
    let preflight = opened.preflight.as_ref().unwrap();
    let (_key, hasty) = order(Duration::from_secs(3));
    let foreseen = preflight.preflight(&hasty, Depth::Whole).unwrap_err();
    assert!(
        matches!(foreseen, AuthorityError::Unreachable(_)),
        "{foreseen}"
    );
    kill_process(etcd, Signal::CONT).unwrap();

    // What was asked in the meantime may stand there; a new order is another one.
    let patient = Duration::from_secs(20);
    let (_key, order) = order_for("after", patient);
    thread::scope(|scope| {
        let order = scope.spawn(|| opened.authority.issue(&order));
        let name = kubernetes.request_for("after");
        kubernetes.decide(&name, "Approved", "approved by a test");
        kubernetes.sign(&name, 1);
        order.join().unwrap().unwrap();
    });
}
