//! Which answers are a no, a later, or a fault.

use std::time::Duration;

use certbake::authority::AuthorityError;
use certbake::finding::Finding;
use serde_json::json;

use crate::fake::{json_reply, lab_with, set, sign};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, order, told as waits_told};

fn told(reply: Reply, settings: &str) -> AuthorityError {
    let (_lab, _server, opened) = lab_with(move |_, _| reply.clone(), |table| set(table, settings));
    opened
        .authority
        .issue(&order(Duration::from_secs(2)).1)
        .unwrap_err()
}

fn refused(reply: Reply, settings: &str) -> Finding {
    let error = told(reply, settings);
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    error.into_finding()
}

#[test]
fn a_good_status_with_an_error_in_it_is_a_refusal() {
    let reply = json_reply(
        200,
        &json!({"ok": false, "messages": ["no quota", "ask Bob"]}),
    );
    let finding = refused(
        reply,
        "errors = { refused = { pointer = '/ok', equals = [false] }, message = '/messages' }",
    );
    assert!(
        finding.summary.ends_with("200: no quota; ask Bob"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("errors.refused"), "{}", finding.hint);
}

#[test]
fn what_counts_as_busy_is_asked_again_and_told_at_the_end() {
    let mut orders = 0;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| {
            orders += 1;
            if orders < 3 {
                return json_reply(409, &json!({"error": {"code": 17}}));
            }
            sign(lab, asked)
        },
        |table| {
            set(
                table,
                "errors = { busy = { status = [409], pointer = '/error/code', equals = [17] } }",
            )
        },
    );
    waits_told();
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(waits_told(), ["it asked for a retry"; 2]);
    assert_eq!(server.asked().len(), 3);
    let error = told(
        json_reply(
            409,
            &json!({"error": {"code": 17, "reason": "signer asleep"}}),
        ),
        "errors = { busy = { status = [409] } }",
    );
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    assert_eq!(error.clone().into_finding().code.as_str(), "ca-busy");
    assert!(error.to_string().ends_with("signer asleep"), "{error}");
}

#[test]
fn an_unexpected_status_is_told_with_its_words() {
    let error = told(Reply::status(204), "");
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    let finding = refused(
        Reply::status(422).body("{\"error\": {\"reason\": \"bad name\"}}"),
        "",
    );
    assert!(
        finding.summary.ends_with("422: bad name"),
        "{}",
        finding.summary
    );
    let finding = refused(Reply::status(401), "");
    assert!(finding.hint.contains("a bearer token"), "{}", finding.hint);
}
