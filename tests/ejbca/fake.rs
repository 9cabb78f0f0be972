//! EJBCA as the scripts speak it, and the authority on it.

use certbake::authority::Opened;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::contract::{Protocol, lab_with as on_server};
use crate::support::{Asked, FakeServer, Lab, Reply};

pub const API: &str = "/ejbca/ejbca-rest-api";

pub const ENROLL: &str = "/ejbca/ejbca-rest-api/v1/certificate/pkcs10enroll";

/// EJBCA as the fake speaks it.
pub struct Ejbca;

impl Protocol for Ejbca {
    fn kind(&self) -> &'static str {
        "ejbca"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            certificate_authority = "Lab Issuing"
            certificate_profile = "ENDUSER"
            end_entity_profile = "Images"
            token = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        if asked.path != ENROLL {
            return None;
        }
        let body = body(asked);
        BASE64
            .decode(body["certificate_request"].as_str()?.as_bytes())
            .ok()
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match asked.path.strip_prefix(API).unwrap() {
            "/v1/ca" => cas(),
            _ => answer(
                404,
                &json!({"error_code": 404, "error_message": "Not found"}),
            ),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let base64: Vec<String> = certificates.iter().map(|der| BASE64.encode(der)).collect();
        answer(
            201,
            &json!({
                "certificate": base64[0],
                "serial_number": "1234567890ABCDEF",
                "response_format": "DER",
                "certificate_chain": base64[1..],
            }),
        )
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        error(status, words)
    }
}

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

pub fn answer(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

pub fn error(status: u16, words: &str) -> Reply {
    answer(
        status,
        &json!({"error_code": status, "error_message": words}),
    )
}

pub fn cas() -> Reply {
    let ca = |name: &str, dn: &str, ends: &str| json!({"id": 7, "name": name, "subject_dn": dn, "issuer_dn": dn, "expiration_date": ends});
    answer(
        200,
        &json!({"certificate_authorities": [
            ca("ManagementCA", "CN=ManagementCA", "2046-01-19T03:14:07Z"),
            ca("Lab Issuing", "CN=Lab Issuing,O=Lab\\, Inc/EU", "2046-01-19T03:14:07Z"),
        ]}),
    )
}

/// A server that answers everything by the script, and the authority on it.
pub fn lab_with(
    script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    on_server(&Ejbca, script, &[], |_, table| change(table))
}

pub fn well(lab: &Lab, asked: &Asked) -> Reply {
    match Ejbca.ordered(asked) {
        Some(request) => Ejbca.issued(&[lab.sign(&request), lab.issuing(), lab.root()]),
        None => Ejbca.aside(lab, asked),
    }
}
