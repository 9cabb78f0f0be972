//! What comes of a request: approved, signed, denied, failed, forgotten, deleted.

use std::time::Duration;

use certbake::authority::AuthorityError;
use serde_json::Value;

use crate::fake::{Kubernetes, REQUESTS, answer, body, der, lab_with, standing, status, well};
use crate::support::contract::{PATIENCE, Protocol, order};
use crate::support::{FakeServer, Reply};

/// Type, reason and message of each condition, and whether the certificate is there.
type Step = (&'static [(&'static str, &'static str, &'static str)], bool);

/// Answers to the creation and to each question after it, the last one from then on.
fn course(
    steps: &'static [Step],
    patience: Duration,
    change: impl FnOnce(&mut toml::Table),
) -> (
    FakeServer,
    Result<certbake::authority::Issued, AuthorityError>,
) {
    let mut at = 0;
    let mut request = Value::Null;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| {
            if asked.method == "DELETE" {
                return Kubernetes.aside(lab, asked);
            }
            if Kubernetes.ordered(asked).is_some() {
                request = body(asked)["spec"]["request"].clone();
            }
            let (conditions, signs) = steps[at.min(steps.len() - 1)];
            at += 1;
            let leaf = if signs {
                vec![lab.sign(&der(&request).unwrap())]
            } else {
                Vec::new()
            };
            answer(
                if at == 1 { 201 } else { 200 },
                &standing(request.as_str().unwrap(), conditions, &leaf),
            )
        },
        change,
    );
    let outcome = opened.authority.issue(&order(patience).1);
    (server, outcome)
}

#[test]
fn a_certificate_is_waited_for_until_approver_and_signer_are_done() {
    const APPROVED: &[(&str, &str, &str)] = &[("Approved", "ByAdmin", "")];
    let (server, outcome) = course(
        &[
            (&[], false),
            (&[], false),
            (APPROVED, false),
            (APPROVED, true),
        ],
        PATIENCE,
        |_| {},
    );
    outcome.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[1..].iter().all(|asked| asked.method == "GET"));
}

#[test]
fn a_denial_and_a_failure_are_refusals_in_their_own_words() {
    let denied: &[_] = &[("Denied", "NotOurs", "no image of\r\nthat name\x1b[2J")];
    let failed: &[_] = &[
        ("Approved", "", ""),
        ("Failed", "SignerValidationFailure", "bad usages"),
    ];
    for (steps, words, condition) in [
        (
            Box::leak(Box::new([(denied, false)])),
            "NotOurs: no image of that name",
            "Denied",
        ),
        (
            Box::leak(Box::new([(failed, false)])),
            "SignerValidationFailure: bad usages",
            "Failed",
        ),
    ] {
        let (_server, outcome) = course(steps, PATIENCE, |_| {});
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        let finding = error.into_finding();
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(!finding.summary.contains('\x1b'));
        assert_eq!(finding.facts["condition"], condition);
    }
}

#[test]
fn who_did_not_come_is_told_apart_approver_or_signer() {
    const APPROVED: &[(&str, &str, &str)] = &[("Approved", "ByAdmin", "")];
    let short = Duration::from_secs(1);
    let (_server, outcome) = course(&[(&[], false)], short, |_| {});
    let finding = outcome.unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert!(
        finding.summary.contains("nobody approved"),
        "{}",
        finding.summary
    );
    assert!(
        finding
            .hint
            .contains("kubectl certificate approve certbake-app-")
    );
    let (_server, outcome) = course(&[(APPROVED, false)], short, |_| {});
    let error = outcome.unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    let finding = error.into_finding();
    assert!(
        finding.hint.contains("signer is not running"),
        "{}",
        finding.hint
    );
    assert_eq!(finding.facts["approved"], true);
}

#[test]
fn an_api_server_that_is_away_for_a_while_is_asked_again() {
    let mut request = Value::Null;
    let mut looks = 0;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| {
            if Kubernetes.ordered(asked).is_some() {
                request = body(asked)["spec"]["request"].clone();
                return answer(201, &standing(request.as_str().unwrap(), &[], &[]));
            }
            looks += 1;
            // More often than one question is tried, and until it knows its rules.
            match looks {
                ..7 => return Reply::Close,
                7 => return status(403, "Forbidden", "User \"builder\" cannot get resource"),
                _ => {}
            }
            let leaf = lab.sign(&der(&request).unwrap());
            answer(200, &standing(request.as_str().unwrap(), &[], &[leaf]))
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked().len(), 9);
}

#[test]
fn a_request_that_somebody_deletes_is_told() {
    let (_lab, _server, opened) = lab_with(
        |_, asked| match Kubernetes.ordered(asked) {
            Some(_) => answer(201, &standing("", &[], &[])),
            None => status(404, "NotFound", "not found"),
        },
        |_| {},
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(error.to_string().contains("was deleted"), "{error}");
}

#[test]
fn the_request_is_deleted_where_that_is_wanted_and_what_hinders_it_is_a_warning() {
    let wanted = |table: &mut toml::Table| {
        table.insert("delete_after".to_owned(), true.into());
    };
    let (server, outcome) = course(&[(&[("Approved", "", "")], true)], PATIENCE, wanted);
    assert!(outcome.unwrap().findings.is_empty());
    let asked = server.asked();
    let name = body(&asked[0])["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        (asked[1].method.as_str(), asked[1].path.clone()),
        ("DELETE", format!("{REQUESTS}/{name}"))
    );
    let (_lab, _server, opened) = lab_with(
        |lab, asked| match asked.method.as_str() {
            "DELETE" => status(403, "Forbidden", "cannot delete resource"),
            _ => well(lab, asked),
        },
        wanted,
    );
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.findings[0].code.as_str(), "kubernetes-request-left");
    assert!(
        issued.findings[0]
            .summary
            .contains("cannot delete resource")
    );
}
