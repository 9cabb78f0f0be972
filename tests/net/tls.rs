//! Handshakes that fail, and why.

use certbake::net::{Client, Failure, Repeat, Request, TlsReason};
use time::OffsetDateTime;

use crate::client::{client, failure, settings, showing, turned_down};
use crate::support::{self, FakeServer, Lab, LosesFirstAlert, Reply, script};

#[test]
fn a_server_of_another_ca_is_turned_down_by_naming_the_root_it_leads_to() {
    let (lab, other) = (Lab::new("Lab"), Lab::new("Other"));
    let (reason, error) = turned_down(&lab, &other.server());
    assert_eq!(
        reason,
        TlsReason::UnknownIssuer {
            ends_in: Some("CN=Other Root".to_owned())
        }
    );
    assert!(error.finding().hint.contains("CN=Other Root"));
    assert!(!error.is_transient());
    assert_eq!(error.attempts, 1);
}

#[test]
fn an_expired_server_certificate_is_told_with_both_dates() {
    let lab = Lab::new("Lab");
    let ended = (OffsetDateTime::now_utc() - time::Duration::DAY)
        .replace_nanosecond(0)
        .unwrap();
    let identity = lab.server_with(|params| {
        params.not_before = ended - time::Duration::DAY;
        params.not_after = ended;
    });
    let (reason, error) = turned_down(&lab, &identity);
    let TlsReason::Expired {
        certificate,
        not_after,
        now,
    } = reason
    else {
        panic!("{error}");
    };
    assert_eq!(certificate.as_deref(), Some("lab server"));
    assert_eq!(not_after, ended);
    assert!(now > ended);
    let finding = error.finding();
    assert!(finding.facts.contains_key("not_after") && finding.facts.contains_key("now"));
}

#[test]
fn a_server_certificate_that_begins_tomorrow_is_told_with_both_dates() {
    let lab = Lab::new("Lab");
    let begins = (OffsetDateTime::now_utc() + time::Duration::DAY)
        .replace_nanosecond(0)
        .unwrap();
    let identity = lab.server_with(|params| {
        params.not_before = begins;
        params.not_after = begins + time::Duration::DAY;
    });
    let (reason, error) = turned_down(&lab, &identity);
    assert!(
        matches!(&reason, TlsReason::NotYetValid { not_before, .. } if *not_before == begins),
        "{error}"
    );
}

#[test]
fn a_wrong_name_is_told_with_the_names_there_are() {
    let lab = Lab::new("Lab");
    let identity = lab.server_with(|params| {
        params.subject_alt_names = vec![
            rcgen::SanType::DnsName("ca.lab".try_into().unwrap()),
            rcgen::SanType::IpAddress("::1".parse().unwrap()),
        ];
    });
    let (reason, error) = turned_down(&lab, &identity);
    assert_eq!(
        reason,
        TlsReason::WrongName {
            expected: "127.0.0.1".to_owned(),
            presented: vec!["ca.lab".to_owned(), "::1".to_owned()]
        },
        "{error}"
    );
}

#[test]
fn a_certificate_for_clients_is_no_server_certificate() {
    let lab = Lab::new("Lab");
    let identity = lab.server_with(|params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (reason, error) = turned_down(&lab, &identity);
    assert!(matches!(reason, TlsReason::WrongUsage { .. }), "{error}");
}

#[test]
fn a_cas_own_certificate_does_not_stand_for_a_server() {
    let lab = Lab::new("Lab");
    let identity = lab.server_with(|params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let (reason, error) = turned_down(&lab, &identity);
    assert_eq!(reason, TlsReason::CaAsServer, "{error}");
}

#[test]
fn a_root_of_the_same_name_with_another_key_is_a_bad_signature() {
    let (lab, twin) = (Lab::new("Lab"), Lab::new("Lab"));
    let (reason, error) = turned_down(&lab, &twin.server());
    assert_eq!(reason, TlsReason::BadSignature, "{error}");
}

#[test]
fn a_server_that_wants_a_client_certificate_says_so_by_its_alert() {
    let lab = Lab::new("Lab");
    let thirteen = FakeServer::mtls(&lab.server(), &lab.anchors(), script([Reply::ok("")]));
    let twelve = FakeServer::tls12(&lab.server(), Some(&lab.anchors()), script([Reply::ok("")]));
    for server in [thirteen, twelve] {
        let request = Request::post(server.url("/"), Repeat::IfTurnedAway, b"x".to_vec());
        let error = client(&lab).send(&request).unwrap_err();
        let Failure::Tls(TlsReason::Alert(alert)) = failure(&error) else {
            panic!("{error}");
        };
        assert_eq!(alert.name, "certificate_required");
        assert!(
            error
                .finding()
                .hint
                .starts_with("give a client certificate")
        );
        // A connection that ended before it took the request is tried once more.
        assert!(error.attempts <= 2, "{}", error.attempts);
    }
}

#[test]
fn the_client_certificate_is_shown_to_a_server_that_asks() {
    let lab = Lab::new("Lab");
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), script([Reply::ok("")]));
    let builder = lab.client("builder");
    let mut settings = settings(&lab);
    settings.client_certificate = showing(&builder);
    let client = Client::open(settings).unwrap();
    client.send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(
        server.asked()[0].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
}

#[test]
fn a_client_certificate_of_an_unknown_ca_is_answered_by_an_alert() {
    let (lab, other) = (Lab::new("Lab"), Lab::new("Other"));
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), script([Reply::ok("")]));
    let mut settings = settings(&lab);
    settings.client_certificate = showing(&other.client("stranger"));
    let client = Client::open(settings).unwrap();
    let error = client.send(&Request::get(server.url("/"))).unwrap_err();
    let Failure::Tls(TlsReason::Alert(alert)) = failure(&error) else {
        panic!("{error}");
    };
    assert_eq!(alert.name, "unknown_ca");
    assert!(
        error.to_string().contains("without its intermediate"),
        "{error}"
    );
}

#[test]
fn over_http_2_an_alert_is_no_answer_that_is_not_http() {
    let (lab, other) = (Lab::new("Lab"), Lab::new("Other"));
    let server = support::Http2Server::mtls(&lab.server(), &lab.anchors());
    let mut stranger = settings(&lab);
    stranger.client_certificate = showing(&other.client("stranger"));
    for (settings, name) in [
        (settings(&lab), "certificate_required"),
        (stranger, "unknown_ca"),
    ] {
        let client = Client::open(settings).unwrap();
        let error = client.send(&Request::get(server.url("/"))).unwrap_err();
        let Failure::Tls(TlsReason::Alert(alert)) = failure(&error) else {
            panic!("{error}");
        };
        assert_eq!(alert.name, name);
    }
}

#[test]
fn an_alert_that_was_lost_is_asked_for_once_more() {
    let (lab, other) = (Lab::new("Lab"), Lab::new("Other"));
    let server = LosesFirstAlert::start(&lab.server(), &lab.anchors());
    let mut settings = settings(&lab);
    settings.client_certificate = showing(&other.client("stranger"));
    let client = Client::open(settings).unwrap();
    let order = Request::post(server.url("/"), Repeat::Never, b"an order".to_vec());
    let error = client.send(&order).unwrap_err();
    let Failure::Tls(TlsReason::Alert(alert)) = failure(&error) else {
        panic!("{error}");
    };
    assert_eq!(alert.name, "unknown_ca");
    assert_eq!((error.attempts, server.connections()), (1, 2));
}

#[test]
fn a_port_without_tls_is_told_as_such() {
    let lab = Lab::new("Lab");
    let server = FakeServer::bare(b"HTTP/1.1 400 Bad Request\r\n\r\n", true);
    let error = client(&lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert_eq!(failure(&error), &Failure::Tls(TlsReason::NotTls));
}

#[test]
fn a_server_that_knows_no_common_version_says_so_by_its_alert() {
    let lab = Lab::new("Lab");
    let server = FakeServer::bare(&[0x15, 3, 1, 0, 2, 2, 70], true);
    let error = client(&lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert!(
        error.to_string().contains("alert 70 (protocol_version)"),
        "{error}"
    );
}

#[test]
fn a_connection_that_ends_inside_the_handshake_is_tried_again() {
    let lab = Lab::new("Lab");
    let server = FakeServer::bare(b"", true);
    let error = client(&lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert_eq!(failure(&error), &Failure::Tls(TlsReason::Closed));
    assert_eq!((error.attempts, server.connections()), (4, 4));
}
