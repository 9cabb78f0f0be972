//! Client certificates: renewals, and logins by the anchors of somebody else.

use certbake::authority::Reason;
use certbake::authority::embedded::{CaDirectory, NewCa, Terms};
use certbake::pki::{Certificate, PrivateKey, ReceivedRequest, SigningRequest, Usage};
use certbake::span::Span;

use super::{DAY, lab_with_users};
use crate::support::{Lab, USER, base64, key, key_pem, now, request, request_for};

/// A certificate of the lab's CA with its key, for curl.
fn issued(lab: &Lab, request: &SigningRequest, ttl: Span) -> (Certificate, String) {
    sign(&lab.ca(), lab, request, ttl)
}

fn sign(ca: &CaDirectory, lab: &Lab, request: &SigningRequest, ttl: Span) -> (Certificate, String) {
    let terms = Terms {
        now: now(),
        ttl,
        max_ttl: ttl,
        requester: "test",
    };
    let request = ReceivedRequest::from_der(request.der()).unwrap();
    let certificate = ca.issue(&request, &terms).unwrap().certificate;
    let name = format!("{}.pem", certificate.facts().serial);
    let chain = certificate.pem() + &ca.intermediate().pem();
    let path = lab.file(&name, chain).display().to_string();
    (certificate, path)
}

fn key_file(lab: &Lab, key: &PrivateKey) -> String {
    lab.file("client.key", key_pem(key)).display().to_string()
}

#[test]
fn a_certificate_renews_itself_with_another_key_and_for_no_longer() {
    let lab = Lab::new();
    let current = key();
    let names = ["dns:app.internal", "ip:10.0.0.7"];
    let first = request(&current, "app", &names);
    let (certificate, path) = issued(&lab, &first, Span::seconds(2 * DAY));
    let login = ["--cert", path.as_str(), "--key", &key_file(&lab, &current)];

    let fresh = key();
    for operation in ["simplereenroll", "simpleenroll"] {
        let renewal = base64(&request(
            &fresh,
            "app",
            &["ip:10.0.0.7", "dns:app.internal"],
        ));
        let renewed = lab.curl(operation, &login, Some(&renewal)).certificate();
        assert_eq!(renewed.facts().spki, fresh.spki());
        assert_eq!(renewed.window().lifetime(), certificate.window().lifetime());
    }

    for (request, other) in [
        (request(&fresh, "admin", &names), "subject"),
        (
            request(&fresh, "app", &["dns:app.internal"]),
            "subject alternative name",
        ),
        (
            request_for(&fresh, "app", &names, Usage::Server),
            "extended key usage",
        ),
    ] {
        let reply = lab.curl("simplereenroll", &login, Some(&base64(&request)));
        let reason = format!(
            "a client certificate can only renew itself: the request has another {other}\n"
        );
        assert_eq!((reply.status, reply.body), (403, reason));
    }
}

#[test]
fn a_certificate_that_is_revoked_renews_itself_no_more() {
    let lab = Lab::new();
    let current = key();
    let asked = request(&current, "app", &["dns:app.internal"]);
    let (certificate, path) = issued(&lab, &asked, Span::seconds(2 * DAY));
    let login = ["--cert", path.as_str(), "--key", &key_file(&lab, &current)];
    let body = base64(&asked);
    assert_eq!(lab.curl("simplereenroll", &login, Some(&body)).status, 200);

    let ca = lab.ca();
    ca.revoke(&certificate, Reason::KeyCompromise, now())
        .unwrap();
    for operation in ["simplereenroll", "simpleenroll"] {
        let reply = lab.curl(operation, &login, Some(&body));
        assert_eq!(reply.status, 403);
        let reason = "the current certificate was revoked at ";
        assert!(reply.body.starts_with(reason), "{}", reply.body);
    }
    // Whose line this is, nobody knows.
    let log = ca.path().join("revoked.jsonl");
    let line = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, line.replace("\"at\"", "\"?\"")).unwrap();
    let reply = lab.curl("simplereenroll", &login, Some(&body));
    assert_eq!(reply.status, 500);
}

#[test]
fn a_renewal_without_the_current_certificate_is_refused() {
    let lab = Lab::new();
    let request = base64(&request(&key(), "app", &[]));
    let reply = lab.curl("simplereenroll", &["-u", USER], Some(&request));
    assert_eq!(reply.status, 403);
    let reason = "simplereenroll needs the current certificate, issued by this CA,";
    assert!(reply.body.starts_with(reason), "{}", reply.body);
}

#[test]
fn certificates_of_the_client_anchors_log_in_as_the_user_of_their_common_name() {
    let other = tempfile::tempdir().unwrap();
    let other = CaDirectory::open_or_make(&other.path().join("ca"), &NewCa::default(), now());
    let other = other.unwrap();
    let lab = lab_with_users(vec![other.root().clone()]);
    let client = key();
    let login = |name: &str| {
        let request = request(&client, name, &[]);
        sign(&other, &lab, &request, Span::seconds(DAY)).1
    };
    let key_file = key_file(&lab, &client);
    let ask = |name: &str, wanted: &str| {
        let arguments = ["--cert", &login(name), "--key", &key_file];
        let wanted = base64(&request(&key(), wanted, &[]));
        let reply = lab.curl("simpleenroll", &arguments, Some(&wanted));
        (reply.status, reply.body)
    };
    assert_eq!(ask("gateway", "gateway.internal").0, 200);
    let (status, reason) = ask("gateway", "app.internal");
    assert_eq!(status, 403);
    assert_eq!(
        reason,
        "CN=app.internal is not allowed for gateway, whose names are gateway.internal\n"
    );
    let (status, reason) = ask("stranger", "gateway.internal");
    assert_eq!(
        (status, reason.as_str()),
        (403, "stranger is not among the users\n")
    );
}
