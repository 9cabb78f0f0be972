//! Servers that take their time.

use std::time::Instant;

use certbake::net::{Failure, Request, Stage};

use crate::client::{client, failure, impatient};
use crate::support::{FakeServer, Lab, Reply, script};

fn stage(server: &FakeServer, lab: &Lab) -> Stage {
    let error = impatient(lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert_eq!(error.finding().code.as_str(), "ca-timeout");
    match failure(&error) {
        Failure::TimedOut { stage, .. } => *stage,
        other => panic!("{other}"),
    }
}

#[test]
fn a_server_that_never_speaks_tls_is_named_as_such() {
    let mute = FakeServer::bare(b"", false);
    assert_eq!(stage(&mute, &Lab::new("Lab")), Stage::Handshaking);
}

#[test]
fn a_server_that_never_answers_is_told_from_one_that_stops_half_way() {
    let lab = Lab::new("Lab");
    let slow = FakeServer::https(&lab.server(), script([Reply::Stalled(Vec::new())]));
    assert_eq!(stage(&slow, &lab), Stage::Awaiting);
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    let stalled = FakeServer::https(&lab.server(), script([Reply::Stalled(half)]));
    assert_eq!(stage(&stalled, &lab), Stage::Reading);
}

#[test]
fn without_tls_too_a_server_that_was_reached_is_not_said_to_be_out_of_reach() {
    let client = impatient(&Lab::new("Lab"));
    let fault = |server: &FakeServer| {
        let url = format!("http://{}", server.address()).parse().unwrap();
        let error = client.send(&Request::get(url)).unwrap_err();
        failure(&error).clone()
    };
    let slow = FakeServer::http(script([Reply::Stalled(Vec::new())]));
    let stage = Stage::Awaiting;
    assert!(
        matches!(fault(&slow), Failure::TimedOut { stage: at, .. } if at == stage),
        "{}",
        fault(&slow)
    );
    let closing = FakeServer::bare(b"", true);
    assert_eq!(fault(&closing), Failure::Closed { stage });
}

#[test]
fn a_server_that_drips_is_not_listened_to_for_ever() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::Dripping]));
    assert_eq!(stage(&server, &lab), Stage::Reading);
}

#[test]
fn a_deadline_that_has_passed_sends_nothing() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("")]));
    let request = Request::get(server.url("/")).until(Instant::now());
    let error = client(&lab).send(&request).unwrap_err();
    assert!(
        matches!(failure(&error), Failure::TimedOut { .. }),
        "{error}"
    );
    assert!(server.asked().is_empty());
}
