//! ACME as the fake speaks it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use certbake::authority::{AuthorityError, Issued, Opened};
use certbake::finding::Finding;
use certbake::pki::pem;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::contract::{PATIENCE, Protocol, open, order};
use crate::support::{Asked, FakeServer, Lab, Reply};

/// ACME as the fake speaks it: every name is proven already, and what is issued stands in the URL of
/// the certificate, so that nothing has to be remembered.
pub struct Acme;

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

pub fn fresh_account() -> PathBuf {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    directory.keep().join("account.json")
}

pub fn nonce() -> String {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    format!("nonce{}", COUNTER.fetch_add(1, Ordering::SeqCst))
}

pub fn directory(origin: &str) -> Value {
    json!({
        "newNonce": format!("{origin}/nonce"),
        "newAccount": format!("{origin}/account"),
        "newOrder": format!("{origin}/order"),
        "revokeCert": format!("{origin}/revoke"),
        "meta": { "termsOfService": "https://ca.lab/terms", "profiles": { "short": "a day", "long": "a year" } },
    })
}

pub fn order_in(status: &str, origin: &str) -> Value {
    json!({
        "status": status,
        "identifiers": [{ "type": "dns", "value": "app.internal" }],
        "authorizations": [format!("{origin}/authorization/1")],
        "finalize": format!("{origin}/finalize/1"),
    })
}

pub fn certificate(chain: &str) -> Reply {
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

pub fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

pub fn problem(status: u16, kind: &str, words: &str) -> Reply {
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

pub fn part(asked: &Asked, name: &str) -> Value {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let text = body[name].as_str().unwrap();
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

pub fn payload(asked: &Asked) -> Value {
    part(asked, "payload")
}

/// A CA that answers by `other` where that has an answer, and else as it should.
pub struct Ca {
    pub server: FakeServer,
    pub lab: Lab,
    pub account: PathBuf,
}

impl Ca {
    pub fn new(other: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
        Self::of(Lab::new("Lab"), other)
    }

    pub fn of(lab: Lab, mut other: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
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

    pub fn open(&self, settings: toml::Table) -> Opened {
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

    pub fn issue(&self, settings: toml::Table) -> Result<Issued, AuthorityError> {
        self.open(settings).authority.issue(&order(PATIENCE).1)
    }

    pub fn asked_for(&self, path: &str) -> Vec<Asked> {
        let all = self.server.asked().into_iter();
        all.filter(|asked| asked.path == path).collect()
    }
}

pub fn none() -> toml::Table {
    toml::Table::new()
}

pub fn settings_error(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Settings(finding)) => *finding,
        other => panic!("not about the settings: {other:?}"),
    }
}

pub fn unreachable(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Unreachable(finding)) => *finding,
        other => panic!("not unreachable: {other:?}"),
    }
}

pub fn refused(outcome: Result<Issued, AuthorityError>) -> Finding {
    match outcome {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

/// An authorization that is pending until the challenge has been answered, and then as `after` has it.
pub fn proving(
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
