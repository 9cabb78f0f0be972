//! An API server as the scripts speak it, and the authority on it.

use certbake::authority::{Opened, Order, SettingsError};
use certbake::pki::{KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage, pem};
use certbake::span::Span;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::contract::{self, PATIENCE, Protocol};
use crate::support::{Asked, FakeServer, Lab, Reply};

pub const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
pub const DRY_RUN: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All";
pub const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Kubernetes as the fake speaks it: a signer that signs at once.
pub struct Kubernetes;

impl Protocol for Kubernetes {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            token = credential
            signer_name = "example.com/images"
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        if (asked.method.as_str(), asked.path.as_str()) != ("POST", REQUESTS) {
            return None;
        }
        der(&body(asked)["spec"]["request"])
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", DRY_RUN) => answer(201, &standing("", &[], &[])),
            ("POST", REVIEWS) => answer(201, &json!({"status": {"allowed": true}})),
            ("DELETE", _) => answer(200, &json!({"kind": "Status", "status": "Success"})),
            _ => status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        answer(201, &standing("", &[("Approved", "", "")], certificates))
    }

    fn refusal(&self, code: u16, words: &str) -> Reply {
        status(
            code,
            if code == 401 {
                "Unauthorized"
            } else {
                "Forbidden"
            },
            words,
        )
    }

    /// By its name and what it holds.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

/// What `spec.request` holds: base64 of PEM.
pub fn der(request: &Value) -> Option<Vec<u8>> {
    let pem = BASE64.decode(request.as_str()?.as_bytes()).unwrap();
    match pem::decode(&pem).unwrap().pop()? {
        pem::Block::Request(der) => Some(der),
        _ => None,
    }
}

pub fn answer(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// `metav1.Status`.
pub fn status(code: u16, reason: &str, message: &str) -> Reply {
    answer(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": message, "reason": reason, "code": code,
        }),
    )
}

/// A request as it stands in the cluster, with conditions (type, reason, message).
pub fn standing(
    request: &str,
    conditions: &[(&str, &str, &str)],
    certificates: &[Vec<u8>],
) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, reason, message)| {
            json!({"type": kind, "status": "True", "reason": reason, "message": message})
        })
        .collect();
    let mut status = json!({ "conditions": conditions });
    if !certificates.is_empty() {
        let pem: String = certificates
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        status["certificate"] = BASE64.encode(pem.as_bytes()).into();
    }
    json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "certbake-app-1"},
        "spec": {"request": request, "signerName": "example.com/images"},
        "status": status,
    })
}

pub fn well(lab: &Lab, asked: &Asked) -> Reply {
    match Kubernetes.ordered(asked) {
        Some(request) => Kubernetes.issued(&[lab.sign(&request), lab.issuing()]),
        None => Kubernetes.aside(lab, asked),
    }
}

/// The authority on a server that answers by the script, by token.
pub fn lab_with(
    script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    contract::lab_with(&Kubernetes, script, &[], |_, table| change(table))
}

pub fn open_in(
    table: toml::Table,
    anchors: &[Vec<u8>],
    environment: &[(&str, &str)],
) -> Result<Opened, SettingsError> {
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    contract::try_open_in("kubernetes", table, anchors, &environment)
}

pub fn order_with(algorithm: KeyAlgorithm, organization: Option<&str>, ttl: i64) -> Order {
    let key = PrivateKey::generate(algorithm).unwrap();
    let subject = Subject {
        common_name: Some("app".to_owned()),
        organization: organization.map(str::to_owned),
        ..Subject::default()
    };
    Order {
        request: SigningRequest::new(&key, subject, Vec::new(), Usage::Client).unwrap(),
        ttl: Some(Span::seconds(ttl)),
        deadline: std::time::Instant::now() + PATIENCE,
    }
}
