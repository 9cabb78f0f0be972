//! An in-house API as the fake speaks it.

use certbake::authority::{Opened, SettingsError};
use certbake::pki::pem;
use serde_json::{Value, json};

use crate::support::contract::{Protocol, credential, lab_with as on_server, try_open};
use crate::support::{Asked, FakeServer, Lab, Reply};

/// A JSON API as a team would write it.
pub struct Api;

pub const SIGN: &str = "/api/v1/certificates";

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

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

pub fn csr(text: &str) -> Vec<u8> {
    match pem::decode(text.as_bytes()).unwrap().into_iter().next() {
        Some(pem::Block::Request(der)) => der,
        _ => panic!("{text}"),
    }
}

pub fn pem_of(der: &[u8]) -> String {
    pem::encode("CERTIFICATE", der)
}

pub fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// A server that answers by the script, and the authority on it.
pub fn lab_with(
    script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    on_server(&Api, script, &[], |_, table| change(table))
}

pub fn set(table: &mut toml::Table, text: &str) {
    for (key, value) in text.parse::<toml::Table>().unwrap() {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => known.extend(more),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

pub fn sign(lab: &Lab, asked: &Asked) -> Reply {
    let request = Api.ordered(asked).unwrap();
    Api.issued(&[lab.sign(&request), lab.issuing()])
}

pub fn fault(change: &str) -> SettingsError {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let (_file, source) = credential();
    let mut table = Api.settings(&server, &source);
    set(&mut table, change);
    try_open("http", table, &lab.anchors()).err().unwrap()
}
