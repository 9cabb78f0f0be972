//! What is asked again, and what never is.

use std::time::{Duration, Instant};

use certbake::net::{Client, ConnectReason, Failure, Repeat, Request};

use crate::client::{client, failure, settings};
use crate::support::{FakeServer, Lab, Reply, script};

#[test]
fn a_busy_server_is_asked_again_and_the_attempts_are_counted() {
    let lab = Lab::new("Lab");
    let busy = Reply::status(503).header("retry-after", "0");
    let server = FakeServer::https(&lab.server(), script([busy.clone(), busy, Reply::ok("x")]));
    let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
    assert_eq!((response.status, response.attempts), (200, 3));
}

#[test]
fn retry_after_is_waited_for() {
    let lab = Lab::new("Lab");
    let busy = Reply::status(429).header("retry-after", "1");
    let server = FakeServer::https(&lab.server(), script([busy, Reply::ok("x")]));
    let started = Instant::now();
    let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(response.attempts, 2);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_wait_beyond_the_deadline_is_not_begun() {
    let lab = Lab::new("Lab");
    let busy = Reply::status(503).header("retry-after", "86400");
    let server = FakeServer::https(&lab.server(), script([busy]));
    let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
    assert_eq!((response.status, response.attempts), (503, 1));
}

#[test]
fn a_lost_answer_is_asked_for_again_only_where_that_is_safe() {
    let lab = Lab::new("Lab");
    for (repeat, expected) in [
        (Repeat::Safe, 2),
        (Repeat::IfTurnedAway, 1),
        (Repeat::Never, 1),
    ] {
        let server = FakeServer::https(&lab.server(), script([Reply::Close, Reply::ok("done")]));
        let request = Request::post(server.url("/"), repeat, b"x".to_vec());
        let outcome = client(&lab).send(&request);
        assert_eq!(server.asked().len(), expected, "{repeat:?}");
        assert_eq!(outcome.is_ok(), repeat == Repeat::Safe, "{repeat:?}");
    }
}

#[test]
fn what_can_be_used_once_is_not_sent_again_to_a_busy_server() {
    let lab = Lab::new("Lab");
    for (repeat, status, expected) in [
        (Repeat::Never, 503, 1),
        (Repeat::IfTurnedAway, 503, 2),
        (Repeat::IfTurnedAway, 502, 1),
        (Repeat::Safe, 502, 2),
    ] {
        let server = FakeServer::https(
            &lab.server(),
            script([Reply::status(status), Reply::ok("")]),
        );
        let request = Request::post(server.url("/"), repeat, b"x".to_vec());
        client(&lab).send(&request).unwrap();
        assert_eq!(server.asked().len(), expected, "{repeat:?} {status}");
    }
}

#[test]
fn a_refused_connection_is_tried_a_few_times_and_each_wait_is_told() {
    let lab = Lab::new("Lab");
    let server = FakeServer::http(script([Reply::ok("")]));
    let url = server.url("/");
    drop(server);
    let waits = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&waits);
    let mut settings = settings(&lab);
    settings.on_wait = Some(std::sync::Arc::new(
        move |waiting: &certbake::net::Waiting| {
            told.lock().unwrap().push(waiting.clone());
        },
    ));
    let client = Client::open(settings).unwrap();
    let request = Request::post(url.clone(), Repeat::Never, b"x".to_vec());
    let error = client.send(&request).unwrap_err();
    assert_eq!(
        failure(&error),
        &Failure::Connect {
            reason: ConnectReason::Refused,
            addresses: Vec::new()
        }
    );
    assert_eq!(error.attempts, 4);
    assert!(error.is_transient());
    let waits = waits.lock().unwrap();
    assert_eq!(waits.len(), 3);
    assert_eq!(waits[0].reason, "connecting: connection refused");
    assert_eq!(waits[0].place, format!("127.0.0.1:{}", url.port().unwrap()));
}
