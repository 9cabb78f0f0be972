//! The network client against real TLS on loopback: what it sends, what it repeats, and what its
//! errors say.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use certbake::net::{
    Client, ClientCertificate, ClientSettings, ConnectReason, Failure, NetError, Proxy,
    ProxyReason, ProxyServer, Repeat, Request, Stage, TlsReason, Trust, UrlFault, danger,
};
use certbake::secret::Secret;
use support::{FakeServer, Identity, Lab, Reply, script};
use time::OffsetDateTime;

/// Patience of every client here; long enough for a loaded machine, never waited out in full but
/// where a test says so.
fn settings(lab: &Lab) -> ClientSettings {
    let mut settings = ClientSettings::new(Trust::Anchors(lab.anchors()));
    settings.connect_timeout = Duration::from_secs(5);
    settings.request_timeout = Duration::from_secs(5);
    settings.deadline = Duration::from_secs(10);
    settings
}

fn client(lab: &Lab) -> Client {
    Client::open(settings(lab)).unwrap()
}

/// Waits long enough for a loaded machine to get past every step but the one that never comes.
fn impatient(lab: &Lab) -> Client {
    let mut settings = settings(lab);
    settings.connect_timeout = Duration::from_millis(1500);
    settings.request_timeout = Duration::from_millis(1500);
    settings.deadline = Duration::from_millis(1600);
    Client::open(settings).unwrap()
}

fn showing(identity: &Identity) -> Option<ClientCertificate> {
    Some(ClientCertificate {
        chain: identity.chain.clone(),
        key: Secret::new(identity.key.clone()),
    })
}

fn failure(error: &NetError) -> &Failure {
    &error.failure
}

/// Asks a server that has this certificate, trusting the lab, and gives the TLS reason.
fn turned_down(lab: &Lab, identity: &Identity) -> (TlsReason, NetError) {
    let server = FakeServer::https(identity, script([Reply::ok("")]));
    let error = client(lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert!(server.asked().is_empty(), "a request went out");
    let Failure::Tls(reason) = failure(&error) else {
        panic!("{error}");
    };
    (reason.clone(), error)
}

mod answers {
    use super::*;

    #[test]
    fn an_answer_carries_status_body_headers_and_the_servers_clock() {
        let lab = Lab::new("Lab");
        let reply = Reply::ok("hello")
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("x-from", "lab");
        let server = FakeServer::https(&lab.server(), script([reply]));
        let request = Request::get(server.url("/a?b=c")).header("accept", "text/plain");
        let response = client(&lab).send(&request).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
        assert_eq!(response.header("X-From"), Some("lab"));
        assert_eq!(response.date.unwrap().unix_timestamp(), 784_111_777);
        assert_eq!(response.attempts, 1);
        let asked = &server.asked()[0];
        assert_eq!((&*asked.method, &*asked.path), ("GET", "/a?b=c"));
        assert_eq!(asked.header("accept"), Some("text/plain"));
        let agent = asked.header("user-agent").unwrap();
        assert!(agent.starts_with("certbake/"), "{agent}");
    }

    #[test]
    fn two_requests_share_one_connection() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("x")]));
        let client = client(&lab);
        for _ in 0..2 {
            client.send(&Request::get(server.url("/"))).unwrap();
        }
        assert_eq!((server.asked().len(), server.connections()), (2, 1));
    }

    #[test]
    fn a_kept_connection_that_the_server_has_closed_is_not_asked_again() {
        let lab = Lab::new("Lab");
        for _ in 0..20 {
            let last = Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx".to_vec());
            let server = FakeServer::https(&lab.server(), script([last, Reply::ok("y")]));
            let client = client(&lab);
            client.send(&Request::get(server.url("/"))).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            // It would be lost, and must not be sent twice.
            let request = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
            assert_eq!(client.send(&request).unwrap().body, b"y");
            assert_eq!(server.connections(), 2);
        }
    }

    #[test]
    fn orders_on_several_threads_share_one_client() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("x")]));
        let client = client(&lab);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| client.send(&Request::get(server.url("/"))).unwrap());
            }
        });
        assert_eq!(server.asked().len(), 8);
    }

    #[test]
    fn an_error_status_is_an_answer() {
        let lab = Lab::new("Lab");
        let reply = Reply::status(403).body("not for you\r\n");
        let server = FakeServer::https(&lab.server(), script([reply]));
        let request = Request::get(server.url("/"));
        let response = client(&lab).send(&request).unwrap();
        assert_eq!(response.status, 403);
        assert_eq!(response.said(&request).unwrap(), "not for you");
    }

    #[test]
    fn tls_1_2_is_spoken_too() {
        let lab = Lab::new("Lab");
        let server = FakeServer::tls12(&lab.server(), None, script([Reply::ok("old")]));
        let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
        assert_eq!(response.body, b"old");
    }

    #[test]
    fn http_2_is_spoken_where_the_server_offers_it() {
        let lab = Lab::new("Lab");
        let server = support::Http2Server::start(&lab.server());
        let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
        assert_eq!(response.body, b"HTTP/2.0");
    }

    #[test]
    fn a_redirect_is_not_followed_and_only_its_host_is_told() {
        let lab = Lab::new("Lab");
        let reply = Reply::status(302).header("location", "https://sso.lab:444/?token=xyzzy");
        let server = FakeServer::https(&lab.server(), script([reply]));
        let error = client(&lab)
            .send(&Request::get(server.url("/")))
            .unwrap_err();
        assert_eq!(
            failure(&error),
            &Failure::Redirected {
                status: 302,
                to: Some("sso.lab:444".to_owned())
            }
        );
        assert!(!format!("{error:?} {:?}", error.finding()).contains("xyzzy"));
    }

    #[test]
    fn an_answer_above_the_limit_is_refused_whether_its_length_was_stated_or_not() {
        let lab = Lab::new("Lab");
        let chunk = "1000\r\n".to_owned() + &"x".repeat(0x1000) + "\r\n";
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned() + &chunk.repeat(3);
        for reply in [
            Reply::ok("x".repeat(8193)),
            Reply::Raw(chunked.into_bytes()),
        ] {
            let server = FakeServer::https(&lab.server(), script([reply]));
            let mut settings = settings(&lab);
            settings.max_body = 8192;
            let client = Client::open(settings).unwrap();
            let error = client.send(&Request::get(server.url("/"))).unwrap_err();
            assert_eq!(failure(&error), &Failure::TooLarge { limit: 8192 });
        }
    }

    #[test]
    fn garbage_is_named_as_such_and_not_asked_for_twice() {
        let lab = Lab::new("Lab");
        let server =
            FakeServer::https(&lab.server(), script([Reply::Raw(b"SSH-2.0-x\r\n".into())]));
        let error = client(&lab)
            .send(&Request::get(server.url("/")))
            .unwrap_err();
        assert!(
            matches!(failure(&error), Failure::Garbage { .. }),
            "{error}"
        );
        assert_eq!(server.asked().len(), 1);
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        let lab = Lab::new("Lab");
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec();
        let server = FakeServer::https(&lab.server(), script([Reply::Raw(cut)]));
        let request = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
        let error = client(&lab).send(&request).unwrap_err();
        assert_eq!(
            failure(&error),
            &Failure::Closed {
                stage: Stage::Reading
            }
        );
    }
}

mod repeats {
    use super::*;

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
            let server =
                FakeServer::https(&lab.server(), script([Reply::Close, Reply::ok("done")]));
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
}

mod time_outs {
    use super::*;

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
}

mod tls {
    use super::*;

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
            params.subject_alt_names = vec![rcgen::SanType::DnsName("ca.lab".try_into().unwrap())];
        });
        let (reason, error) = turned_down(&lab, &identity);
        assert_eq!(
            reason,
            TlsReason::WrongName {
                expected: "127.0.0.1".to_owned(),
                presented: vec!["ca.lab".to_owned()]
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
        let twelve =
            FakeServer::tls12(&lab.server(), Some(&lab.anchors()), script([Reply::ok("")]));
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
}

mod trust {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_told_from_a_server_that_is_down() {
        let lab = Lab::new("Lab");
        let request = Request::get("https://ca.invalid/".parse().unwrap());
        let error = client(&lab).send(&request).unwrap_err();
        assert!(
            matches!(failure(&error), Failure::Resolve { .. }),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .starts_with("asking ca.invalid:443: looking up its name: ")
        );
    }

    #[test]
    fn the_names_of_this_machine_need_no_name_server() {
        let lab = Lab::new("Lab");
        let server = FakeServer::http(script([Reply::ok("x")]));
        let port = server.address().port();
        // In no hosts file, and plain HTTP is permitted there: it must not be asked for elsewhere.
        let url = format!("http://ca.localhost:{port}/").parse().unwrap();
        assert_eq!(client(&lab).send(&Request::get(url)).unwrap().status, 200);
    }

    #[test]
    fn the_addresses_of_a_name_are_told() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("")]));
        let mut url = server.url("/");
        url.set_host(Some("localhost")).unwrap();
        client(&lab).send(&Request::get(url.clone())).unwrap();
        drop(server);
        let error = client(&lab).send(&Request::get(url)).unwrap_err();
        let Failure::Connect { addresses, .. } = failure(&error) else {
            panic!("{error}");
        };
        assert!(addresses.iter().any(|a| a.ip().is_loopback()), "{error}");
    }

    #[test]
    fn a_url_with_a_password_or_in_the_clear_is_refused_before_anything_is_sent() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("")]));
        let mut with_password = server.url("/");
        with_password.set_username("bob").unwrap();
        with_password.set_password(Some("xyzzy")).unwrap();
        for (url, fault) in [
            (with_password, UrlFault::Credentials),
            ("http://ca.lab/".parse().unwrap(), UrlFault::PlainHttp),
            ("ftp://ca.lab/".parse().unwrap(), UrlFault::Scheme),
        ] {
            let error = client(&lab).send(&Request::get(url)).unwrap_err();
            assert_eq!(failure(&error), &Failure::Url(fault));
            assert!(!format!("{error:?} {error}").contains("xyzzy"));
        }
        assert_eq!(server.connections(), 0);
    }

    #[test]
    fn plain_http_is_permitted_on_loopback() {
        let lab = Lab::new("Lab");
        let server = FakeServer::http(script([Reply::ok("x")]));
        let url = format!("http://{}/", server.address()).parse().unwrap();
        assert_eq!(client(&lab).send(&Request::get(url)).unwrap().status, 200);
    }

    #[test]
    fn an_unverified_server_is_asked_for_public_data_and_never_told_a_secret() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("public")]));
        let trust = danger::trust_any_server_for_pinned_data();
        let mut settings = ClientSettings::new(trust);
        let client = Client::open(settings.clone()).unwrap();
        let response = client.send(&Request::get(server.url("/"))).unwrap();
        assert_eq!(response.body, b"public");
        let login = Request::get(server.url("/")).basic_auth("bob", &Secret::from("x".to_owned()));
        let order = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
        for request in [login, order] {
            let error = client.send(&request).unwrap_err();
            assert_eq!(failure(&error), &Failure::Url(UrlFault::Unverified));
        }
        assert_eq!(server.asked().len(), 1);
        settings.client_certificate = showing(&lab.client("builder"));
        assert!(Client::open(settings).is_err());
    }

    #[test]
    fn anchors_and_client_keys_that_cannot_be_used_are_errors_when_the_client_is_opened() {
        let lab = Lab::new("Lab");
        let error = Client::open(ClientSettings::new(Trust::Anchors(Vec::new()))).err();
        assert!(error.unwrap().to_string().contains("empty"));
        let broken = Trust::Anchors(vec![lab.root(), b"junk".to_vec()]);
        let error = Client::open(ClientSettings::new(broken)).err().unwrap();
        assert!(error.to_string().starts_with("anchor 2 cannot"), "{error}");
        let mut settings = settings(&lab);
        let mut mixed = lab.client("one");
        mixed.key = lab.client("two").key;
        settings.client_certificate = showing(&mixed);
        let error = Client::open(settings).err().unwrap();
        assert!(
            error
                .to_string()
                .starts_with("using the client certificate")
        );
    }
}

mod proxies {
    use super::*;

    fn through(lab: &Lab, proxy: &FakeServer, credentials: Option<(String, Secret)>) -> Client {
        let mut settings = settings(lab);
        settings.proxy = Proxy::Through(ProxyServer {
            url: format!("http://{}", proxy.address()).parse().unwrap(),
            credentials,
            except: String::new(),
        });
        Client::open(settings).unwrap()
    }

    fn request() -> Request {
        Request::get("https://ca.lab/".parse().unwrap())
    }

    fn server(lab: &Lab) -> FakeServer {
        let identity = lab.server_with(|params| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName("ca.lab".try_into().unwrap())];
        });
        FakeServer::https(&identity, script([Reply::ok("through")]))
    }

    #[test]
    fn a_proxy_connects_us_onwards_and_gets_its_own_credentials_alone() {
        let lab = Lab::new("Lab");
        let server = server(&lab);
        let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
        let credentials = ("bob".to_owned(), Secret::from("p:ss".to_owned()));
        let client = through(&lab, &proxy, Some(credentials));
        let login = request().basic_auth("alice", &Secret::from("xyzzy".to_owned()));
        assert_eq!(client.send(&login).unwrap().body, b"through");
        let asked = &proxy.asked()[0];
        assert_eq!((&*asked.method, &*asked.path), ("CONNECT", "ca.lab:443"));
        assert_eq!(
            asked.header("proxy-authorization"),
            Some("Basic Ym9iOnA6c3M=")
        );
        assert_eq!(asked.header("authorization"), None);
        assert_eq!(server.asked()[0].header("proxy-authorization"), None);
    }

    #[test]
    fn a_proxy_that_says_no_is_named_with_its_reason() {
        let lab = Lab::new("Lab");
        for (status, expected) in [
            (407, ProxyReason::WantsCredentials),
            (403, ProxyReason::TurnedDown),
        ] {
            let server = server(&lab);
            let proxy = FakeServer::proxy(server.address(), script([Reply::status(status)]));
            let error = through(&lab, &proxy, None).send(&request()).unwrap_err();
            assert_eq!(
                failure(&error),
                &Failure::Proxy {
                    proxy: proxy.address().to_string(),
                    reason: expected
                }
            );
        }
    }

    #[test]
    fn a_proxy_that_is_down_is_not_taken_for_the_server() {
        let lab = Lab::new("Lab");
        let server = server(&lab);
        let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
        let client = through(&lab, &proxy, None);
        drop(proxy);
        let error = client.send(&request()).unwrap_err();
        assert!(
            matches!(
                failure(&error),
                Failure::Proxy {
                    reason: ProxyReason::Connect(ConnectReason::Refused),
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_proxy_without_an_address_is_not_taken_for_the_server() {
        let lab = Lab::new("Lab");
        let mut settings = settings(&lab);
        settings.proxy = Proxy::Through(ProxyServer {
            url: "http://proxy.invalid:3128".parse().unwrap(),
            credentials: None,
            except: String::new(),
        });
        let error = Client::open(settings)
            .unwrap()
            .send(&request())
            .unwrap_err();
        assert!(
            error.to_string().starts_with(
                "asking ca.lab:443: through the proxy proxy.invalid:3128: looking up its name: "
            ),
            "{error}"
        );
    }

    #[test]
    fn loopback_is_reached_directly() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), script([Reply::ok("direct")]));
        let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
        let client = through(&lab, &proxy, None);
        let response = client.send(&Request::get(server.url("/"))).unwrap();
        assert_eq!(response.body, b"direct");
        assert_eq!(proxy.connections(), 0);
    }
}
