//! What the CA says no with, and what it keeps to itself.

use certbake::authority::AuthorityError;
use certbake::finding::Finding;
use serde_json::json;

use crate::fake::{builder, lab_with, provisioners, refusal};
use crate::support::contract::{PATIENCE, order};

const SEE_LOGS: &str = "The request lacked necessary authorization to be completed. Please see the certificate authority logs for more info.";

fn turned_down(status: u16, words: &'static str) -> AuthorityError {
    let (_lab, _server, opened) = lab_with(
        move |_, asked| match asked.path.as_str() {
            "/1.0/sign" => Some(refusal(status, words)),
            path if path.starts_with("/provisioners") => Some(provisioners(&[builder(
                json!({ "maxTLSCertDuration": "24h0m0s" }),
            )])),
            _ => None,
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap_err()
}

fn refused(status: u16, words: &'static str) -> Finding {
    match turned_down(status, words) {
        AuthorityError::Refused(finding) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_token_that_was_not_taken_is_shown_decoded() {
    let finding = refused(401, SEE_LOGS);
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding
            .summary
            .starts_with("POST /1.0/sign was answered with 401: The request lacked")
    );
    assert_eq!(finding.facts["token_issuer"], "builder");
    assert_eq!(finding.facts["token_subject"], "app");
    assert_eq!(finding.facts["token_names"], json!(["app.internal"]));
    assert!(
        finding.facts["token_issued_at"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(finding.facts["request_id"], "d3adb33f");
    assert!(finding.hint.contains("dnsNames"), "{}", finding.hint);
    assert!(finding.hint.contains("\"127.0.0.1\""), "{}", finding.hint);
}

#[test]
fn a_provisioner_that_the_ca_could_not_start_is_no_riddle() {
    let words = "provisioner \"builder\" is disabled due to an initialization error";
    let finding = refused(401, words);
    assert!(finding.summary.ends_with(words), "{}", finding.summary);
    assert!(
        finding.hint.starts_with("the CA could not start"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_lifetime_above_the_limit_is_told_with_the_limit() {
    let finding = refused(
        403,
        "The request was forbidden by the certificate authority: requested duration of 48h1m0s is more than the authorized maximum certificate duration of 24h1m0s.",
    );
    assert_eq!(finding.code.as_str(), "ttl-not-allowed");
    assert_eq!(finding.facts["maximum_seconds"], 86_400);
    assert!(finding.hint.contains("at most 1d"), "{}", finding.hint);
}

#[test]
fn other_refusals_keep_the_cas_own_words_and_get_a_hint_of_their_own() {
    for (status, words, hint) in [
        (403, "dns name \"app.internal\" not allowed", "policy"),
        (
            403,
            "certificate request does not contain the valid common name - got a, want b",
            "names differ",
        ),
        (
            403,
            "requested certificate notAfter (x) is after the expiration of the provisioning credential (y)",
            "X5C login",
        ),
        (403, "something new", "its message"),
        (
            400,
            "The request could not be completed: invalid csr.",
            "its message",
        ),
        (404, "Please see the certificate authority logs", "URL"),
        (501, "not implemented", "does not offer"),
    ] {
        let finding = refused(status, words);
        assert_eq!(finding.code.as_str(), "ca-refused", "{words}");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(
            finding.hint.contains(hint),
            "{status} {words}: {}",
            finding.hint
        );
    }
}

#[test]
fn a_fault_of_the_ca_may_pass_and_its_log_is_where_to_look() {
    let error = turned_down(
        500,
        "The certificate authority encountered an Internal Server Error. Please see the certificate authority logs for more info.",
    );
    let AuthorityError::Unreachable(finding) = error else {
        panic!("{error:?}")
    };
    assert_eq!(finding.code.as_str(), "ca-busy");
    assert_eq!(finding.facts["request_id"], "d3adb33f");
    assert!(finding.hint.contains("disk"), "{}", finding.hint);
}
