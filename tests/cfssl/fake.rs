//! CFSSL as the scripts speak it, and the authority on it.

use aws_lc_rs::hmac;
use certbake::authority::Opened;
use certbake::pki::pem;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::contract::{CANARY, Protocol, open};
use crate::support::{Asked, FakeServer, Lab, Reply};

/// Hexadecimal, as cfssl wants it; stands where other protocols have the canary.
pub const KEY: &str = "c0ffee11d00d4be57a5cade0b5e55ed1";

/// cfssl as the fake speaks it.
pub struct Cfssl;

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
pub fn key_file(text: &str) -> String {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    let path = file.into_temp_path().keep().unwrap();
    format!("file:{}", path.display())
}

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

/// What `authsign` wraps, its HMAC checked.
pub fn wrapped(asked: &Asked) -> Value {
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

pub fn request_in(request: &Value) -> Option<Vec<u8>> {
    let text = request["certificate_request"].as_str().unwrap();
    match pem::decode(text.as_bytes()).unwrap().into_iter().next()? {
        pem::Block::Request(der) => Some(der),
        _ => None,
    }
}

pub fn success(result: &Value) -> Reply {
    let envelope = json!({"success": true, "result": result, "errors": [], "messages": []});
    Reply::ok(envelope.to_string()).header("content-type", "application/json")
}

/// Go's `http.Error`: JSON that is called text.
pub fn failure(status: u16, code: u32, words: &str) -> Reply {
    let error = json!({"code": code, "message": words});
    let envelope = json!({"success": false, "result": null, "errors": [error], "messages": []});
    Reply::status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(format!("{envelope}\n"))
}

pub fn info(lab: &Lab, usages: &[&str], expiry: &str) -> Reply {
    let certificate = pem::encode("CERTIFICATE", &lab.issuing());
    success(&json!({"certificate": certificate.trim(), "usages": usages, "expiry": expiry}))
}

/// A server that answers by the script, and the authority on it.
pub fn lab_with(
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
pub fn orders_with(
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

pub fn sign(lab: &Lab, request: &[u8]) -> Reply {
    let certificate = pem::encode("CERTIFICATE", &lab.sign(request));
    success(&json!({ "certificate": certificate }))
}

pub fn without_key(table: &mut toml::Table) {
    table.remove("key");
}
