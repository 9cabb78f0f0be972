//! Each problem document: its class, its code, what to do.

use std::time::{Duration, Instant};

use certbake::authority::AuthorityError;
use serde_json::json;

use crate::fake::{Ca, json_reply, none, problem, refused, unreachable};
use crate::support::Reply;

/// Status, problem, whether it passes, our code, what to do.
const TABLE: &[(u16, &str, bool, &str, &str)] = &[
    (429, "rateLimited", true, "ca-busy", "retry later"),
    (500, "serverInternal", true, "ca-busy", "log"),
    (403, "unauthorized", false, "ca-refused", "account"),
    (
        400,
        "rejectedIdentifier",
        false,
        "ca-refused",
        "does not sign for this name",
    ),
    (
        400,
        "unsupportedIdentifier",
        false,
        "ca-refused",
        "does not sign for this name",
    ),
    (403, "caa", false, "acme-challenge-failed", "CAA"),
    (400, "dns", false, "acme-challenge-failed", "reach"),
    (
        400,
        "accountDoesNotExist",
        false,
        "ca-login-refused",
        "remove the account's file",
    ),
    (
        403,
        "externalAccountRequired",
        false,
        "acme-external-account-required",
        "eab_key_id",
    ),
    (
        400,
        "invalidProfile",
        false,
        "acme-profile-unknown",
        "offers long, short",
    ),
    (
        403,
        "userActionRequired",
        false,
        "ca-login-refused",
        "terms of service",
    ),
    (400, "badCSR", false, "ca-refused", "common name"),
    (400, "badPublicKey", false, "ca-refused", "key_algorithm"),
    (403, "orderNotReady", false, "ca-refused", "log"),
    (400, "malformed", false, "ca-refused", "log"),
    (503, "somethingNew", true, "ca-busy", "later"),
];

/// Each problem where the order is placed: its class, its code, and what to do.
#[test]
fn each_problem_has_its_class_its_code_and_what_to_do() {
    for &(status, kind, passes, code, hint) in TABLE {
        let ca = Ca::new(move |asked| {
            (asked.path == "/order")
                .then(|| problem(status, kind, "because of\x1b this").header("retry-after", "60"))
        });
        let outcome = ca.issue(none());
        let finding = if passes {
            unreachable(outcome)
        } else {
            refused(outcome)
        };
        assert_eq!(finding.code.as_str(), code, "{kind}");
        assert!(finding.hint.contains(hint), "{kind}: {}", finding.hint);
        assert_eq!(
            finding.summary,
            format!("placing the order: because of this ({kind})")
        );
        assert_eq!(finding.facts["problem"], kind);
    }
}

#[test]
fn each_name_that_is_refused_is_told_with_its_reason() {
    let ca = Ca::new(|asked| {
        let body = json!({
            "type": "urn:ietf:params:acme:error:malformed",
            "detail": "Some of the identifiers requested were rejected",
            "subproblems": [
                { "type": "urn:ietf:params:acme:error:malformed", "detail": "underscore",
                  "identifier": { "type": "dns", "value": "_a.example" } },
                { "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not ours",
                  "identifier": { "type": "dns", "value": "b.example" } },
            ],
        });
        (asked.path == "/order").then(|| json_reply(400, &body))
    });
    let finding = refused(ca.issue(none()));
    for words in [
        "_a.example: underscore",
        "b.example: not ours (rejectedIdentifier)",
    ] {
        assert!(finding.summary.contains(words), "{}", finding.summary);
    }
    assert_eq!(finding.facts["names"], json!(["_a.example", "b.example"]));
}

#[test]
fn a_limit_that_lasts_longer_than_the_order_is_told_at_once() {
    let ca = Ca::new(|asked| {
        (asked.path == "/order")
            .then(|| problem(429, "rateLimited", "50 a week").header("retry-after", "86400"))
    });
    let started = Instant::now();
    let finding = unreachable(ca.issue(none()));
    assert!(finding.summary.contains("50 a week"), "{}", finding.summary);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(ca.asked_for("/order").len(), 1);
}

#[test]
fn a_page_instead_of_the_directory_is_unusable() {
    let ca = Ca::new(|asked| (asked.path == "/directory").then(|| Reply::ok("<html>hello</html>")));
    let Err(AuthorityError::Unusable(finding)) = ca.issue(none()) else {
        panic!("usable");
    };
    assert!(finding.summary.contains("directory"), "{}", finding.summary);
}
