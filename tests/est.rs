//! The EST authority: the contract of all authorities, what RFC 7030 adds, what servers in the wild
//! do differently, and GlobalSign's estserver for real.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod servers;
mod support;

use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Current, Depth, Opened};
use certbake::outcome::Outcome;
use certbake::pki::{Certificate, PrivateKey, digest, pem, pkcs7};
use data_encoding::{BASE64, BASE64_MIME};
use support::contract::{
    CANARY, PATIENCE, Protocol, Run, arranged, credential, open, order, order_for, try_open,
};
use support::{Asked, FakeServer, Lab, Reply};

/// EST as the fake speaks it.
struct Est;

impl Protocol for Est {
    fn kind(&self) -> &'static str {
        "est"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            username = "builder"
            password = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        asked
            .path
            .ends_with("enroll")
            .then(|| unwrapped(&asked.body))
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        match asked.path.as_str() {
            "/.well-known/est/cacerts" => self.issued(&[lab.root(), lab.issuing()]),
            _ => Reply::status(404),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        Reply::ok(BASE64.encode(&message(certificates))).header(
            "content-type",
            "application/pkcs7-mime; smime-type=certs-only",
        )
    }
}

fn message(certificates: &[Vec<u8>]) -> Vec<u8> {
    let ders: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    pkcs7::certs_only(&ders)
}

fn unwrapped(base64: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = base64.iter().copied().filter(|b| *b != b'\n').collect();
    BASE64.decode(&text).unwrap()
}

/// A server that answers `enroll` by the script and the rest as it should, and the authority on it.
fn lab_with(
    mut enroll: impl FnMut(&Lab, &[u8]) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
        Some(request) => enroll(&serving, &request),
        None => Est.aside(&serving, asked),
    });
    let (file, source) = credential();
    let mut table = Est.settings(&server, &source);
    change(&mut table);
    let opened = open("est", table, &lab.anchors());
    // Read when the first order is made.
    file.keep().unwrap();
    (lab, server, opened)
}

fn sign(lab: &Lab, request: &[u8]) -> Reply {
    Est.issued(&[lab.sign(request)])
}

fn paths(server: &FakeServer) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.path).collect()
}

mod contract {
    use super::Est;

    crate::contract!(&Est);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_is_what_rfc_7030_asks_for() {
        let run = Run::new(&Est, PATIENCE, |lab, request, _| sign(lab, request));
        let asked = run.server.asked();
        assert_eq!(
            paths(&run.server),
            ["/.well-known/est/cacerts", "/.well-known/est/simpleenroll"]
        );
        assert_eq!(asked[0].header("authorization"), None);
        let order = &asked[1];
        assert_eq!(order.method, "POST");
        assert_eq!(order.header("content-type"), Some("application/pkcs10"));
        assert_eq!(order.header("content-transfer-encoding"), Some("base64"));
        let login = format!(
            "Basic {}",
            BASE64.encode(format!("builder:{CANARY}").as_bytes())
        );
        assert_eq!(order.header("authorization"), Some(login.as_str()));
        assert!(
            order
                .body
                .split(|b| *b == b'\n')
                .all(|line| line.len() <= 64)
        );
        assert_eq!(run.server.connections(), 1);
    }

    #[test]
    fn a_leaf_alone_gets_its_issuer_and_its_root_from_cacerts() {
        let run = Run::new(&Est, PATIENCE, |lab, request, _| sign(lab, request));
        let issued = run.outcome.unwrap();
        assert_eq!(issued.certificates.len(), 2);
        assert_eq!(issued.certificates[1], run.lab.issuing());
        assert_eq!(issued.anchors, [run.lab.root()]);
    }

    #[test]
    fn a_label_stands_between_est_and_the_operation() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Est.issued(&[serving.root()]),
        });
        let url = server.origin();
        let table = toml::toml! {
            url = url
            label = "devices"
        };
        let opened = open("est", table, &lab.anchors());
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(
            paths(&server),
            [
                "/.well-known/est/devices/cacerts",
                "/.well-known/est/devices/simpleenroll"
            ]
        );
        assert_eq!(server.asked()[1].header("authorization"), None);
    }

    #[test]
    fn orders_at_the_same_time_share_what_was_learnt_about_the_server() {
        let (_lab, server, opened) = lab_with(sign, |_| {});
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
            }
        });
        let cacerts = paths(&server)
            .iter()
            .filter(|path| path.ends_with("cacerts"))
            .count();
        assert_eq!((cacerts, server.asked().len()), (1, 5));
    }

    #[test]
    fn a_password_that_cannot_be_read_ends_the_order_before_anything_is_sent() {
        let (_lab, server, opened) = lab_with(sign, |table| {
            table.insert("password".to_owned(), "env:CERTBAKE_TEST_UNSET".into());
        });
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
        assert_eq!(error.into_finding().code.as_str(), "secret-unreadable");
        assert_eq!(server.connections(), 0);
    }
}

mod tolerance {
    use super::*;

    #[test]
    fn every_wrapping_of_the_answer_is_opened_whatever_its_content_type() {
        type Wrap = fn(Vec<u8>) -> Vec<u8>;
        let wrappings: [(&str, Wrap); 6] = [
            ("one line", |m| BASE64.encode(&m).into_bytes()),
            ("lines of 76", |m| BASE64_MIME.encode(&m).into_bytes()),
            ("DER", |m| m),
            ("PEM", |m| pem::encode("PKCS7", &m).into_bytes()),
            ("PEM under a certificate's label", |m| {
                pem::encode("CERTIFICATE", &m).into_bytes()
            }),
            ("blank lines around", |m| {
                format!("\r\n{}\r\n\r\n", BASE64.encode(&m)).into_bytes()
            }),
        ];
        for (name, wrap) in wrappings {
            let run = Run::new(&Est, PATIENCE, move |lab, request, _| {
                Reply::ok(wrap(message(&[lab.sign(request)])))
                    .header("content-type", "application/octet-stream")
            });
            let issued = run
                .outcome
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(issued.certificates.len(), 2, "{name}");
        }
    }

    #[test]
    fn a_compressed_answer_is_called_what_it_is() {
        let run = Run::new(&Est, PATIENCE, |_, _, _| {
            Reply::ok("\u{1f}\u{8b}").header("content-encoding", "gzip")
        });
        let finding = run.unusable();
        assert_eq!(finding.facts["content_encoding"], "gzip");
        assert!(
            finding.hint.starts_with("it is compressed"),
            "{}",
            finding.hint
        );
    }

    #[test]
    fn a_certificate_without_its_message_is_taken_too() {
        type Wrap = fn(&[u8]) -> Vec<u8>;
        let wrappings: [Wrap; 3] = [
            |der| der.to_vec(),
            |der| pem::encode("CERTIFICATE", der).into_bytes(),
            |der| BASE64.encode(der).into_bytes(),
        ];
        for wrap in wrappings {
            let run = Run::new(&Est, PATIENCE, move |lab, request, _| {
                Reply::ok(wrap(&lab.sign(request)))
            });
            run.outcome.unwrap();
        }
    }

    #[test]
    fn the_leaf_is_the_one_for_our_key_and_of_two_the_later() {
        let run = Run::new(&Est, PATIENCE, |lab, request, _| {
            let others = lab.client("somebody else").chain;
            Est.issued(&[others[0].clone(), lab.sign(request), lab.issuing()])
        });
        let issued = run.outcome.unwrap();
        let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
        assert_eq!(leaf.facts().spki, run.key.spki());
    }

    /// RFC 7030 section 4.1.3. The lab's root twice, each time with another key.
    #[test]
    fn keys_of_a_ca_that_its_other_key_signed_are_no_roots() {
        let made = |issuer: Option<&rcgen::Issuer<'_, &rcgen::KeyPair>>, key: &rcgen::KeyPair| {
            let mut params = rcgen::CertificateParams::default();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "Lab");
            let made = match issuer {
                None => params.self_signed(key),
                Some(issuer) => params.signed_by(key, issuer),
            };
            made.unwrap().der().to_vec()
        };
        let issuer = |key| {
            let mut params = rcgen::CertificateParams::default();
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "Lab");
            rcgen::Issuer::new(params, key)
        };
        let keys = [0, 1].map(|_| rcgen::KeyPair::generate().unwrap());
        let [old, new] = &keys;
        let roots = [made(None, old), made(None, new)];
        let crossed = [made(Some(&issuer(new)), old), made(Some(&issuer(old)), new)];
        let all = [crossed.as_slice(), &roots].concat();
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Est.issued(&all),
        });
        let (_file, source) = credential();
        let opened = open("est", Est.settings(&server, &source), &lab.anchors());
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.anchors, roots);
    }

    #[test]
    fn cacerts_behind_the_login_are_asked_for_with_it() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| {
            if asked.header("authorization").is_none() {
                return Reply::status(401).header("www-authenticate", "Basic realm=\"est\"");
            }
            match Est.ordered(asked) {
                Some(request) => sign(&serving, &request),
                None => Est.aside(&serving, asked),
            }
        });
        let (_file, source) = credential();
        let opened = open("est", Est.settings(&server, &source), &lab.anchors());
        opened.authority.issue(&order(PATIENCE).1).unwrap();
    }
}

mod pending {
    use super::*;

    #[test]
    fn a_pending_order_is_sent_again_unchanged_until_it_is_decided() {
        let run = Run::new(&Est, PATIENCE, |lab, request, orders| match orders {
            1 => Reply::status(202).header("retry-after", "0"),
            2 => Reply::status(202)
                .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
                .header("retry-after", "Sun, 06 Nov 1994 08:49:38 GMT"),
            _ => sign(lab, request),
        });
        assert!(run.outcome.is_ok(), "{:?}", run.outcome);
        let orders = run.orders(&Est);
        assert_eq!(orders.len(), 3);
        for order in &orders {
            assert_eq!(order.body, orders[0].body);
            assert_eq!(
                order.header("authorization"),
                orders[0].header("authorization")
            );
        }
    }

    #[test]
    fn an_order_that_stays_pending_ends_with_its_deadline() {
        let started = Instant::now();
        let run = Run::new(&Est, Duration::from_secs(2), |_, _, _| {
            Reply::status(202).header("retry-after", "3600")
        });
        assert!(started.elapsed() < Duration::from_secs(10));
        let finding = run.unreachable();
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert_eq!(finding.facts["retry_after_seconds"], 3600.0);
    }
}

mod refusals {
    use super::*;

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
            digest.contains("Digest, which certbake does not speak"),
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
            Reply::status(400)
                .header("content-type", "text/html")
                .body("<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n")
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
}

mod fingerprints {
    use super::*;

    fn table(server: &FakeServer, source: &str, pin: &str) -> toml::Table {
        let mut table = Est.settings(server, source);
        table.insert("trust".to_owned(), format!("sha256:{pin}").into());
        table
    }

    #[test]
    fn a_root_is_fetched_compared_and_then_trusted_alone() {
        let lab = Lab::new("Lab");
        let (serving, stray) = (lab.clone(), Lab::new("Stray"));
        let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Est.issued(&[stray.root(), serving.issuing(), serving.root()]),
        });
        let (_file, source) = credential();
        let pin = digest::sha256_hex(&lab.root());
        let opened = open("est", table(&server, &source, &pin), &[]);
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.anchors, [lab.root()]);
        assert_eq!(
            paths(&server),
            [
                "/.well-known/est/cacerts",
                "/.well-known/est/cacerts",
                "/.well-known/est/simpleenroll"
            ]
        );
    }

    #[test]
    fn another_root_ends_the_order_and_nothing_secret_was_sent() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| Est.aside(&serving, asked));
        let (_file, source) = credential();
        let pin = "ab".repeat(32);
        let opened = open("est", table(&server, &source, &pin), &[]);
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
        let finding = error.into_finding();
        assert_eq!(finding.code.as_str(), "ca-pin-mismatch");
        assert_eq!(finding.facts["pinned"], pin);
        assert_eq!(finding.facts["came"][0], digest::sha256_hex(&lab.root()));
        assert_eq!(server.asked().len(), 1);
        assert_eq!(server.asked()[0].header("authorization"), None);
    }

    /// The right root among `/cacerts`, on a server that somebody else runs.
    #[test]
    fn a_server_that_shows_the_pinned_root_without_being_of_it_is_turned_down() {
        let (lab, thief) = (Lab::new("Lab"), Lab::new("Thief"));
        let serving = lab.clone();
        let server = FakeServer::https(&thief.server(), move |asked| Est.aside(&serving, asked));
        let (_file, source) = credential();
        let pin = digest::sha256_hex(&lab.root());
        let opened = open("est", table(&server, &source, &pin), &[]);
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(error.into_finding().code.as_str(), "ca-tls");
        assert_eq!(server.asked().len(), 1);
    }
}

mod fingerprints_and_logins {
    use super::*;

    fn hint(server: &FakeServer, lab: &Lab) -> String {
        let (_file, source) = credential();
        let mut table = Est.settings(server, &source);
        let pin = digest::sha256_hex(&lab.root());
        table.insert("trust".to_owned(), pin.into());
        let opened = open("est", table, &[]);
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Refused, "{error}");
        assert!(
            server
                .asked()
                .iter()
                .all(|asked| asked.header("authorization").is_none())
        );
        error.into_finding().hint
    }

    /// Whatever login is configured is not shown before the root has been compared.
    #[test]
    fn a_server_that_gives_its_root_to_nobody_unknown_is_told_as_such() {
        let lab = Lab::new("Lab");
        let refusing = FakeServer::https(&lab.server(), |_| {
            Reply::status(401).header("www-authenticate", "Basic realm=\"est\"")
        });
        let wanting = FakeServer::mtls(&lab.server(), &lab.anchors(), |_| Reply::status(500));
        for server in [refusing, wanting] {
            let hint = hint(&server, &lab);
            assert!(
                hint.contains("without login") && hint.contains("anchors"),
                "{hint}"
            );
        }
    }
}

mod certificates_as_login {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A server that wants a client certificate, and signs.
    fn enrolling(lab: &Lab) -> FakeServer {
        let serving = lab.clone();
        FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
            match Est.ordered(asked) {
                Some(request) => sign(&serving, &request),
                None => Est.aside(&serving, asked),
            }
        })
    }

    #[test]
    fn a_client_certificate_from_files_is_shown_and_its_key_must_be_private() {
        let lab = Lab::new("Lab");
        let server = enrolling(&lab);
        let builder = lab.client("builder");
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("b.pem"), folder.path().join("b.key"));
        let chain: String = builder
            .chain
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        std::fs::write(&certificate, chain).unwrap();
        std::fs::write(&key, pem::encode("PRIVATE KEY", &builder.key)).unwrap();
        let url = server.origin();
        let table = toml::toml! {
            url = url
            client_certificate = (certificate.to_str().unwrap())
            client_key = (key.to_str().unwrap())
        };
        let mode = |mode| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        let opened = open("est", table.clone(), &lab.anchors());
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(error.into_finding().code.as_str(), "secret-file-exposed");
        mode(0o600);
        let opened = open("est", table, &lab.anchors());
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(
            server.asked()[1].client_certificate.as_ref(),
            Some(&builder.chain[0])
        );
    }

    #[test]
    fn a_server_that_wants_a_certificate_refuses_a_password_alone() {
        let lab = Lab::new("Lab");
        let server = FakeServer::mtls(&lab.server(), &lab.anchors(), |_| Reply::ok(""));
        let (_file, source) = credential();
        let opened = open("est", Est.settings(&server, &source), &lab.anchors());
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        assert!(
            error.to_string().contains("certificate_required"),
            "{error}"
        );
    }

    #[test]
    fn a_renewal_shows_the_current_certificate_and_may_bring_a_new_key() {
        let lab = Lab::new("Lab");
        let server = enrolling(&lab);
        let present = lab.client("app");
        let key = PrivateKey::from_der(&present.key).unwrap();
        let url = server.origin();
        let table = toml::toml! { url = url };
        let opened = open("est", table, &lab.anchors());
        let (new_key, order) = order(PATIENCE);
        let current = Current {
            chain: &present.chain,
            key: &key,
        };
        let issued = opened.renew.unwrap().renew(&order, &current).unwrap();
        let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
        assert_eq!(leaf.facts().spki, new_key.spki());
        let asked = &server.asked()[1];
        assert_eq!(asked.path, "/.well-known/est/simplereenroll");
        assert_eq!(asked.client_certificate.as_ref(), Some(&present.chain[0]));
    }
}

mod settings {
    use super::*;

    #[test]
    fn a_plain_password_in_the_settings_is_refused_and_not_repeated() {
        let table = toml::toml! {
            url = "https://ca.lab"
            username = "builder"
            password = "xyzzy-plain"
        };
        let error = try_open("est", table, &[vec![1]]).err().unwrap();
        assert_eq!(error.key, "password");
        assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let table = toml::toml! {
            url = "https://ca.lab"
            pasword = "env:P"
        };
        let error = try_open("est", table, &[vec![1]]).err().unwrap();
        assert!(error.reason.contains("pasword"), "{error:?}");
    }
}

/// GlobalSign's server, which nobody here wrote.
mod estserver {
    use super::*;
    use servers::est::{EstServer, PASSWORD, USER};
    use std::io::Write;

    fn anchors(server: &EstServer) -> Vec<Vec<u8>> {
        pem::certificates(&std::fs::read(&server.anchors).unwrap()).unwrap()
    }

    fn table(server: &EstServer, password: &tempfile::NamedTempFile) -> toml::Table {
        let source = format!("file:{}", password.path().display());
        toml::toml! {
            url = (server.url.as_str())
            username = USER
            password = source
        }
    }

    fn password(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{text}").unwrap();
        file
    }

    #[test]
    fn an_order_is_signed_up_to_the_cas_own_end() {
        let Some(server) = EstServer::start(30) else {
            return;
        };
        let password = password(PASSWORD);
        let anchors = anchors(&server);
        let opened = open("est", table(&server, &password), &anchors);
        let (key, order) = order(PATIENCE);
        let issued = opened.authority.issue(&order).unwrap();
        let chain = arranged(&issued, &key);
        let root = Certificate::from_der(anchors[0].clone()).unwrap();
        assert_eq!(chain.leaf.facts().common_name.as_deref(), Some("app"));
        assert_eq!(chain.leaf.window().not_after, root.window().not_after);
        assert_eq!(issued.anchors, anchors);
        assert!(issued.date.is_some());
    }

    #[test]
    fn its_root_is_trusted_by_fingerprint() {
        let Some(server) = EstServer::start(30) else {
            return;
        };
        let password = password(PASSWORD);
        let mut table = table(&server, &password);
        let pin = digest::sha256_hex(&anchors(&server)[0]);
        table.insert("trust".to_owned(), pin.into());
        let opened = open("est", table, &[]);
        opened.authority.issue(&order(PATIENCE).1).unwrap();
    }

    #[test]
    fn a_certificate_it_issued_renews_itself() {
        let Some(server) = EstServer::start(30) else {
            return;
        };
        let password = password(PASSWORD);
        let opened = open("est", table(&server, &password), &anchors(&server));
        let (key, first) = order(PATIENCE);
        let issued = opened.authority.issue(&first).unwrap();
        let url = server.url.as_str();
        let opened = open("est", toml::toml! { url = url }, &anchors(&server));
        let (new_key, second) = order(PATIENCE);
        let current = Current {
            chain: &issued.certificates,
            key: &key,
        };
        let renewed = opened.renew.unwrap().renew(&second, &current).unwrap();
        let leaf = Certificate::from_der(renewed.certificates[0].clone()).unwrap();
        assert_eq!(leaf.facts().spki, new_key.spki());
    }

    /// It accepts any login, so this is the refusal that can be had from it.
    #[test]
    fn a_renewal_under_another_name_is_refused_in_its_words() {
        let Some(server) = EstServer::start(30) else {
            return;
        };
        let password = password(PASSWORD);
        let opened = open("est", table(&server, &password), &anchors(&server));
        let (key, first) = order(PATIENCE);
        let issued = opened.authority.issue(&first).unwrap();
        let current = Current {
            chain: &issued.certificates,
            key: &key,
        };
        let (_key, other) = order_for("somebody-else", PATIENCE);
        let error = opened.renew.unwrap().renew(&other, &current).unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        assert!(error.to_string().contains("Subject"), "{error}");
    }

    #[test]
    fn the_attributes_it_wants_are_noted_before_the_order() {
        let Some(server) = EstServer::start(30) else {
            return;
        };
        let password = password(PASSWORD);
        let mut table = table(&server, &password);
        let opened = open("est", table.clone(), &anchors(&server));
        let (_key, order) = order(PATIENCE);
        let notes = opened.preflight.unwrap().preflight(&order, Depth::Whole);
        let codes: Vec<_> = notes.unwrap().iter().map(|note| note.code).collect();
        assert_eq!(codes, [certbake::authority::foresight::ANSWERS]);
        // The label under which this server gives the example of RFC 7030.
        table.insert("label".to_owned(), "csrattrs".into());
        let opened = open("est", table, &anchors(&server));
        let notes = opened
            .preflight
            .unwrap()
            .preflight(&order, Depth::Whole)
            .unwrap();
        assert_eq!(notes[0].code.as_str(), "csr-attributes-demanded");
        assert!(notes[0].summary.contains("a challenge password"));
    }
}

mod waits {
    use super::*;

    #[test]
    fn a_long_wait_is_told_on_standard_error_with_its_reason() {
        let lab = Lab::new("Lab");
        let server = FakeServer::https(&lab.server(), |_| {
            Reply::status(503).header("retry-after", "2")
        });
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rootfs")).unwrap();
        std::fs::write(
            dir.path().join("ca.pem"),
            pem::encode("CERTIFICATE", &lab.root()),
        )
        .unwrap();
        let config = format!(
            "[ca.lab]\nkind = 'est'\nurl = '{}'\nanchors = 'ca.pem'\n\
             [identity.app]\ncommon_name = 'app'\ndeadline = '3s'\n\
             [identity.app.placements]\nfull_chain = '/crt'\nprivate_key = '/key'\n",
            server.origin()
        );
        std::fs::write(dir.path().join("certbake.toml"), config).unwrap();
        let ended = std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["provision", "--root", "rootfs", "--report", "json"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        let place = server.address();
        let expected = format!("waiting 2 s for {place} (answered 503), then attempt 2");
        assert!(told.contains(&expected), "{told}");
        assert_eq!(ended.status.code(), Some(6), "{told}");
    }
}
