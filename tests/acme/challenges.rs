//! Proofs by listener.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use certbake::authority::Depth;
use serde_json::json;

use crate::fake::{Ca, none, proving, refused, settings_error, unreachable};
use crate::ports::free_port;
use crate::support::contract::{PATIENCE, order};

#[test]
fn what_the_ca_found_wrong_is_told_with_where_it_looked() {
    let error = json!({ "type": "urn:ietf:params:acme:error:connection",
                        "detail": "192.0.2.7: Timeout during connect" });
    let ca = Ca::new(proving(
        &["http-01"],
        json!({ "status": "invalid", "error": error }),
    ));
    let listen = format!("127.0.0.1:{}", free_port());
    let finding = refused(ca.issue(toml::toml! { listen = listen }));
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert_eq!(
        finding.summary,
        "verifying app.internal by http-01: 192.0.2.7: Timeout during connect (connection)"
    );
    assert!(finding.hint.contains("port 80"), "{}", finding.hint);
    assert_eq!(finding.facts["ca_came_here"], false);
}

#[test]
fn a_way_that_is_not_offered_is_told_with_those_that_are() {
    let ca = Ca::new(proving(
        &["dns-01", "tls-alpn-01"],
        json!({ "status": "valid" }),
    ));
    let finding = refused(ca.issue(none()));
    assert_eq!(finding.facts["offered"], json!(["dns-01", "tls-alpn-01"]));
}

/// Pebble offers those for a wildcard.
#[test]
fn a_way_that_certbake_does_not_speak_is_not_advised() {
    for (offered, advised) in [
        (&["dns-persist-01", "dns-01"][..], "for this name: dns-01"),
        (&["dns-persist-01"], "supports none of those"),
    ] {
        let ca = Ca::new(proving(offered, json!({ "status": "valid" })));
        let finding = refused(ca.issue(none()));
        assert_eq!(finding.facts["offered"], json!(offered));
        assert!(finding.hint.contains(advised), "{}", finding.hint);
        assert!(!finding.hint.contains("persist"), "{}", finding.hint);
    }
}

#[test]
fn a_port_that_is_taken_is_told_before_the_ca_looks_there() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    for kind in ["http-01", "tls-alpn-01"] {
        let ca = Ca::new(proving(
            &["http-01", "tls-alpn-01"],
            json!({ "status": "valid" }),
        ));
        let (listen, challenge) = (listen.clone(), kind);
        let settings = toml::toml! {
            listen = listen
            challenge = challenge
        };
        let finding = settings_error(ca.issue(settings.clone()));
        assert_eq!(finding.code.as_str(), "acme-cannot-listen");
        assert!(finding.hint.contains("another program"), "{}", finding.hint);
        let preflight = ca.open(settings).preflight.unwrap();
        let findings = preflight
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap();
        assert!(
            findings
                .iter()
                .any(|f| f.code.as_str() == "acme-cannot-listen"),
            "{findings:?}"
        );
        assert!(ca.asked_for(&format!("/challenge/{kind}")).is_empty());
    }
}

/// Everything that a stranger may send to the listener, while an order waits for its CA.
#[test]
fn the_listener_answers_the_token_alone_and_is_gone_afterwards() {
    let ca = Ca::new(proving(&["http-01"], json!({ "status": "pending" })));
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let opened = ca.open(toml::toml! { listen = listen });
    std::thread::scope(|scope| {
        let ordering = scope.spawn(|| opened.authority.issue(&order(Duration::from_secs(4)).1));
        let deadline = Instant::now() + Duration::from_secs(3);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nobody listens");
            std::thread::sleep(Duration::from_millis(10));
        }
        let ask = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(bytes).unwrap();
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            text
        };
        let get = |path: &str| ask(format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n").as_bytes());
        // Silent visitors do not hold it up.
        let _silent: Vec<TcpStream> = (0..20)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        let found = get("/.well-known/acme-challenge/token-http-01");
        assert!(found.starts_with("HTTP/1.1 200 OK"), "{found}");
        assert!(found.contains("\r\n\r\ntoken-http-01."), "{found}");
        assert!(get("/").starts_with("HTTP/1.1 404"));
        assert!(get("/.well-known/acme-challenge/token").starts_with("HTTP/1.1 404"));
        assert_eq!(ask(&[b'x'; 20_000]), "");
        let finding = unreachable(ordering.join().unwrap());
        assert_eq!(finding.code.as_str(), "ca-pending");
    });
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
