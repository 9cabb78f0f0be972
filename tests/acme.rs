//! The ACME authority: the contract of all authorities, what RFC 8555 adds, and every problem of its
//! table; `tests/conformance/acme.rs` asks Pebble and step-ca.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Depth, Issued, Opened, Order};
use certbake::finding::Finding;
use certbake::pki::{AltName, KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use support::contract::{CANARY, PATIENCE, Protocol, Run, open, order, try_open};
use support::{Asked, FakeServer, Lab, Reply};

/// ACME as the fake speaks it: every name is proven already, and what is issued stands in the URL of
/// the certificate, so that nothing has to be remembered.
struct Acme;

impl Protocol for Acme {
    fn kind(&self) -> &'static str {
        "acme"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let (url, account) = (server.url("/directory"), fresh_account());
        let (url, account) = (url.as_str(), account.to_str().unwrap());
        toml::toml! {
            url = url
            account = account
            terms_of_service_agreed = true
            eab_key_id = "kid-1"
            eab_hmac_key = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        let csr = asked
            .path
            .starts_with("/finalize/")
            .then(|| payload(asked))?;
        let csr = csr["csr"].as_str().unwrap().to_owned();
        Some(BASE64URL_NOPAD.decode(csr.as_bytes()).unwrap())
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        let origin = format!("https://{}", asked.header("host").unwrap());
        let at = |path: &str| format!("{origin}{path}");
        match asked.path.as_str() {
            "/directory" => json_reply(200, &directory(&origin)),
            "/nonce" => Reply::status(200).header("replay-nonce", nonce()),
            "/account" => {
                json_reply(201, &json!({ "status": "valid" })).header("location", at("/account/1"))
            }
            "/order" => {
                json_reply(201, &order_in("ready", &origin)).header("location", at("/order/1"))
            }
            "/order/1" => json_reply(200, &order_in("ready", &origin)),
            path => match path.strip_prefix("/certificate/") {
                Some(chain) => certificate(chain),
                None => Reply::status(404),
            },
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let chain: Vec<String> = certificates
            .iter()
            .map(|der| BASE64URL_NOPAD.encode(der))
            .collect();
        let mut order = order_in("valid", "");
        // Where the server stands is not known here, and the client takes a path as well.
        order["certificate"] = format!("/certificate/{}", chain.join(".")).into();
        json_reply(200, &order)
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        problem(status, "unauthorized", words)
    }

    /// Each attempt has its own nonce.
    fn repeats_the_same_bytes(&self) -> bool {
        false
    }

    /// The fake's order is ready until the end, so it is one that was not heard of.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

fn fresh_account() -> PathBuf {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    directory.keep().join("account.json")
}

fn nonce() -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    format!("nonce{}", COUNTER.fetch_add(1, Ordering::SeqCst))
}

fn directory(origin: &str) -> Value {
    json!({
        "newNonce": format!("{origin}/nonce"),
        "newAccount": format!("{origin}/account"),
        "newOrder": format!("{origin}/order"),
        "revokeCert": format!("{origin}/revoke"),
        "meta": { "termsOfService": "https://ca.lab/terms", "profiles": { "short": "a day", "long": "a year" } },
    })
}

fn order_in(status: &str, origin: &str) -> Value {
    json!({
        "status": status,
        "identifiers": [{ "type": "dns", "value": "app.internal" }],
        "authorizations": [format!("{origin}/authorization/1")],
        "finalize": format!("{origin}/finalize/1"),
    })
}

fn certificate(chain: &str) -> Reply {
    let pem: String = chain
        .split('.')
        .map(|der| {
            pem::encode(
                "CERTIFICATE",
                &BASE64URL_NOPAD.decode(der.as_bytes()).unwrap(),
            )
        })
        .collect();
    Reply::ok(pem).header("content-type", "application/pem-certificate-chain")
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn problem(status: u16, kind: &str, words: &str) -> Reply {
    let body = json!({
        "type": format!("urn:ietf:params:acme:error:{kind}"),
        "detail": words,
        "status": status,
    });
    Reply::status(status)
        .header("content-type", "application/problem+json")
        .header("replay-nonce", nonce())
        .body(body.to_string())
}

fn part(asked: &Asked, name: &str) -> Value {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let text = body[name].as_str().unwrap();
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn payload(asked: &Asked) -> Value {
    part(asked, "payload")
}

/// A CA that answers by `other` where that has an answer, and else as it should.
struct Ca {
    server: FakeServer,
    lab: Lab,
    account: PathBuf,
}

impl Ca {
    fn new(other: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
        Self::of(Lab::new("Lab"), other)
    }

    fn of(lab: Lab, mut other: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| {
            if let Some(reply) = other(asked) {
                return reply;
            }
            match Acme.ordered(asked) {
                Some(request) => Acme.issued(&[serving.sign(&request), serving.issuing()]),
                None => Acme.aside(&serving, asked),
            }
        });
        Self {
            server,
            lab,
            account: fresh_account(),
        }
    }

    fn open(&self, settings: toml::Table) -> Opened {
        let mut table = settings;
        table.insert(
            "url".to_owned(),
            self.server.url("/directory").as_str().into(),
        );
        table.insert("account".to_owned(), self.account.to_str().unwrap().into());
        table
            .entry("terms_of_service_agreed")
            .or_insert_with(|| true.into());
        open("acme", table, &self.lab.anchors())
    }

    fn issue(&self, settings: toml::Table) -> Result<Issued, AuthorityError> {
        self.open(settings).authority.issue(&order(PATIENCE).1)
    }

    fn asked_for(&self, path: &str) -> Vec<Asked> {
        let all = self.server.asked().into_iter();
        all.filter(|asked| asked.path == path).collect()
    }
}

fn none() -> toml::Table {
    toml::Table::new()
}

fn settings_error(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Settings(finding)) => *finding,
        other => panic!("not about the settings: {other:?}"),
    }
}

fn unreachable(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Unreachable(finding)) => *finding,
        other => panic!("not unreachable: {other:?}"),
    }
}

fn refused(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

mod contract {
    use super::Acme;

    crate::contract!(&Acme);
}

mod requests {
    use super::*;

    #[test]
    fn an_order_is_what_rfc_8555_asks_for() {
        let run = Run::new(&Acme, PATIENCE, |lab, request, _| {
            Acme.issued(&[lab.sign(request), lab.issuing()])
        });
        let asked = run.server.asked();
        let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
        assert_eq!(
            &paths[..paths.len() - 1],
            [
                "/directory",
                "/nonce",
                "/account",
                "/nonce",
                "/order",
                "/nonce",
                "/finalize/1",
                "/nonce"
            ]
        );
        for asked in asked.iter().filter(|asked| asked.method == "POST") {
            assert_eq!(asked.header("content-type"), Some("application/jose+json"));
            assert!(asked.header("user-agent").unwrap().starts_with("certbake/"));
            let header = part(asked, "protected");
            assert_eq!(header["alg"], "ES256");
            let url = header["url"].as_str().unwrap();
            assert!(url.ends_with(&asked.path), "{url}");
        }
        let account = &asked[2];
        let binding = payload(account)["externalAccountBinding"].clone();
        assert!(binding["signature"].is_string(), "{binding}");
        assert_eq!(payload(account)["termsOfServiceAgreed"], true);
        assert_eq!(
            payload(&asked[4]),
            json!({ "identifiers": [{ "type": "dns", "value": "app.internal" }] })
        );
        assert!(
            part(&asked[4], "protected")["kid"]
                .as_str()
                .unwrap()
                .ends_with("/account/1")
        );
    }

    #[test]
    fn the_lifetime_is_asked_for_only_where_that_is_said() {
        let ca = Ca::new(|_| None);
        ca.issue(toml::toml! { profile = "short" }).unwrap();
        ca.issue(toml::toml! { profile = "short"
        ask_lifetime = true })
            .unwrap();
        let orders = ca.asked_for("/order");
        assert_eq!(payload(&orders[0])["notAfter"], Value::Null);
        assert!(
            payload(&orders[1])["notAfter"]
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        for order in &orders {
            assert_eq!(payload(order)["profile"], "short");
        }
        let header = part(&orders[1], "protected");
        assert!(
            header["kid"].as_str().unwrap().ends_with("/account/1"),
            "{header}"
        );
    }

    #[test]
    fn a_nonce_that_is_turned_down_is_replaced_by_the_one_that_came_with_it() {
        let mut bad = 0;
        let ca = Ca::new(move |asked| {
            bad += usize::from(asked.path == "/order");
            (asked.path == "/order" && bad <= 7).then(|| problem(400, "badNonce", "stale"))
        });
        ca.issue(none()).unwrap();
        assert_eq!(ca.asked_for("/order").len(), 8);

        let ca =
            Ca::new(|asked| (asked.path == "/order").then(|| problem(400, "badNonce", "stale")));
        let finding = unreachable(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "ca-busy");
        let finding = unreachable(ca.issue(toml::toml! { ask_lifetime = true }));
        assert!(finding.summary.contains("stale"), "{}", finding.summary);
    }

    #[test]
    fn an_order_that_is_processed_is_looked_at_when_the_ca_says() {
        let mut looked = 0;
        let ca = Ca::new(move |asked| match asked.path.as_str() {
            "/finalize/1" => {
                Some(json_reply(200, &order_in("processing", "")).header("retry-after", "1"))
            }
            "/order/1" => {
                looked += 1;
                let status = if looked == 1 { "processing" } else { "invalid" };
                Some(json_reply(200, &order_in(status, "")))
            }
            _ => None,
        });
        let started = Instant::now();
        assert!(matches!(ca.issue(none()), Err(AuthorityError::Unusable(_))));
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(ca.asked_for("/order/1").len(), 2);
    }

    #[test]
    fn an_order_that_is_never_done_ends_at_the_deadline() {
        let ca = Ca::new(|asked| {
            let order = json_reply(200, &order_in("processing", ""));
            match asked.path.as_str() {
                "/finalize/1" => Some(order),
                "/order/1" => Some(order.header("retry-after", "3600")),
                _ => None,
            }
        });
        let started = Instant::now();
        let finding = unreachable(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert_eq!(finding.facts["wait_seconds"], 3600.0);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

mod problems {
    use super::*;

    /// Status, problem, whether it passes, our code, what to do.
    const TABLE: &[(u16, &str, bool, &str, &str)] = &[
        (429, "rateLimited", true, "ca-busy", "try again later"),
        (500, "serverInternal", true, "ca-busy", "log"),
        (403, "unauthorized", false, "ca-refused", "account"),
        (
            400,
            "rejectedIdentifier",
            false,
            "ca-refused",
            "does not sign for this name",
        ),
        (
            400,
            "unsupportedIdentifier",
            false,
            "ca-refused",
            "does not sign for this name",
        ),
        (403, "caa", false, "acme-challenge-failed", "CAA"),
        (400, "dns", false, "acme-challenge-failed", "reach"),
        (
            400,
            "accountDoesNotExist",
            false,
            "ca-login-refused",
            "remove the account's file",
        ),
        (
            403,
            "externalAccountRequired",
            false,
            "acme-external-account-required",
            "eab_key_id",
        ),
        (
            400,
            "invalidProfile",
            false,
            "acme-profile-unknown",
            "offers long, short",
        ),
        (
            403,
            "userActionRequired",
            false,
            "ca-login-refused",
            "terms of service",
        ),
        (400, "badCSR", false, "ca-refused", "common name"),
        (400, "badPublicKey", false, "ca-refused", "key_algorithm"),
        (403, "orderNotReady", false, "ca-refused", "log"),
        (400, "malformed", false, "ca-refused", "log"),
        (503, "somethingNew", true, "ca-busy", "later"),
    ];

    /// Each problem where the order is placed: its class, its code, and what to do.
    #[test]
    fn each_problem_has_its_class_its_code_and_what_to_do() {
        for &(status, kind, passes, code, hint) in TABLE {
            let ca = Ca::new(move |asked| {
                (asked.path == "/order").then(|| {
                    problem(status, kind, "because of\x1b this").header("retry-after", "60")
                })
            });
            let outcome = ca.issue(none());
            let finding = if passes {
                unreachable(outcome)
            } else {
                refused(outcome)
            };
            assert_eq!(finding.code.as_str(), code, "{kind}");
            assert!(finding.hint.contains(hint), "{kind}: {}", finding.hint);
            assert_eq!(
                finding.summary,
                format!("placing the order: because of this ({kind})")
            );
            assert_eq!(finding.facts["problem"], kind);
        }
    }

    #[test]
    fn each_name_that_is_refused_is_told_with_its_reason() {
        let ca = Ca::new(|asked| {
            let body = json!({
                "type": "urn:ietf:params:acme:error:malformed",
                "detail": "Some of the identifiers requested were rejected",
                "subproblems": [
                    { "type": "urn:ietf:params:acme:error:malformed", "detail": "underscore",
                      "identifier": { "type": "dns", "value": "_a.example" } },
                    { "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not ours",
                      "identifier": { "type": "dns", "value": "b.example" } },
                ],
            });
            (asked.path == "/order").then(|| json_reply(400, &body))
        });
        let finding = refused(ca.issue(none()));
        for words in [
            "_a.example: underscore",
            "b.example: not ours (rejectedIdentifier)",
        ] {
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
        assert_eq!(finding.facts["names"], json!(["_a.example", "b.example"]));
    }

    #[test]
    fn a_limit_that_lasts_longer_than_the_order_is_told_at_once() {
        let ca = Ca::new(|asked| {
            (asked.path == "/order")
                .then(|| problem(429, "rateLimited", "50 a week").header("retry-after", "86400"))
        });
        let started = Instant::now();
        let finding = unreachable(ca.issue(none()));
        assert!(finding.summary.contains("50 a week"), "{}", finding.summary);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(ca.asked_for("/order").len(), 1);
    }

    #[test]
    fn a_page_instead_of_the_directory_is_unusable() {
        let ca =
            Ca::new(|asked| (asked.path == "/directory").then(|| Reply::ok("<html>hello</html>")));
        let Err(AuthorityError::Unusable(finding)) = ca.issue(none()) else {
            panic!("usable");
        };
        assert!(finding.summary.contains("directory"), "{}", finding.summary);
    }
}

mod accounts {
    use super::*;

    #[test]
    fn it_is_made_once_and_is_for_its_owner_alone() {
        let ca = Ca::new(|_| None);
        std::thread::scope(|scope| {
            // As two builds beside each other: nothing is shared but the file.
            for _ in 0..3 {
                scope.spawn(|| ca.issue(none()).unwrap());
            }
        });
        ca.issue(none()).unwrap();
        assert_eq!(ca.asked_for("/account").len(), 1);
        let mode = fs::metadata(&ca.account).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn one_that_others_may_read_is_refused() {
        let ca = Ca::new(|_| None);
        ca.issue(none()).unwrap();
        fs::set_permissions(&ca.account, fs::Permissions::from_mode(0o640)).unwrap();
        let finding = settings_error(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "secret-file-exposed");
    }

    #[test]
    fn one_of_another_ca_or_of_no_ca_is_refused_and_stays() {
        let ca = Ca::new(|_| None);
        let other = Ca::new(|_| None);
        other.issue(none()).unwrap();
        for content in [
            fs::read(&other.account).unwrap(),
            b"{}".to_vec(),
            b"[".to_vec(),
        ] {
            fs::write(&ca.account, &content).unwrap();
            fs::set_permissions(&ca.account, fs::Permissions::from_mode(0o600)).unwrap();
            let finding = settings_error(ca.issue(none()));
            assert_eq!(finding.code.as_str(), "acme-account-unusable");
            assert_eq!(fs::read(&ca.account).unwrap(), content);
        }
        assert_eq!(ca.asked_for("/account").len(), 0);
    }

    #[test]
    fn none_is_made_before_the_terms_are_agreed_and_the_binding_given() {
        let ca = Ca::new(|_| None);
        let finding = settings_error(ca.issue(toml::toml! { terms_of_service_agreed = false }));
        assert_eq!(finding.code.as_str(), "acme-terms-not-agreed");
        assert!(
            finding.hint.contains("https://ca.lab/terms"),
            "{}",
            finding.hint
        );

        let ca = Ca::new(|asked| {
            let origin = format!("https://{}", asked.header("host").unwrap());
            let mut directory = directory(&origin);
            directory["meta"]["externalAccountRequired"] = true.into();
            (asked.path == "/directory").then(|| json_reply(200, &directory))
        });
        let finding = settings_error(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "acme-external-account-required");
        assert_eq!(ca.asked_for("/account").len(), 0);
    }

    #[test]
    fn none_is_made_where_its_key_cannot_be_kept() {
        let mut ca = Ca::new(|_| None);
        ca.account = ca.account.with_file_name("missing").join("account.json");
        let finding = settings_error(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "acme-account-unusable");
        assert_eq!(ca.asked_for("/account").len(), 0);
    }
}

mod losses {
    use super::*;

    /// A CA that hears of the first request to `path` and whose answer is lost.
    fn losing(path: &'static str) -> Ca {
        let mut lost = false;
        Ca::new(move |asked| {
            let first = asked.path == path && !lost;
            lost |= first;
            first.then_some(Reply::Close)
        })
    }

    #[test]
    fn an_account_whose_answer_is_lost_is_asked_for_by_the_same_key() {
        let ca = losing("/account");
        ca.issue(none()).unwrap();
        let asked = ca.asked_for("/account");
        let keys: Vec<Value> = asked
            .iter()
            .map(|asked| part(asked, "protected")["jwk"].clone())
            .collect();
        assert_eq!(keys.len(), 2);
        assert!(keys[0]["x"].is_string() && keys[0] == keys[1], "{keys:?}");
    }

    /// The next run finds the account by the key that the first kept before it asked.
    #[test]
    fn an_account_that_was_made_while_nobody_listened_is_found_by_the_next_run() {
        let up = Arc::new(AtomicBool::new(false));
        let serving = Arc::clone(&up);
        let ca = Ca::new(move |asked| {
            let heard = asked.path == "/account";
            (heard && !serving.load(Ordering::SeqCst)).then_some(Reply::Close)
        });
        let finding = unreachable(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "ca-unreachable");
        let mode = fs::metadata(&ca.account).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let kept: Value = serde_json::from_slice(&fs::read(&ca.account).unwrap()).unwrap();
        assert_eq!(kept["id"], Value::Null);

        let preflight = ca
            .open(toml::toml! { listen = "127.0.0.1:0" })
            .preflight
            .unwrap();
        let found = preflight
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap();
        let new = found
            .iter()
            .find(|f| f.code.as_str() == "acme-account-new")
            .unwrap();
        assert!(new.summary.contains("holds a key alone"), "{}", new.summary);

        up.store(true, Ordering::SeqCst);
        ca.issue(none()).unwrap();
        ca.issue(none()).unwrap();
        let asked = ca.asked_for("/account");
        let key = |asked: &Asked| part(asked, "protected")["jwk"].clone();
        assert!(asked.iter().all(|other| key(other) == key(&asked[0])));
        let known: Value = serde_json::from_slice(&fs::read(&ca.account).unwrap()).unwrap();
        assert_eq!(known["key_pkcs8"], kept["key_pkcs8"]);
        assert!(known["id"].as_str().unwrap().ends_with("/account/1"));
    }

    #[test]
    fn a_question_how_far_the_order_is_is_asked_again() {
        let mut looked = 0;
        let ca = Ca::new(move |asked| match asked.path.as_str() {
            "/finalize/1" => Some(json_reply(200, &order_in("processing", ""))),
            "/order/1" => {
                looked += 1;
                let invalid = json_reply(200, &order_in("invalid", ""));
                Some(if looked == 1 { Reply::Close } else { invalid })
            }
            _ => None,
        });
        assert!(matches!(ca.issue(none()), Err(AuthorityError::Unusable(_))));
        assert_eq!(ca.asked_for("/order/1").len(), 2);
    }

    /// What the CA makes of a `finalize` whose answer is lost: the states that the order goes through,
    /// what the second `finalize` is answered, and how many are sent.
    #[test]
    fn a_lost_answer_to_finalize_is_looked_for_in_the_order() {
        for (states, second, finalized) in [
            (&["valid"][..], "", 1),
            (&["processing", "processing", "valid"], "", 1),
            (&["ready"], "valid", 2),
            (&["ready", "valid"], "orderNotReady", 2),
        ] {
            let lab = Lab::new("Lab");
            let signing = lab.clone();
            let (mut request, mut looks) = (None, states.iter());
            let ca = Ca::of(lab, move |asked| match asked.path.as_str() {
                "/finalize/1" if request.is_none() => {
                    request = Acme.ordered(asked);
                    Some(Reply::Close)
                }
                "/finalize/1" if second == "orderNotReady" => {
                    Some(problem(403, "orderNotReady", "it is processing"))
                }
                "/order/1" => Some(match *looks.next().unwrap() {
                    "valid" => {
                        let chain = [signing.sign(request.as_ref().unwrap()), signing.issuing()];
                        Acme.issued(&chain)
                    }
                    state => json_reply(200, &order_in(state, "")),
                }),
                _ => None,
            });
            let issued = ca.issue(none()).unwrap();
            assert_eq!(issued.certificates.len(), 2, "{states:?}");
            assert_eq!(ca.asked_for("/finalize/1").len(), finalized, "{states:?}");
            assert_eq!(ca.asked_for("/order").len(), 1, "{states:?}");
        }
    }

    #[test]
    fn a_ca_that_never_answers_finalize_is_given_up() {
        let ca = Ca::new(|asked| (asked.path == "/finalize/1").then_some(Reply::Close));
        let finding = unreachable(ca.issue(none()));
        assert_eq!(finding.code.as_str(), "ca-unreachable");
        assert_eq!(ca.asked_for("/finalize/1").len(), 4);
        assert_eq!(ca.asked_for("/order/1").len(), 3);
    }
}

mod names {
    use super::*;

    fn order_for(common_name: Option<&str>, names: Vec<AltName>) -> Order {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let subject = Subject {
            common_name: common_name.map(str::to_owned),
            ..Subject::default()
        };
        Order {
            request: SigningRequest::new(&key, subject, names, Usage::Client).unwrap(),
            ttl: None,
            deadline: Instant::now() + PATIENCE,
        }
    }

    #[test]
    fn a_common_name_alone_is_told_before_anything_is_asked() {
        let ca = Ca::new(|_| None);
        let opened = ca.open(none());
        for (name, hint) in [
            ("app.internal", "dns = [\"app.internal\"]"),
            ("app", "by dns or ip"),
        ] {
            let finding =
                settings_error(opened.authority.issue(&order_for(Some(name), Vec::new())));
            assert_eq!(finding.code.as_str(), "acme-names-unfit");
            assert!(finding.hint.contains(hint), "{}", finding.hint);
        }
        let uri = AltName::uri("spiffe://lab/app").unwrap();
        let finding = settings_error(opened.authority.issue(&order_for(None, vec![uri])));
        assert!(
            finding.summary.contains("spiffe://lab/app"),
            "{}",
            finding.summary
        );
        assert!(ca.server.asked().is_empty());
    }

    #[test]
    fn a_preflight_warns_of_a_common_name_that_is_none_of_the_names() {
        let ca = Ca::new(|_| None);
        let listen = toml::toml! { listen = "127.0.0.1:0" };
        let preflight = ca.open(listen).preflight.unwrap();
        let dns = vec![AltName::dns("app.internal").unwrap()];
        for (name, warned) in [("app", true), ("app.internal", false)] {
            let order = order_for(Some(name), dns.clone());
            let findings = preflight.preflight(&order, Depth::Whole).unwrap();
            let found = findings
                .iter()
                .any(|finding| finding.code.as_str() == "acme-names-unfit");
            assert_eq!(found, warned, "{findings:?}");
        }
    }
}

/// An authorization that is pending until the challenge has been answered, and then as `after` has it.
fn proving(
    kinds: &'static [&'static str],
    after: Value,
) -> impl FnMut(&Asked) -> Option<Reply> + Send {
    let mut answered = false;
    move |asked| {
        let origin = format!("https://{}", asked.header("host").unwrap());
        let challenge = |kind: &&str| {
            json!({ "type": kind, "url": format!("{origin}/challenge/{kind}"),
                    "token": format!("token-{kind}"), "status": "pending" })
        };
        match asked.path.as_str() {
            "/order" => Some(
                json_reply(201, &order_in("pending", &origin))
                    .header("location", format!("{origin}/order/1")),
            ),
            "/authorization/1" => {
                let mut authorization = json!({
                    "status": "pending",
                    "identifier": { "type": "dns", "value": "app.internal" },
                    "challenges": kinds.iter().map(challenge).collect::<Vec<_>>(),
                });
                if answered {
                    authorization["status"] = after["status"].clone();
                    if !after["error"].is_null() {
                        authorization["challenges"][0]["error"] = after["error"].clone();
                    }
                }
                Some(json_reply(200, &authorization))
            }
            path if path.starts_with("/challenge/") => {
                answered = true;
                let kind = path.strip_prefix("/challenge/").unwrap().to_owned();
                Some(json_reply(200, &challenge(&kind.as_str())))
            }
            _ => None,
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

mod challenges {
    use super::*;

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
            let get =
                |path: &str| ask(format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n").as_bytes());
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
}

mod hooks {
    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = directory.path().join("hook");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (directory, path)
    }

    fn by_hook(program: &str, timeout: &str) -> toml::Table {
        toml::toml! {
            challenge = "dns-01"
            dns_hook = [program, "--zone", "a b"]
            dns_hook_timeout = timeout
        }
    }

    fn ca() -> Ca {
        Ca::new(proving(&["dns-01"], json!({ "status": "invalid" })))
    }

    fn log(directory: &Path) -> Vec<String> {
        let text = fs::read_to_string(directory.join("log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn it_is_called_with_the_record_and_called_again_to_clean_up_whatever_came() {
        let (directory, program) = script(
            r#"printf '%s|' "$@" "$CERTBAKE_ACME_ACTION" "$CERTBAKE_ACME_DOMAIN" "$CERTBAKE_ACME_RECORD" "$CERTBAKE_ACME_VALUE" >> "${0%/*}/log"
echo >> "${0%/*}/log""#,
        );
        assert!(ca().issue(by_hook(&program, "5s")).is_err());
        let log = log(directory.path());
        let made = "--zone|a b|present|app.internal|_acme-challenge.app.internal|";
        assert!(log[0].starts_with(made), "{log:?}");
        let words: Vec<&str> = log[0].split('|').collect();
        assert_eq!(words[2..6], words[6..10]);
        // SHA-256 in base64url.
        assert_eq!(words[5].len(), 43);
        assert_eq!(log[1], log[0].replace("present", "cleanup"));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn one_that_fails_is_told_in_its_own_words_and_the_ca_is_not_asked_to_look() {
        for (text, words) in [
            (
                "echo 'no such zone' >&2; exit 3",
                "exit status: 3: no such zone",
            ),
            ("kill -9 $$", "signal: 9"),
            ("sleep 60", "did not end in time"),
        ] {
            let (_directory, program) = script(&format!("[ \"$3\" = cleanup ] || {{ {text}; }}"));
            let ca = ca();
            let started = Instant::now();
            let finding = unreachable(ca.issue(by_hook(&program, "1s")));
            assert_eq!(finding.code.as_str(), "acme-hook-failed");
            assert!(finding.summary.contains(words), "{}", finding.summary);
            assert!(started.elapsed() < Duration::from_secs(10));
            assert!(ca.asked_for("/challenge/dns-01").is_empty());
        }
    }

    #[test]
    fn one_that_is_not_there_is_known_before_the_order() {
        let ca = ca();
        let opened = ca.open(by_hook("/nowhere/hook", "1s"));
        let findings = opened.preflight.unwrap();
        let findings = findings
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap();
        let finding = findings
            .iter()
            .find(|f| f.code.as_str() == "acme-hook-failed")
            .unwrap();
        assert!(
            finding.summary.contains("/nowhere/hook"),
            "{}",
            finding.summary
        );
        let finding = settings_error(opened.authority.issue(&order(PATIENCE).1));
        assert!(
            finding.summary.contains("could not be started"),
            "{}",
            finding.summary
        );
    }
}

mod settings {
    use super::*;

    fn fault(settings: toml::Table) -> (String, String) {
        let mut table = settings;
        table.insert("url".to_owned(), "https://ca.lab/directory".into());
        table.insert("account".to_owned(), "account.json".into());
        let error = try_open("acme", table, &[vec![1]]).err().unwrap();
        (error.key, error.reason)
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (settings, key) in [
            (toml::toml! { challenge = "dns-01" }, "dns_hook"),
            (toml::toml! { dns_hook = ["x"] }, "dns_hook"),
            (
                toml::toml! { challenge = "dns-01"
                dns_hook = ["x"]
                listen = "0.0.0.0:80" },
                "listen",
            ),
            (toml::toml! { challenge = "dns-02" }, "challenge"),
            (toml::toml! { listen = "80" }, "listen"),
            (toml::toml! { contact = ["ops@lab"] }, "contact"),
            (toml::toml! { eab_key_id = "kid-1" }, "eab_hmac_key"),
            (toml::toml! { eab_hmac_key = "env:E" }, "eab_key_id"),
        ] {
            assert_eq!(fault(settings.clone()).0, key, "{settings:?}");
        }
        let (_, reason) = fault(toml::toml! { eab_key_id = "k"
        eab_hmac_key = "canary-4f1c" });
        assert!(!reason.contains(CANARY), "{reason}");
    }
}
