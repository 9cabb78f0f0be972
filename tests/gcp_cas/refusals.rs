//! Each status in Google's words, with what to do.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{Cas, failure, failure_with};
use crate::support::contract::{PATIENCE, Run};

/// Status, its name, details, what the hint must name, whether asking again may help.
fn table() -> Vec<(u16, &'static str, Value, &'static str, bool)> {
    let info = |reason: &str, permission: &str| {
        json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "metadata": {"permission": permission},
        }])
    };
    let none = json!([]);
    vec![
        (
            400,
            "INVALID_ARGUMENT",
            none.clone(),
            "issuance policy",
            false,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            none.clone(),
            "enabled CA",
            false,
        ),
        (
            401,
            "UNAUTHENTICATED",
            none.clone(),
            "an access token",
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            none.clone(),
            "certificateRequester",
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            info(
                "IAM_PERMISSION_DENIED",
                "privateca.certificateTemplates.use",
            ),
            "privateca.certificateTemplates.use",
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            info("SERVICE_DISABLED", ""),
            "services enable",
            false,
        ),
        (
            403,
            "PERMISSION_DENIED",
            info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", ""),
            "scope cloud-platform",
            false,
        ),
        (404, "NOT_FOUND", none.clone(), "caPools/builders", false),
        (409, "ALREADY_EXISTS", none.clone(), "run again", false),
        (500, "INTERNAL", none, "retry later", true),
    ]
}

#[test]
fn each_status_is_told_in_googles_words_with_what_to_do() {
    for (status, name, details, hint, passes) in table() {
        let run = Run::new(&Cas, PATIENCE, move |_, _, _| {
            failure_with(status, name, "the words of Google", &details)
        });
        let finding = if passes {
            run.unreachable()
        } else {
            run.refused()
        };
        assert!(
            finding.summary.contains("the words of Google"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains(hint), "{name}: {}", finding.hint);
    }
}

#[test]
fn the_fields_that_do_not_fit_are_named() {
    let run = Run::new(&Cas, PATIENCE, |_, _, _| {
        failure_with(
            400,
            "INVALID_ARGUMENT",
            "malformed",
            &json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "certificate.lifetime", "description": "too long"}],
            }]),
        )
    });
    assert_eq!(
        run.refused().facts["violations"],
        json!(["certificate.lifetime: too long"])
    );
}

#[test]
fn an_exhausted_quota_is_asked_again_and_then_told() {
    let run = Run::new(&Cas, Duration::from_secs(1), |_, _, _| {
        failure(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for create requests",
        )
    });
    let finding = run.unreachable();
    assert_eq!(finding.code.as_str(), "ca-busy");
    assert!(
        finding.summary.contains("Quota exceeded"),
        "{}",
        finding.summary
    );
}
