//! Vault as the fake speaks it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use certbake::authority::{AuthorityError, Issued, Opened, Order};
use certbake::finding::Finding;
use certbake::pki::{PrivateKey, pem};
use serde_json::{Value, json};

use crate::support::contract::{PATIENCE, Protocol, credential, open, order};
use crate::support::{Asked, FakeServer, Lab, Reply};

pub struct Vault;

impl Protocol for Vault {
    fn kind(&self) -> &'static str {
        "vault"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            role = "app"
            auth = { method = "token", token = credential }
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        asked.path.contains("/sign/").then(|| csr(asked))
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match asked.path.as_str() {
            "/v1/auth/token/lookup-self" => {
                answer(json!({ "ttl": 3600, "policies": ["default", "builder"] }))
            }
            "/v1/pki/ca/pem" => Reply::status(200),
            _ => no_route(),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        answer(signed(certificates))
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        errors(status, &[words])
    }
}

pub fn csr(asked: &Asked) -> Vec<u8> {
    let text = body(asked)["csr"].as_str().unwrap().to_owned();
    let mut blocks = pem::blocks(text.as_bytes());
    match blocks.next().unwrap().unwrap() {
        pem::Block::Request(der) => der,
        _ => panic!("no request"),
    }
}

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

/// `data` of an answer to an order: the first certificate, then its issuers.
pub fn signed(certificates: &[Vec<u8>]) -> Value {
    let texts: Vec<String> = certificates
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    json!({
        "certificate": texts[0],
        "issuing_ca": texts.get(1),
        "ca_chain": texts[1..],
        // It lies; nobody may believe it.
        "expiration": 4_102_444_800_u64,
        "serial_number": "39:dd:2e",
    })
}

/// A 200 with `data`.
pub fn answer(data: Value) -> Reply {
    with(json!({ "data": data }))
}

/// Settings that log in by the JWT of a source.
pub fn by_jwt(table: &mut toml::Table, source: &str) {
    let auth = toml::toml! { method = "jwt"
    jwt = source };
    table.insert("auth".into(), auth.into());
}

/// A 200 with these members beside the ones that are always there.
pub fn with(members: Value) -> Reply {
    let mut whole = json!({
        "request_id": "00000000-0000-0000-0000-000000000000",
        "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": null, "wrap_info": null, "warnings": null, "auth": null,
    });
    for (name, value) in members.as_object().unwrap() {
        whole[name] = value.clone();
    }
    Reply::ok(whole.to_string()).header("content-type", "application/json")
}

pub fn errors(status: u16, words: &[&str]) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(json!({ "errors": words }).to_string())
}

pub fn no_route() -> Reply {
    errors(404, &[])
}

/// What a login answers.
pub fn logged_in(token: &str) -> Reply {
    with(json!({ "auth": {
        "client_token": token, "accessor": "a1", "policies": ["default"], "token_policies": ["default"],
        "lease_duration": 600, "renewable": true, "token_type": "service", "num_uses": 0,
        "mfa_requirement": null,
    }}))
}

type Script = dyn FnMut(&Lab, &Asked) -> Option<Reply> + Send;

/// A fake Vault that answers by the script, and where that is silent, as it should.
pub struct Bench {
    pub lab: Lab,
    pub server: FakeServer,
    pub opened: Opened,
    /// Holds the secret until the last order has read it.
    _secret: tempfile::NamedTempFile,
}

impl Bench {
    pub fn new(script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static) -> Self {
        Self::with(|_, _| {}, script)
    }

    /// `change` is given the settings and the source of a secret.
    pub fn with(
        change: impl FnOnce(&mut toml::Table, &str),
        script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let lab = Lab::new("Lab");
        let serving = lab.clone();
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let server = FakeServer::https(&lab.server(), move |asked| {
            (script.lock().unwrap())(&serving, asked).unwrap_or_else(|| usual(&serving, asked))
        });
        let (secret, source) = credential();
        let mut table = Vault.settings(&server, &source);
        change(&mut table, &source);
        let opened = open("vault", table, &lab.anchors());
        Self {
            lab,
            server,
            opened,
            _secret: secret,
        }
    }

    pub fn issue(&self) -> Result<Issued, AuthorityError> {
        self.order(PATIENCE).2
    }

    pub fn order(&self, patience: Duration) -> (PrivateKey, Order, Result<Issued, AuthorityError>) {
        let (key, order) = order(patience);
        let outcome = self.opened.authority.issue(&order);
        (key, order, outcome)
    }

    /// What the order was refused with.
    pub fn refused(&self) -> Finding {
        match self.issue() {
            Err(AuthorityError::Refused(finding)) => *finding,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn unreachable(&self, patience: Duration) -> Finding {
        match self.order(patience).2 {
            Err(AuthorityError::Unreachable(finding)) => *finding,
            other => panic!("not unreachable: {other:?}"),
        }
    }

    /// Method and path of all that was asked.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter();
        asked
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    pub fn finish(&self) -> Vec<Finding> {
        self.opened.finish.as_ref().unwrap().finish()
    }
}

fn usual(lab: &Lab, asked: &Asked) -> Reply {
    match Vault.ordered(asked) {
        Some(request) => Vault.issued(&[lab.sign(&request), lab.issuing(), lab.root()]),
        None => Vault.aside(lab, asked),
    }
}
