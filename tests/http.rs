//! The generic HTTP authority: the contract of all authorities, and what its settings can say. The
//! in-house service that people would write runs in `tests/conformance/in_house.rs`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use certbake::authority::{
    AuthorityError, Current, Depth, Opened, Reason, Revocation, SettingsError,
};
use certbake::finding::Finding;
use certbake::pki::{Certificate, PrivateKey, pem, pkcs7};
use data_encoding::BASE64;
use serde_json::{Value, json};
use support::baking::{self, Baked};
use support::contract::{
    CANARY, PATIENCE, Protocol, Run, credential, lab_with as on_server, open, order,
    told as waits_told, try_open,
};
use support::{Asked, FakeServer, Lab, Reply};

/// A JSON API as a team would write it.
struct Api;

const SIGN: &str = "/api/v1/certificates";

impl Protocol for Api {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = format!("{}/api", server.origin());
        let body = r#"{
            "csr": {{ csr }},
            "names": {{ names | tojson }},
            "common_name": {{ common_name }},
            {% if ttl_seconds is defined %}"ttl": {{ ttl_seconds }}, "until": {{ not_after }},{% endif %}
            "usage": {{ usage }}
        }"#;
        toml::toml! {
            url = url
            token = credential
            [request]
            path = "/v1/certificates"
            body = body
            [answer]
            certificate = "/data/certificate"
            chain = "/data/chain"
            [errors]
            message = "/error/reason"
            [renew]
            path = "/v1/renewals"
            body = "{\"csr\": {{ csr }}}"
            [revoke]
            method = "DELETE"
            path = "/v1/certificates/{{ serial }}?reason={{ reason }}"
            [preflight]
            path = "/v1/me"
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        (asked.path == SIGN).then(|| csr(body(asked)["csr"].as_str().unwrap()))
    }

    fn aside(&self, _: &Lab, _: &Asked) -> Reply {
        Reply::status(404)
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let pems: Vec<String> = certificates.iter().map(|der| pem_of(der)).collect();
        json_reply(
            201,
            &json!({"data": {"certificate": pems[0], "chain": pems[1..]}}),
        )
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        json_reply(status, &json!({"error": {"code": 7, "reason": words}}))
    }
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn csr(text: &str) -> Vec<u8> {
    match pem::decode(text.as_bytes()).unwrap().into_iter().next() {
        Some(pem::Block::Request(der)) => der,
        _ => panic!("{text}"),
    }
}

fn pem_of(der: &[u8]) -> String {
    pem::encode("CERTIFICATE", der)
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// A server that answers by the script, and the authority on it.
fn lab_with(
    script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    on_server(&Api, script, &[], |_, table| change(table))
}

fn set(table: &mut toml::Table, text: &str) {
    for (key, value) in text.parse::<toml::Table>().unwrap() {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => known.extend(more),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn sign(lab: &Lab, asked: &Asked) -> Reply {
    let request = Api.ordered(asked).unwrap();
    Api.issued(&[lab.sign(&request), lab.issuing()])
}

fn fault(change: &str) -> SettingsError {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let (_file, source) = credential();
    let mut table = Api.settings(&server, &source);
    set(&mut table, change);
    try_open("http", table, &lab.anchors()).err().unwrap()
}

mod contract {
    use super::Api;

    crate::contract!(&Api);
}

mod requests {
    use super::*;

    #[test]
    fn the_order_stands_in_the_body_as_the_template_says() {
        let run = Run::new(&Api, PATIENCE, |lab, request, _| {
            Api.issued(&[lab.sign(request), lab.issuing()])
        });
        assert!(run.outcome.unwrap().date.is_none());
        let [asked] = run.server.asked().try_into().unwrap();
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", SIGN));
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let bearer = format!("Bearer {CANARY}");
        assert_eq!(asked.header("authorization"), Some(bearer.as_str()));
        let body = body(&asked);
        let names = json!({"dns": ["app.internal"], "ip": [], "uri": [], "email": []});
        assert_eq!(body["names"], names);
        assert_eq!(
            (&body["common_name"], &body["usage"]),
            (&json!("app"), &json!("client"))
        );
        assert_eq!(body["ttl"], 3600);
        assert!(body["until"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_form_and_a_body_of_plain_text_are_sent_too() {
        let (_lab, server, opened) = lab_with(
            |lab, asked| {
                let text = String::from_utf8(asked.body.clone()).unwrap();
                let request = match asked.header("content-type").unwrap() {
                    "application/x-www-form-urlencoded" => {
                        let fields: std::collections::BTreeMap<String, String> =
                            url::form_urlencoded::parse(&asked.body)
                                .into_owned()
                                .collect();
                        assert_eq!(fields["template"], "mtls & more");
                        csr(&fields["request"])
                    }
                    "application/pkcs10" => csr(&text),
                    other => panic!("{other}"),
                };
                Reply::ok(pem_of(&lab.sign(&request)))
            },
            |table| {
                table.remove("request");
                table.remove("answer");
                set(
                    table,
                    "request = { form = { request = '{{ csr }}', template = 'mtls & more' } }",
                );
            },
        );
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(server.asked()[0].path, "/api");

        let (_lab, _server, opened) = lab_with(
            |lab, asked| {
                Reply::ok(pem_of(
                    &lab.sign(&csr(std::str::from_utf8(&asked.body).unwrap())),
                ))
            },
            |table| {
                table.remove("request");
                table.remove("answer");
                set(
                    table,
                    "request = { content_type = 'application/pkcs10', body = '{{ csr }}' }",
                );
            },
        );
        opened.authority.issue(&order(PATIENCE).1).unwrap();
    }

    #[test]
    fn values_in_the_path_cannot_leave_their_place() {
        let (_lab, server, opened) = lab_with(
            |_, _| Reply::status(404),
            |table| {
                set(
                    table,
                    "request = { path = '/v1/{{ names.uri[0] }}/{{ common_name }}?d={{ names.dns | join(\",\") }}' }",
                );
            },
        );
        let key = PrivateKey::generate(certbake::pki::KeyAlgorithm::EcdsaP256).unwrap();
        let (_other, mut order) = order(PATIENCE);
        order.request = certbake::pki::SigningRequest::new(
            &key,
            certbake::pki::Subject {
                common_name: Some("../../admin?x#y".to_owned()),
                ..Default::default()
            },
            vec![
                certbake::pki::AltName::uri("spiffe://lab/a").unwrap(),
                certbake::pki::AltName::dns("a.lab").unwrap(),
                certbake::pki::AltName::dns("b.lab").unwrap(),
            ],
            certbake::pki::Usage::Client,
        )
        .unwrap();
        let _ = opened.authority.issue(&order);
        assert_eq!(
            server.asked()[0].path,
            "/api/v1/spiffe%3A%2F%2Flab%2Fa/..%2F..%2Fadmin%3Fx%23y?d=a.lab%2Cb.lab"
        );
    }

    #[test]
    fn headers_are_templates_or_secrets() {
        let (_file, source) = credential();
        let (_lab, server, opened) = lab_with(sign, |table| {
            table.remove("token");
            set(
                table,
                &format!(
                    "headers = {{ x-build = 'for {{{{ common_name }}}}', x-api-key = {{ secret = '{source}', prefix = 'Key ' }} }}"
                ),
            );
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let [asked] = server.asked().try_into().unwrap();
        assert_eq!(asked.header("x-build"), Some("for app"));
        assert_eq!(
            asked.header("x-api-key"),
            Some(format!("Key {CANARY}").as_str())
        );
        assert_eq!(asked.header("authorization"), None);
        assert!(opened.secrets.contains(&source.parse().unwrap()));
    }

    #[test]
    fn basic_and_a_command_for_the_token_are_logins_too() {
        let (_file, source) = credential();
        let (_lab, server, opened) = lab_with(sign, |table| {
            table.remove("token");
            set(
                table,
                &format!("username = 'builder'\npassword = '{source}'"),
            );
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        let login = BASE64.encode(format!("builder:{CANARY}").as_bytes());
        assert_eq!(
            server.asked()[0].header("authorization"),
            Some(format!("Basic {login}").as_str())
        );
        let (_lab, server, opened) = lab_with(sign, |table| {
            set(table, "token = 'cmd:printf of-a-command'");
        });
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(
            server.asked()[0].header("authorization"),
            Some("Bearer of-a-command")
        );
    }

    #[test]
    fn a_secret_in_the_body_is_sent_and_never_told() {
        let (_file, source) = credential();
        let (_lab, server, opened) = lab_with(
            |_, asked| Reply::status(403).body(format!("who is {}?", body(asked)["token"])),
            |table| {
                table.remove("token");
                set(
                    table,
                    &format!(
                        "secrets = {{ api = '{source}' }}\n\
                         request = {{ body = '{{\"csr\": {{{{ csr }}}}, \"token\": {{{{ secrets.api }}}} }}' }}"
                    ),
                );
            },
        );
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert_eq!(body(&server.asked()[0])["token"], CANARY);
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains(CANARY), "{printed}");
        assert!(printed.contains("[withheld]"), "{printed}");
    }
}

mod answers {
    use super::*;

    #[test]
    fn every_wrapping_is_opened_where_the_pointer_points() {
        type Wrap = fn(&[Vec<u8>]) -> Value;
        let message = |ders: &[Vec<u8>]| {
            let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
            pkcs7::certs_only(&ders)
        };
        let wraps: [(&str, Wrap); 6] = [
            ("one PEM bundle", |ders| {
                json!(ders.iter().map(|der| pem_of(der)).collect::<String>())
            }),
            ("a list of PEM", |ders| {
                json!(ders.iter().map(|der| pem_of(der)).collect::<Vec<_>>())
            }),
            ("a list of base64 DER", |ders| {
                json!(
                    ders.iter()
                        .map(|der| BASE64.encode(der))
                        .collect::<Vec<_>>()
                )
            }),
            ("PEM with other line ends", |ders| {
                json!(
                    ders.iter()
                        .map(|der| pem_of(der).replace('\n', "\r\n"))
                        .collect::<String>()
                )
            }),
            ("lists in lists", |ders| {
                json!([[pem_of(&ders[0])], [[pem_of(&ders[1])]]])
            }),
            ("base64 of PKCS#7", |ders| {
                let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
                json!(BASE64.encode(&pkcs7::certs_only(&ders)))
            }),
        ];
        let _ = message;
        for (name, wrap) in wraps {
            let (lab, _server, opened) = lab_with(
                move |lab, asked| {
                    let leaf = lab.sign(&Api.ordered(asked).unwrap());
                    json_reply(
                        200,
                        &json!({"result": [{"pem": wrap(&[leaf, lab.issuing()])}]}),
                    )
                },
                |table| {
                    table.remove("answer");
                    set(table, "answer = { certificate = '/result/0/pem' }");
                },
            );
            let issued = opened.authority.issue(&order(PATIENCE).1);
            let issued = issued.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(issued.certificates[1], lab.issuing(), "{name}");
        }
    }

    #[test]
    fn without_pointers_the_whole_answer_is_the_chain() {
        for as_message in [false, true] {
            let (lab, _server, opened) = lab_with(
                move |lab, asked| {
                    let leaf = lab.sign(&Api.ordered(asked).unwrap());
                    if as_message {
                        return Reply::ok(pkcs7::certs_only(&[&lab.issuing(), &leaf]));
                    }
                    Reply::ok(pem_of(&leaf) + &pem_of(&lab.issuing()) + &pem_of(&lab.root()))
                },
                |table| {
                    table.remove("answer");
                },
            );
            let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
            assert_eq!(issued.certificates[1], lab.issuing());
            assert_eq!(issued.anchors.is_empty(), as_message);
        }
    }

    #[test]
    fn roots_are_taken_where_they_are_said_to_be() {
        let (lab, _server, opened) = lab_with(
            |lab, asked| {
                let leaf = lab.sign(&Api.ordered(asked).unwrap());
                json_reply(
                    200,
                    &json!({"data": {"certificate": pem_of(&leaf), "chain": null}, "roots": [pem_of(&lab.root())]}),
                )
            },
            |table| set(table, "answer = { anchors = '/roots' }"),
        );
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.anchors, lab.anchors());
    }

    #[test]
    fn a_pointer_to_nothing_is_told() {
        let (_lab, _server, opened) = lab_with(sign, |table| {
            set(table, "answer = { chain = '/data/issuers' }");
        });
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
        assert!(
            error.to_string().contains("has no /data/issuers"),
            "{error}"
        );
    }
}

mod pending {
    use super::*;

    /// The first answer, and those to the questions after it; every path that was asked.
    fn polled(
        settings: &str,
        first: impl Fn(&Asked) -> Reply + Send + 'static,
        later: impl Fn(usize) -> Option<Reply> + Send + 'static,
    ) -> (
        FakeServer,
        Result<certbake::authority::Issued, AuthorityError>,
    ) {
        let mut request = None;
        let mut polls = 0;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| {
                if request.is_none() {
                    request = Api.ordered(asked);
                    return first(asked);
                }
                polls += 1;
                later(polls).unwrap_or_else(|| {
                    Api.issued(&[lab.sign(request.as_ref().unwrap()), lab.issuing()])
                })
            },
            |table| set(table, settings),
        );
        let outcome = opened.authority.issue(&order(PATIENCE).1);
        (server, outcome)
    }

    fn waiting(value: &Value) -> Reply {
        json_reply(202, value).header("retry-after", "0")
    }

    #[test]
    fn it_is_asked_again_at_the_place_that_the_answer_names() {
        for (settings, answer, header, place) in [
            (
                "pending = { status = [202], location = '/links/self' }",
                json!({"links": {"self": "/api/v1/orders/7"}}),
                None,
                "/api/v1/orders/7",
            ),
            (
                "pending = { status = [202], path = '/v1/orders/{{ answer.id }}' }",
                json!({"id": "a/7"}),
                None,
                "/api/v1/orders/a%2F7",
            ),
            (
                "pending = { status = [202] }",
                json!({}),
                Some("orders/7"),
                "/api/v1/orders/7",
            ),
        ] {
            let (server, outcome) = polled(
                settings,
                move |_| {
                    let reply = waiting(&answer);
                    match header {
                        Some(to) => reply.header("location", to),
                        None => reply,
                    }
                },
                // Later answers leave the place out.
                |polls| (polls < 3).then(|| waiting(&json!({}))),
            );
            outcome.unwrap_or_else(|error| panic!("{settings}: {error:?}"));
            let asked = server.asked();
            let paths: Vec<_> = asked
                .iter()
                .map(|a| (a.method.as_str(), a.path.as_str()))
                .collect();
            assert_eq!(
                paths,
                [
                    ("POST", SIGN),
                    ("GET", place),
                    ("GET", place),
                    ("GET", place)
                ]
            );
            let login = asked[0].header("authorization");
            assert!(
                asked
                    .iter()
                    .all(|asked| asked.header("authorization") == login)
            );
        }
    }

    #[test]
    fn without_a_place_the_same_request_is_sent_again() {
        let (server, outcome) = polled(
            "pending = { pointer = '/state', equals = ['waiting', 'new'] }",
            |_| json_reply(200, &json!({"state": "new"})).header("retry-after", "0"),
            |polls| {
                (polls < 2).then(|| {
                    json_reply(200, &json!({"state": "waiting"})).header("retry-after", "0")
                })
            },
        );
        outcome.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|again| again.body == asked[0].body));
    }

    #[test]
    fn a_place_on_another_host_never_gets_the_login() {
        for place in [
            "https://elsewhere.example/orders/7",
            "http://127.0.0.1/orders/7",
        ] {
            let (server, outcome) = polled(
                "pending = { status = [202] }",
                move |_| waiting(&json!({})).header("location", place),
                |_| None,
            );
            let error = outcome.unwrap_err();
            assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
            assert!(error.to_string().contains("another host"), "{error}");
            assert_eq!(server.asked().len(), 1);
        }
    }

    #[test]
    fn a_refusal_after_the_wait_is_a_refusal() {
        let (_server, outcome) = polled(
            "pending = { status = [202], location = '/place' }\n\
             errors = { refused = { pointer = '/state', equals = ['denied'] }, message = '/why' }",
            |_| waiting(&json!({"place": "/api/orders/7"})),
            |_| {
                Some(json_reply(
                    200,
                    &json!({"state": "denied", "why": "not on Fridays"}),
                ))
            },
        );
        let error = outcome.unwrap_err();
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        assert!(
            error.to_string().ends_with("200: not on Fridays"),
            "{error}"
        );
    }

    #[test]
    fn one_that_stays_pending_ends_with_the_deadline() {
        let started = Instant::now();
        let (_lab, _server, opened) = lab_with(
            |_, _| json_reply(202, &json!({})),
            |table| set(table, "pending = { status = [202], interval = '1s' }"),
        );
        let error = opened
            .authority
            .issue(&order(Duration::from_millis(1500)).1)
            .unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
        let finding = error.into_finding();
        assert_eq!(finding.code.as_str(), "ca-pending");
        assert_eq!(finding.facts["asked"], 2);
    }
}

mod rules {
    use super::*;

    fn told(reply: Reply, settings: &str) -> AuthorityError {
        let (_lab, _server, opened) =
            lab_with(move |_, _| reply.clone(), |table| set(table, settings));
        opened
            .authority
            .issue(&order(Duration::from_secs(2)).1)
            .unwrap_err()
    }

    fn refused(reply: Reply, settings: &str) -> Finding {
        let error = told(reply, settings);
        assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
        error.into_finding()
    }

    #[test]
    fn a_good_status_with_an_error_in_it_is_a_refusal() {
        let reply = json_reply(
            200,
            &json!({"ok": false, "messages": ["no quota", "ask Bob"]}),
        );
        let finding = refused(
            reply,
            "errors = { refused = { pointer = '/ok', equals = [false] }, message = '/messages' }",
        );
        assert!(
            finding.summary.ends_with("200: no quota; ask Bob"),
            "{}",
            finding.summary
        );
        assert!(finding.hint.contains("errors.refused"), "{}", finding.hint);
    }

    #[test]
    fn what_counts_as_busy_is_asked_again_and_told_at_the_end() {
        let mut orders = 0;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| {
                orders += 1;
                if orders < 3 {
                    return json_reply(409, &json!({"error": {"code": 17}}));
                }
                sign(lab, asked)
            },
            |table| {
                set(
                    table,
                    "errors = { busy = { status = [409], pointer = '/error/code', equals = [17] } }",
                )
            },
        );
        waits_told();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(waits_told(), ["it asked to be tried again"; 2]);
        assert_eq!(server.asked().len(), 3);
        let error = told(
            json_reply(
                409,
                &json!({"error": {"code": 17, "reason": "signer asleep"}}),
            ),
            "errors = { busy = { status = [409] } }",
        );
        assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
        assert_eq!(error.clone().into_finding().code.as_str(), "ca-busy");
        assert!(error.to_string().ends_with("signer asleep"), "{error}");
    }

    #[test]
    fn an_unexpected_status_is_told_with_its_words() {
        let error = told(Reply::status(204), "");
        assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
        let finding = refused(
            Reply::status(422).body("{\"error\": {\"reason\": \"bad name\"}}"),
            "",
        );
        assert!(
            finding.summary.ends_with("422: bad name"),
            "{}",
            finding.summary
        );
        let finding = refused(Reply::status(401), "");
        assert!(finding.hint.contains("a bearer token"), "{}", finding.hint);
    }
}

mod abilities {
    use super::*;

    #[test]
    fn a_renewal_shows_the_current_certificate() {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
            assert_eq!(asked.path, "/api/v1/renewals");
            let request = csr(body(asked)["csr"].as_str().unwrap());
            Api.issued(&[serving.sign(&request), serving.issuing()])
        });
        let (_file, source) = credential();
        let opened = open("http", Api.settings(&server, &source), &lab.anchors());
        let present = lab.client("app");
        let current_key = PrivateKey::from_der(&present.key).unwrap();
        let (key, order) = order(PATIENCE);
        let current = Current {
            chain: &present.chain,
            key: &current_key,
        };
        let issued = opened.renew.unwrap().renew(&order, &current).unwrap();
        let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
        assert_eq!(leaf.facts().spki, key.spki());
        assert_eq!(
            server.asked()[0].client_certificate.as_ref(),
            Some(&present.chain[0])
        );
    }

    #[test]
    fn a_revocation_has_the_certificate_in_scope() {
        let (lab, server, opened) = lab_with(|_, _| Reply::status(204), |_| {});
        let certificate = Certificate::from_der(lab.client("app").chain[0].clone()).unwrap();
        let revocation = Revocation {
            certificate: &certificate,
            key: None,
            reason: Reason::KeyCompromise,
            deadline: Instant::now() + PATIENCE,
        };
        assert_eq!(opened.revoke.unwrap().revoke(&revocation).unwrap(), []);
        let asked = &server.asked()[0];
        let serial = &certificate.facts().serial;
        assert_eq!(asked.method, "DELETE");
        assert_eq!(asked.path, format!("{SIGN}/{serial}?reason=keyCompromise"));
    }

    #[test]
    fn the_look_before_an_order_tries_the_login() {
        for (status, good) in [(200, true), (204, true), (401, false), (404, false)] {
            let (_lab, server, opened) = lab_with(move |_, _| Reply::status(status), |_| {});
            let (_key, order) = order(PATIENCE);
            let preflight = opened.preflight.unwrap();
            assert_eq!(preflight.preflight(&order, Depth::Order).unwrap(), []);
            assert!(server.asked().is_empty());
            let found = preflight.preflight(&order, Depth::Whole);
            assert_eq!(found.is_ok(), good, "{status}: {found:?}");
            assert_eq!(server.asked()[0].path, "/api/v1/me");
            assert!(server.asked()[0].header("authorization").is_some());
        }
    }

    #[test]
    fn a_template_that_this_order_cannot_fill_is_seen_before_anything_is_sent() {
        let (_lab, server, opened) = lab_with(sign, |table| {
            set(
                table,
                "request = { body = '''{\"csr\": {{ csr }},\n\"ttl\": {{ ttl_seconds }} }''' }",
            );
        });
        let (_key, mut order) = order(PATIENCE);
        order.ttl = None;
        let before = opened.preflight.unwrap().preflight(&order, Depth::Order);
        for error in [
            before.unwrap_err(),
            opened.authority.issue(&order).unwrap_err(),
        ] {
            assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
            let finding = error.into_finding();
            assert_eq!(finding.code.as_str(), "template-unfilled");
            assert!(
                finding.summary.contains("request.body, line 2"),
                "{}",
                finding.summary
            );
            assert!(finding.hint.contains("ttl"), "{}", finding.hint);
        }
        assert!(server.asked().is_empty());
    }
}

mod settings {
    use super::*;

    /// What stands in the settings, the key that is at fault, and what is said of it.
    const FAULTS: &[(&str, &str, &str)] = &[
        (
            "request = { body = '''{\n\"csr\": \"{{ csr }}\"}''' }",
            "request.body",
            "line 2: what comes out is not JSON",
        ),
        (
            "request = { body = '''{\n\n\"csr\": {{ csrr }}}''' }",
            "request.body",
            "line 3: there is no csrr. Did you mean csr?",
        ),
        (
            "request = { body = '{{ csr' }",
            "request.body",
            "line 1: syntax error",
        ),
        (
            "request = { path = '/x/{{ csr | lowr }}' }",
            "request.path",
            "line 1: unknown filter",
        ),
        (
            "request = { path = 'https://elsewhere/x' }",
            "request.path",
            "starts with a slash",
        ),
        ("request = { method = 'post' }", "request.method", "POST"),
        (
            "request = { form = { a = '{{ names.dsn }}' } }",
            "request.form",
            "body is given too",
        ),
        (
            "headers = { x = '{{ nope }}' }",
            "headers.x",
            "there is no nope",
        ),
        // Sent with the revocation too, which knows no CSR.
        (
            "headers = { x = '{{ usage }}' }",
            "headers.x",
            "there is no usage",
        ),
        (
            "headers = { 'a b' = 'x' }",
            "headers.a b",
            "name of a header",
        ),
        ("headers = { x = 'env:TOKEN' }", "headers.x", "secret ="),
        (
            "revoke = { path = '/{{ csr }}' }",
            "revoke.path",
            "there is no csr",
        ),
        (
            "request = { path = '/{{ secrets.tokn }}' }\nsecrets = { token = 'env:T' }",
            "request.path",
            "Did you mean secrets.token?",
        ),
        (
            "pending = { path = '/{{ anser.id }}', status = [202] }",
            "pending.path",
            "Did you mean answer?",
        ),
        ("pending = { path = '/x' }", "pending", "match nothing"),
        (
            "errors = { refused = { equals = [1], status = [200] } }",
            "errors.refused.equals",
            "pointer",
        ),
        (
            "answer = { certificate = 'data' }",
            "answer.certificate",
            "slash",
        ),
        ("username = 'x'\npassword = 'env:P'", "token", "one login"),
        ("token = 'xyzzy-plain'", "token", "env:NAME"),
    ];

    #[test]
    fn a_fault_in_a_template_has_its_key_and_its_line() {
        for (change, key, words) in FAULTS {
            let error = fault(change);
            assert_eq!(error.key, *key, "{change}: {error}");
            assert!(error.reason.contains(words), "{change}: {error}");
            assert!(!error.to_string().contains("xyzzy"), "{error}");
        }
        assert!(
            fault("request = { bdy = '' }")
                .reason
                .contains("unknown field `bdy`")
        );
    }

    #[test]
    fn the_example_is_read() {
        let lab = Lab::new("Lab");
        let opened = try_open("http", baking::example("http"), &lab.anchors());
        assert!(opened.is_ok(), "{:?}", opened.err());
    }
}

/// Through the binary.
mod binary {
    use super::*;

    fn bake(mut script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static, change: &str) -> Baked {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let server = FakeServer::https(&lab.server(), move |asked| script(&serving, asked));
        let (_file, source) = credential();
        let mut table = Api.settings(&server, &source);
        set(&mut table, change);
        Baked::provision("http", &table, &lab.anchors(), &[])
    }

    #[test]
    fn a_certificate_lands() {
        bake(sign, "").is_good(&[CANARY]);
    }

    #[test]
    fn a_fault_in_a_template_is_told_with_file_and_key() {
        let baked = bake(sign, "request = { body = '{\"csr\": {{ csrr }}}' }");
        assert_eq!(baked.code, 2, "{}", baked.printed);
        for words in [
            "certbake.toml",
            "\"line\": 22",
            "request.body",
            "Did you mean csr?",
        ] {
            assert!(
                baked.printed.contains(words),
                "{words} in {}",
                baked.printed
            );
        }
    }

    #[test]
    fn a_refusal_ends_with_5_garbage_with_4_and_silence_with_6() {
        for (reply, settings, code) in [
            (Api.refusal(403, "not your names"), "", 5),
            (
                json_reply(200, &json!({"data": {"certificate": "x", "chain": []}})),
                "",
                4,
            ),
            (Reply::Stalled(Vec::new()), "timeout = '1s'", 6),
            (Reply::Dripping, "timeout = '1s'", 6),
        ] {
            let baked = bake(move |_, _| reply.clone(), settings);
            assert_eq!(baked.code, code, "{}", baked.printed);
            assert!(!baked.printed.contains(CANARY));
            assert!(!baked.landed("etc").exists());
        }
    }
}
