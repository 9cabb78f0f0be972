//! Orders that take their time.

use std::time::{Duration, Instant};

use certbake::authority::AuthorityError;
use serde_json::{Value, json};

use crate::fake::{Api, SIGN, json_reply, lab_with, set};
use crate::support::contract::{PATIENCE, Protocol, order};
use crate::support::{Asked, FakeServer, Reply};

/// The first answer, and those to the questions after it; every path that was asked.
fn polled(
    settings: &str,
    first: impl Fn(&Asked) -> Reply + Send + 'static,
    later: impl Fn(usize) -> Option<Reply> + Send + 'static,
) -> (
    FakeServer,
    Result<certbake::authority::Issued, AuthorityError>,
) {
    let mut request = None;
    let mut polls = 0;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| {
            if request.is_none() {
                request = Api.ordered(asked);
                return first(asked);
            }
            polls += 1;
            later(polls).unwrap_or_else(|| {
                Api.issued(&[lab.sign(request.as_ref().unwrap()), lab.issuing()])
            })
        },
        |table| set(table, settings),
    );
    let outcome = opened.authority.issue(&order(PATIENCE).1);
    (server, outcome)
}

fn waiting(value: &Value) -> Reply {
    json_reply(202, value).header("retry-after", "0")
}

#[test]
fn it_is_asked_again_at_the_place_that_the_answer_names() {
    for (settings, answer, header, place) in [
        (
            "pending = { status = [202], location = '/links/self' }",
            json!({"links": {"self": "/api/v1/orders/7"}}),
            None,
            "/api/v1/orders/7",
        ),
        (
            "pending = { status = [202], path = '/v1/orders/{{ answer.id }}' }",
            json!({"id": "a/7"}),
            None,
            "/api/v1/orders/a%2F7",
        ),
        (
            "pending = { status = [202] }",
            json!({}),
            Some("orders/7"),
            "/api/v1/orders/7",
        ),
    ] {
        let (server, outcome) = polled(
            settings,
            move |_| {
                let reply = waiting(&answer);
                match header {
                    Some(to) => reply.header("location", to),
                    None => reply,
                }
            },
            // Later answers leave the place out.
            |polls| (polls < 3).then(|| waiting(&json!({}))),
        );
        outcome.unwrap_or_else(|error| panic!("{settings}: {error:?}"));
        let asked = server.asked();
        let paths: Vec<_> = asked
            .iter()
            .map(|a| (a.method.as_str(), a.path.as_str()))
            .collect();
        assert_eq!(
            paths,
            [
                ("POST", SIGN),
                ("GET", place),
                ("GET", place),
                ("GET", place)
            ]
        );
        let login = asked[0].header("authorization");
        assert!(
            asked
                .iter()
                .all(|asked| asked.header("authorization") == login)
        );
    }
}

#[test]
fn without_a_place_the_same_request_is_sent_again() {
    let (server, outcome) = polled(
        "pending = { pointer = '/state', equals = ['waiting', 'new'] }",
        |_| json_reply(200, &json!({"state": "new"})).header("retry-after", "0"),
        |polls| {
            (polls < 2)
                .then(|| json_reply(200, &json!({"state": "waiting"})).header("retry-after", "0"))
        },
    );
    outcome.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|again| again.body == asked[0].body));
}

#[test]
fn a_place_on_another_host_never_gets_the_login() {
    for place in [
        "https://elsewhere.example/orders/7",
        "http://127.0.0.1/orders/7",
    ] {
        let (server, outcome) = polled(
            "pending = { status = [202] }",
            move |_| waiting(&json!({})).header("location", place),
            |_| None,
        );
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
        assert!(error.to_string().contains("another host"), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_refusal_after_the_wait_is_a_refusal() {
    let (_server, outcome) = polled(
        "pending = { status = [202], location = '/place' }\n\
         errors = { refused = { pointer = '/state', equals = ['denied'] }, message = '/why' }",
        |_| waiting(&json!({"place": "/api/orders/7"})),
        |_| {
            Some(json_reply(
                200,
                &json!({"state": "denied", "why": "not on Fridays"}),
            ))
        },
    );
    let error = outcome.unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(
        error.to_string().ends_with("200: not on Fridays"),
        "{error}"
    );
}

/// What the API has accepted, nobody is told not to have been sent.
#[test]
fn a_poll_that_is_turned_down_is_no_refusal_to_sign() {
    let (_server, outcome) = polled(
        "pending = { status = [202], location = '/place' }",
        |_| waiting(&json!({"place": "/api/orders/7"})),
        |_| Some(json_reply(410, &json!({"message": "expired"}))),
    );
    let finding = outcome.unwrap_err().into_finding();
    assert_eq!(
        finding.summary,
        "GET of the pending order was answered with 410: expired"
    );
    assert_eq!(finding.hint, "the server's message and its log say why");
}

#[test]
fn one_that_stays_pending_ends_with_the_deadline() {
    let started = Instant::now();
    let (_lab, _server, opened) = lab_with(
        |_, _| json_reply(202, &json!({})),
        |table| set(table, "pending = { status = [202], interval = '1s' }"),
    );
    let error = opened
        .authority
        .issue(&order(Duration::from_millis(1500)).1)
        .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert_eq!(finding.facts["asked"], 2);
}
