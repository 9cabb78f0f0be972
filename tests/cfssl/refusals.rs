//! What the server refuses, and what is made of its numbers.

use certbake::authority::AuthorityError;
use certbake::finding::Finding;

use crate::fake::{KEY, failure, key_file, lab_with, orders_with, sign, without_key};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, order};

fn error(reply: Reply, change: impl FnOnce(&mut toml::Table)) -> AuthorityError {
    let (_lab, _server, opened) = orders_with(move |_, _| reply.clone(), change);
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains(KEY), "{printed}");
    error
}

fn refused(reply: Reply, change: impl FnOnce(&mut toml::Table)) -> Finding {
    let error = error(reply, change);
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    error.into_finding()
}

#[test]
fn a_wrong_key_is_a_refused_login_though_the_status_is_400() {
    for reply in [
        failure(400, 400, "invalid token"), // cfssl serve
        failure(400, 1, "invalid token"),   // multirootca
    ] {
        let finding = refused(reply, |_| {});
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(
            finding.summary.ends_with("400: invalid token"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains("auth_keys"), "{}", finding.hint);
    }
}

#[test]
fn a_server_that_echoes_the_key_does_not_get_it_into_an_error() {
    for reply in [
        failure(403, 403, &format!("{KEY} is revoked")),
        failure(400, 5300, &format!("{KEY} is revoked")),
        Reply::status(500).body(format!("<{KEY}>")),
    ] {
        let printed = error(reply, |_| {}).to_string();
        assert!(printed.contains("[withheld]"), "{printed}");
    }
}

/// `cfssl serve` with a remote anywhere in its configuration; else it takes the default one.
#[test]
fn a_profile_that_the_server_does_not_know_is_told_as_one() {
    let unknown = refused(failure(400, 5400, "Unknown policy profile"), |_| {});
    assert_eq!(unknown.code.as_str(), "ca-refused");
    assert!(
        unknown.hint.starts_with("check profile"),
        "{}",
        unknown.hint
    );
}

#[test]
fn a_profile_with_and_without_a_key_are_told_apart() {
    let wants = refused(failure(400, 400, "authentication required"), without_key);
    assert!(wants.hint.ends_with("give key"), "{}", wants.hint);
    let takes_none = refused(failure(400, 400, "no authentication provider"), |_| {});
    assert!(
        takes_none.hint.contains("leave key out"),
        "{}",
        takes_none.hint
    );
    let no_authsign = refused(Reply::status(404).body("404 page not found"), |_| {});
    assert!(
        no_authsign.hint.contains("leave key out"),
        "{}",
        no_authsign.hint
    );
    let no_sign = refused(Reply::status(404).body("404 page not found"), without_key);
    assert!(no_sign.hint.ends_with("give key"), "{}", no_sign.hint);
}

#[test]
fn the_numbers_are_told_by_their_category() {
    for (code, about) in [
        (5300, "the signing policy"),
        (5500, "the signing policy"),
        (9003, "the signing request"),
        (1300, "the certificate to be signed"),
    ] {
        let finding = refused(failure(400, code, "Policy violation request"), |_| {});
        assert_eq!(finding.code.as_str(), "ca-refused");
        assert!(
            finding.summary.ends_with(&format!("request ({code})")),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains(about), "{}", finding.hint);
        assert_eq!(finding.facts["cfssl_error"], code);
    }
}

#[test]
fn a_fault_of_the_ca_itself_may_pass() {
    for code in [2500, 6000, 10100, 11000] {
        let error = error(failure(400, code, "database is locked"), |_| {});
        assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
        assert_eq!(error.into_finding().code.as_str(), "ca-busy");
    }
}

#[test]
fn an_error_under_a_good_status_is_an_error() {
    let finding = refused(failure(200, 5300, "Policy violation request"), |_| {});
    assert_eq!(finding.facts["cfssl_error"], 5300);
}

#[test]
fn a_multirootca_that_keeps_its_reason_is_said_to() {
    let finding = refused(failure(400, 1, "bad request"), |_| {});
    assert!(finding.hint.contains("log"), "{}", finding.hint);
    let finding = refused(failure(403, 1, "not authorised"), |_| {});
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(finding.hint.contains("nets"), "{}", finding.hint);
}

#[test]
fn a_label_that_is_not_there_ends_before_the_order() {
    let (_lab, server, opened) = lab_with(|_, _| failure(400, 400, "bad label"), |_| {});
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(error.into_finding().hint.contains("label"));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_key_that_is_no_key_ends_before_anything_is_sent() {
    let (_lab, server, opened) = orders_with(sign, |table| {
        table.insert("key".to_owned(), key_file("xyzzy-canary").into());
    });
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "cfssl-key-unusable");
    assert!(!format!("{finding:?}").contains("xyzzy"));
    assert_eq!(server.connections(), 0);
}
