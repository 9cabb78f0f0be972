//! The cfssl authority against a scripted server that answers as cfssl 1.6.5 and multirootca do; the
//! real ones are in `tests/conformance/cfssl.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use aws_lc_rs::hmac;
use certbake::authority::{AuthorityError, Depth, Opened, Reason};
use certbake::finding::Finding;
use certbake::pki::{Certificate, pem};
use data_encoding::BASE64;
use serde_json::{Value, json};
use support::baking::{self, Baked};
use support::contract::{CANARY, PATIENCE, Protocol, open, order, revocation, try_open};
use support::{Asked, FakeServer, Lab, Reply};

/// Hexadecimal, as cfssl wants it; stands where other protocols have the canary.
const KEY: &str = "c0ffee11d00d4be57a5cade0b5e55ed1";

/// cfssl as the fake speaks it.
struct Cfssl;

impl Protocol for Cfssl {
    fn kind(&self) -> &'static str {
        "cfssl"
    }

    /// The contract's own secret is no HMAC key; it stands in the proxy's place, unused.
    fn settings(&self, server: &FakeServer, _: &str) -> toml::Table {
        let url = server.origin();
        let key = key_file(KEY);
        toml::toml! {
            url = url
            key = key
            profile = "client"
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        let request = match asked.path.as_str() {
            "/api/v1/cfssl/authsign" => wrapped(asked),
            "/api/v1/cfssl/sign" => body(asked),
            _ => return None,
        };
        request_in(&request)
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        match asked.path.as_str() {
            "/api/v1/cfssl/info" => info(lab, &["digital signature", "client auth"], "72h"),
            "/api/v1/cfssl/authsign" => {
                failure(400, 400, "missing parameter 'certificate_request'")
            }
            _ => Reply::status(404).body("404 page not found\n"),
        }
    }

    /// The leaf is the certificate, all of it the bundle.
    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let pems: Vec<String> = certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        success(&json!({"certificate": pems[0], "bundle": {"bundle": pems.concat()}}))
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        failure(status, status.into(), &words.replace(CANARY, KEY))
    }
}

/// A file with the key that lives as long as the test program.
fn key_file(text: &str) -> String {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    let path = file.into_temp_path().keep().unwrap();
    format!("file:{}", path.display())
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

/// What `authsign` wraps, its HMAC checked.
fn wrapped(asked: &Asked) -> Value {
    let body = body(asked);
    let decoded = |name: &str| {
        BASE64
            .decode(body[name].as_str().unwrap().as_bytes())
            .unwrap()
    };
    let key = data_encoding::HEXLOWER.decode(KEY.as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    hmac::verify(&key, &decoded("request"), &decoded("token")).unwrap();
    serde_json::from_slice(&decoded("request")).unwrap()
}

fn request_in(request: &Value) -> Option<Vec<u8>> {
    let text = request["certificate_request"].as_str().unwrap();
    match pem::decode(text.as_bytes()).unwrap().into_iter().next()? {
        pem::Block::Request(der) => Some(der),
        _ => None,
    }
}

fn success(result: &Value) -> Reply {
    let envelope = json!({"success": true, "result": result, "errors": [], "messages": []});
    Reply::ok(envelope.to_string()).header("content-type", "application/json")
}

/// Go's `http.Error`: JSON that is called text.
fn failure(status: u16, code: u32, words: &str) -> Reply {
    let error = json!({"code": code, "message": words});
    let envelope = json!({"success": false, "result": null, "errors": [error], "messages": []});
    Reply::status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(format!("{envelope}\n"))
}

fn info(lab: &Lab, usages: &[&str], expiry: &str) -> Reply {
    let certificate = pem::encode("CERTIFICATE", &lab.issuing());
    success(&json!({"certificate": certificate.trim(), "usages": usages, "expiry": expiry}))
}

/// A server that answers by the script, and the authority on it.
fn lab_with(
    mut script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| script(&serving, asked));
    let mut table = Cfssl.settings(&server, "");
    change(&mut table);
    let opened = open("cfssl", table, &lab.anchors());
    (lab, server, opened)
}

/// As [`lab_with`], orders alone by the script.
fn orders_with(
    mut script: impl FnMut(&Lab, &[u8]) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    lab_with(
        move |lab, asked| match Cfssl.ordered(asked) {
            Some(request) => script(lab, &request),
            None => Cfssl.aside(lab, asked),
        },
        change,
    )
}

fn sign(lab: &Lab, request: &[u8]) -> Reply {
    let certificate = pem::encode("CERTIFICATE", &lab.sign(request));
    success(&json!({ "certificate": certificate }))
}

fn without_key(table: &mut toml::Table) {
    table.remove("key");
}

mod contract {
    use super::Cfssl;

    crate::contract!(&Cfssl);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_is_authenticated_and_the_ca_comes_from_info() {
        let (lab, server, opened) = orders_with(sign, |table| {
            table.insert("label".to_owned(), "primary".into());
            table.insert("bundle".to_owned(), true.into());
        });
        let (_key, order) = order(PATIENCE);
        let issued = opened.authority.issue(&order).unwrap();
        assert_eq!(issued.certificates.len(), 2);
        assert_eq!(issued.certificates[1], lab.issuing());
        assert!(issued.findings.is_empty(), "{:?}", issued.findings);
        let asked = server.asked();
        assert_eq!(
            body(&asked[0]),
            json!({"label": "primary", "profile": "client"})
        );
        let request = wrapped(&asked[1]);
        assert_eq!(request["certificate_request"], order.request.pem());
        assert_eq!(
            (&request["profile"], &request["label"]),
            (&json!("client"), &json!("primary"))
        );
        assert_eq!(request["bundle"], true);
    }

    #[test]
    fn an_end_is_asked_for_only_when_it_comes_before_the_profiles_own() {
        let (_lab, server, opened) = orders_with(sign, |_| {});
        let (_key, mut order) = order(PATIENCE);
        opened.authority.issue(&order).unwrap();
        order.ttl = Some("100h".parse().unwrap());
        opened.authority.issue(&order).unwrap();
        let [_, shorter, longer] = server.asked().try_into().unwrap();
        assert!(
            wrapped(&shorter)["NotAfter"]
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        assert_eq!(wrapped(&longer)["NotAfter"], Value::Null);
    }

    #[test]
    fn without_a_key_sign_is_asked_and_that_is_said_with_every_order() {
        let (_lab, server, opened) = orders_with(sign, without_key);
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(server.asked()[1].path, "/api/v1/cfssl/sign");
        let [finding] = &issued.findings[..] else {
            panic!("{:?}", issued.findings);
        };
        assert_eq!(finding.code.as_str(), "cfssl-open");
        assert!(!finding.is_error());
    }

    #[test]
    fn what_the_server_says_beside_a_certificate_is_passed_on() {
        let (_lab, _server, opened) = orders_with(
            |lab, request| {
                let certificate = pem::encode("CERTIFICATE", &lab.sign(request));
                let message = json!({"code": 5300, "message": "cannot bundle\u{1b}[2J"});
                let envelope = json!({"success": true, "result": {"certificate": certificate},
                    "errors": [], "messages": [message]});
                Reply::ok(envelope.to_string())
            },
            |_| {},
        );
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.findings[0].code.as_str(), "ca-said");
        assert_eq!(issued.findings[0].facts["said"], "cannot bundle [2J");
    }

    #[test]
    fn orders_at_the_same_time_ask_for_the_ca_once() {
        let (_lab, server, opened) = orders_with(sign, |_| {});
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
            }
        });
        assert_eq!(server.asked().len(), 5);
    }
}

mod refusals {
    use super::*;

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
            (1300, "the certificate that would come of it"),
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
}

mod foreseen {
    use super::*;

    fn findings(
        usages: &'static [&'static str],
        expiry: &'static str,
        ttl: &str,
        depth: Depth,
    ) -> Vec<Finding> {
        let (_lab, _server, opened) = lab_with(
            move |lab, asked| match asked.path.as_str() {
                "/api/v1/cfssl/info" => info(lab, usages, expiry),
                _ => Cfssl.aside(lab, asked),
            },
            |_| {},
        );
        let (_key, mut order) = order(PATIENCE);
        order.ttl = Some(ttl.parse().unwrap());
        opened.preflight.unwrap().preflight(&order, depth).unwrap()
    }

    #[test]
    fn a_profile_that_is_shorter_or_for_servers_is_seen_before_the_order() {
        let [capped] = &findings(&["client auth"], "24h", "48h", Depth::Order)[..] else {
            panic!();
        };
        assert_eq!(capped.code.as_str(), "lifetime-capped");
        assert_eq!(capped.facts["max_ttl_seconds"], 86400);
        let [usage] = &findings(&["server auth"], "72h", "48h", Depth::Order)[..] else {
            panic!();
        };
        assert_eq!(usage.code.as_str(), "usage-missing");
        assert!(usage.is_error());
        assert_eq!(findings(&["client auth"], "72h", "48h", Depth::Order), []);
        // The lab's CA ends in 30 days.
        let [ends] = &findings(&["client auth"], "8760h", "60d", Depth::Order)[..] else {
            panic!();
        };
        assert_eq!(ends.code.as_str(), "ca-ends-first");
    }

    #[test]
    fn the_whole_look_tries_the_key_without_having_anything_signed() {
        let [answers] = &findings(&["client auth"], "72h", "48h", Depth::Whole)[..] else {
            panic!();
        };
        assert_eq!(answers.code.as_str(), "ca-answers");
        let (_lab, server, opened) = lab_with(
            |lab, asked| match asked.path.as_str() {
                "/api/v1/cfssl/authsign" => failure(400, 400, "invalid token"),
                _ => Cfssl.aside(lab, asked),
            },
            |_| {},
        );
        let (_key, order) = order(PATIENCE);
        let preflight = opened.preflight.unwrap();
        assert!(preflight.preflight(&order, Depth::Order).is_ok());
        let error = preflight.preflight(&order, Depth::Whole).unwrap_err();
        assert_eq!(error.into_finding().code.as_str(), "ca-login-refused");
        let asked = server.asked();
        assert_eq!(wrapped(asked.last().unwrap())["certificate_request"], "");
    }

    #[test]
    fn plain_http_on_loopback_is_not_told_to_be_overheard() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::http(move |asked| match Cfssl.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Cfssl.aside(&serving, asked),
        });
        let url = format!("http://{}", server.address());
        let table = toml::toml! { url = url };
        let opened = open("cfssl", table, &lab.anchors());
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        let codes: Vec<_> = issued.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["cfssl-open"]);
    }

    /// A proxy that answers itself stands for the way to a host which is not loopback.
    #[test]
    fn plain_http_to_another_host_is_told_to_be_replayable() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let proxy = FakeServer::http(move |asked| {
            let mut asked = asked.clone();
            asked.path = asked.path.replace("http://ca.example:8888", "");
            match Cfssl.ordered(&asked) {
                Some(request) => sign(&serving, &request),
                None => Cfssl.aside(&serving, &asked),
            }
        });
        let (through, key) = (format!("http://{}", proxy.address()), key_file(KEY));
        let table = toml::toml! {
            url = "http://ca.example:8888"
            proxy = through
            key = key
            danger_plain_http = true
        };
        let opened = open("cfssl", table, &lab.anchors());
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        let codes: Vec<_> = issued.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["cfssl-replayable"]);
    }
}

mod revocations {
    use super::*;

    #[test]
    fn a_revocation_names_serial_issuer_and_reason_as_the_store_does() {
        let (lab, server, opened) = lab_with(
            |lab, asked| match asked.path.as_str() {
                "/api/v1/cfssl/revoke" => success(&json!({})),
                _ => Cfssl.aside(lab, asked),
            },
            |_| {},
        );
        let request = order(PATIENCE).1.request;
        let certificate = Certificate::from_der(lab.sign(request.der())).unwrap();
        let revocation = revocation(&certificate, Reason::KeyCompromise);
        assert_eq!(opened.revoke.unwrap().revoke(&revocation).unwrap(), []);
        let body = body(server.asked().last().unwrap());
        assert_eq!(body["reason"], "keyCompromise");
        let serial = body["serial"].as_str().unwrap();
        assert!(
            serial.bytes().all(|b| b.is_ascii_digit()) && serial.len() > 30,
            "{serial}"
        );
        assert_eq!(body["authority_key_id"].as_str().unwrap().len(), 40);
    }

    #[test]
    fn a_server_without_a_store_says_so() {
        let (lab, _server, opened) = lab_with(aside, |_| {});
        let certificate = lab.client("app").certificate();
        let revocation = revocation(&certificate, Reason::Unspecified);
        let error = opened.revoke.unwrap().revoke(&revocation).unwrap_err();
        assert!(error.into_finding().hint.contains("-db-config"));
    }

    fn aside(lab: &Lab, asked: &Asked) -> Reply {
        Cfssl.aside(lab, asked)
    }
}

mod settings {
    use super::*;

    #[test]
    fn a_plain_key_is_refused_and_not_repeated() {
        let table = toml::toml! {
            url = "https://ca.lab"
            key = "c0ffee11d00d"
        };
        let error = try_open("cfssl", table, &[vec![1]]).err().unwrap();
        assert_eq!(error.key, "key");
        assert!(!format!("{error:?}").contains("c0ffee"), "{error:?}");
    }

    #[test]
    fn the_example_is_read() {
        let lab = Lab::new("Lab");
        assert!(try_open("cfssl", baking::example("cfssl"), &lab.anchors()).is_ok());
    }
}

/// Through the binary.
mod binary {
    use super::*;

    #[test]
    fn a_certificate_lands_and_no_key_is_printed() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| match Cfssl.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Cfssl.aside(&serving, asked),
        });
        let baked = Baked::provision("cfssl", &Cfssl.settings(&server, ""), &lab.anchors(), &[]);
        baked.is_good(&[KEY]);
    }

    #[test]
    fn a_wrong_key_ends_with_5_and_a_sentence() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| match Cfssl.ordered(asked) {
            Some(_) => failure(400, 400, "invalid token"),
            None => Cfssl.aside(&serving, asked),
        });
        let baked = Baked::provision("cfssl", &Cfssl.settings(&server, ""), &lab.anchors(), &[]);
        assert_eq!(baked.code, 5, "{}", baked.printed);
        assert!(baked.printed.contains("invalid token"), "{}", baked.printed);
    }
}
