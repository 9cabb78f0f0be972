//! Servers that say no, and what is made of it.

use certbake::authority::{AuthorityError, Depth};
use certbake::outcome::Outcome;

use crate::fake::{Est, lab_with, paths};
use crate::support::contract::{PATIENCE, Protocol, Run, credential, open, order};
use crate::support::{FakeServer, Lab, Reply};

fn hint(challenges: &'static [&'static str], login: bool) -> (String, String) {
    let (_lab, _server, opened) = lab_with(
        move |_, _| {
            let mut reply = Reply::status(401);
            for challenge in challenges {
                reply = reply.header("www-authenticate", *challenge);
            }
            reply
        },
        |table| {
            if !login {
                table.remove("username");
                table.remove("password");
            }
        },
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    (finding.hint, finding.facts["offered_schemes"].to_string())
}

#[test]
fn a_login_that_fails_is_explained_by_what_the_server_offers() {
    let (wrong, _) = hint(&["Basic realm=\"est, lab\""], true);
    assert!(
        wrong.contains("builder") && wrong.contains("password is wrong"),
        "{wrong}"
    );
    let (none, _) = hint(&["Basic realm=\"est\""], false);
    assert!(none.contains("give username and password"), "{none}");
    let (digest, offered) = hint(&["Digest realm=\"est\", qop=\"auth\", nonce=\"x\""], true);
    assert!(
        digest.contains("Digest, which certbake does not support"),
        "{digest}"
    );
    assert_eq!(offered, "[\"Digest\"]");
    let (silent, _) = hint(&[], true);
    assert!(silent.contains("client certificate"), "{silent}");
}

#[test]
fn a_server_that_takes_no_question_at_all_is_not_said_to_refuse_the_request() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| {
        Reply::status(400).body("400 host not allowed")
    });
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    let (_key, order) = order(PATIENCE);
    let finding = opened.authority.issue(&order).unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(finding.summary.ends_with("400 host not allowed"));
    assert!(finding.hint.contains("check the URL"), "{}", finding.hint);
}

#[test]
fn a_refused_request_is_compared_with_the_attributes_that_the_server_wants() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match asked.path.as_str() {
        "/.well-known/est/csrattrs" => Reply::ok(
            "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcr\n\
             BgEBAQEWBggqhkjOPQQDAw==\n",
        ),
        "/.well-known/est/simpleenroll" => Reply::status(400).body("bad key"),
        _ => Est.aside(&serving, asked),
    });
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    let (_key, order) = order(PATIENCE);
    let finding = opened.authority.issue(&order).unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(finding.summary.ends_with("answered with 400: bad key"));
    assert!(finding.hint.contains("curve P-384"), "{}", finding.hint);
    assert!(!finding.hint.contains("an EC key"), "{}", finding.hint);
    let notes = opened
        .preflight
        .unwrap()
        .preflight(&order, Depth::Whole)
        .unwrap();
    assert_eq!(notes[0].code.as_str(), "csr-attributes-demanded");
}

/// nginx in front of a CA (`ssl_verify_client on`) answers with a page, not with an alert.
#[test]
fn a_page_that_asks_for_a_certificate_is_understood() {
    let run = Run::new(&Est, PATIENCE, |_, _, _| {
        Reply::status(400).header("content-type", "text/html").body(
            "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n",
        )
    });
    let finding = run.refused();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding.hint.contains("client certificate"),
        "{}",
        finding.hint
    );
    assert!(
        finding
            .summary
            .ends_with("400: 400 No required SSL certificate was sent")
    );
}

#[test]
fn a_path_that_does_not_exist_is_a_refusal() {
    let run = Run::new(&Est, PATIENCE, |_, _, _| Reply::status(404));
    let finding = run.refused();
    assert!(finding.hint.contains("URL"), "{}", finding.hint);
}

#[test]
fn broken_cacerts_end_the_order_before_the_request_is_sent() {
    let lab = Lab::new("Lab");
    for (reply, unusable) in [
        (Reply::ok("<html></html>"), true),
        (Est.issued(&[]), true),
        (Reply::status(404), false),
        (
            Reply::status(302).header("location", "https://elsewhere/"),
            true,
        ),
    ] {
        let server = FakeServer::https(&lab.server(), move |_| reply.clone());
        let (_file, source) = credential();
        let opened = open("est", Est.settings(&server, &source), &lab.anchors());
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(
            matches!(error, AuthorityError::Unusable(_)),
            unusable,
            "{error}"
        );
        assert_eq!(paths(&server), ["/.well-known/est/cacerts"]);
    }
}

#[test]
fn a_server_that_does_not_lead_to_the_anchors_is_never_told_the_password() {
    let (lab, other) = (Lab::new("Lab"), Lab::new("Other"));
    let server = FakeServer::https(&other.server(), |_| Reply::ok(""));
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "ca-tls");
    assert!(server.asked().is_empty());
}

/// Trying again helps against a clock or a server that is going down, not against the wrong root.
#[test]
fn a_server_that_never_fits_is_told_from_one_that_may_fit_later() {
    let lab = Lab::new("Lab");
    let past = lab.server_with(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    });
    let (_file, source) = credential();
    let ask = |server: &FakeServer| {
        let opened = open("est", Est.settings(server, &source), &lab.anchors());
        opened.authority.issue(&order(PATIENCE).1).unwrap_err()
    };
    for server in [
        FakeServer::https(&lab.client("somebody"), |_| Reply::ok("")),
        FakeServer::bare(b"220 mail.lab ESMTP\r\n", true),
        FakeServer::bare(b"HTTP/1.1 400 Bad Request\r\n\r\n", true),
    ] {
        let error = ask(&server);
        assert_eq!(error.outcome(), Outcome::Usage, "{error}");
    }
    for server in [
        FakeServer::https(&past, |_| Reply::ok("")),
        FakeServer::bare(b"", true),
    ] {
        let error = ask(&server);
        assert_eq!(error.outcome(), Outcome::Unreachable, "{error}");
    }
}
