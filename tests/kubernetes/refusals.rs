//! The API server's refusals, each with what to do.

use serde_json::json;

use crate::fake::{Kubernetes, answer, status};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, Run};

/// Status, reason, message, what the hint must name, whether asking again may help.
const TABLE: &[(u16, &str, &str, &str, bool)] = &[
    (
        401,
        "Unauthorized",
        "Unauthorized",
        "may have expired",
        false,
    ),
    (
        403,
        "Forbidden",
        "User \"builder\" cannot create resource \"certificatesigningrequests\" in API group \
         \"certificates.k8s.io\" at the cluster scope",
        "create clusterrole",
        false,
    ),
    (
        403,
        "Forbidden",
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
        "another organization",
        false,
    ),
    (
        403,
        "Forbidden",
        "certificatesigningrequests.certificates.k8s.io is forbidden: User \"system:anonymous\" cannot \
         create resource \"certificatesigningrequests\"",
        "saw no login",
        false,
    ),
    (
        403,
        "Forbidden",
        "forbidden: User \"builder\" cannot post path \"/k8s/apis/certificates.k8s.io/v1/certificatesigningrequests\"",
        "check that the URL",
        false,
    ),
    (
        404,
        "NotFound",
        "the server could not find the requested resource",
        "1.19",
        false,
    ),
    (
        422,
        "Invalid",
        "spec.usages: Unsupported value",
        "usages",
        false,
    ),
    (
        400,
        "BadRequest",
        "the API version in the data does not match",
        "usages",
        false,
    ),
    (
        500,
        "InternalError",
        "an error on the server",
        "retry later",
        true,
    ),
];

#[test]
fn each_status_is_told_in_the_servers_words_with_what_to_do() {
    for (code, reason, message, hint, passes) in TABLE {
        let run = Run::new(&Kubernetes, PATIENCE, move |_, _, _| {
            status(*code, reason, message)
        });
        let finding = if *passes {
            run.unreachable()
        } else {
            run.refused()
        };
        assert!(finding.summary.contains(message), "{}", finding.summary);
        assert!(
            finding.hint.contains(hint),
            "{code} {reason}: {}",
            finding.hint
        );
    }
}

#[test]
fn the_causes_of_an_invalid_request_are_named() {
    let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
        answer(
            422,
            &json!({
                "kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422,
                "message": "invalid",
                "details": {"causes": [{
                    "reason": "FieldValueInvalid", "field": "spec.expirationSeconds",
                    "message": "may not specify a duration less than 600 seconds (10 minutes)",
                }]},
            }),
        )
    });
    let causes = run.refused().facts["causes"].to_string();
    assert!(
        causes.contains("spec.expirationSeconds: may not specify"),
        "{causes}"
    );
}

#[test]
fn where_no_api_is_the_url_is_in_doubt() {
    let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
        Reply::status(404)
            .header("content-type", "text/plain; charset=utf-8")
            .body("404 page not found\n")
    });
    let finding = run.refused();
    assert!(
        finding.summary.contains("404 page not found"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("1.19"), "{}", finding.hint);
}

#[test]
fn something_else_of_the_api_is_no_request() {
    let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
        Reply::ok(r#"{"kind":"Pod","spec":{"request":"x"}}"#)
    });
    run.unusable();
}

/// What stands in front of an API server answers for it.
#[test]
fn a_token_that_a_gateway_does_not_accept_is_not_called_unspoken() {
    let run = Run::new(&Kubernetes, PATIENCE, |_, _, _| {
        Reply::status(401).header("www-authenticate", "Bearer realm=\"gateway\"")
    });
    let finding = run.refused();
    assert!(
        finding.hint.contains("certbake presented a token") && finding.hint.contains("has expired"),
        "{}",
        finding.hint
    );
}
