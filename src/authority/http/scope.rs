//! What templates may name: the order, or the certificate that is taken back; and samples of both.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::authority::{Order, Revocation};
use crate::finding::rfc3339;
use crate::pki::{AltName, Subject, Usage};
use crate::secret::Secret;

/// An order, in the words of templates. What it lacks (a common name, a lifetime) is not there.
pub fn of_order(order: &Order, now: OffsetDateTime, secrets: &BTreeMap<String, Secret>) -> Value {
    let request = &order.request;
    let mut scope = json!({
        "csr": request.pem(),
        "csr_der_base64": BASE64.encode(request.der()),
        "names": names(&request.names),
        "subject": subject(&request.subject),
        "usage": usage(request.usage),
        "secrets": exposed(secrets),
    });
    if let Some(name) = &request.subject.common_name {
        scope["common_name"] = json!(name);
    }
    if let Some(ttl) = order.ttl {
        scope["ttl_seconds"] = json!(ttl.as_seconds());
        scope["not_after"] = json!(rfc3339(now + ttl.duration()));
    }
    scope
}

/// A certificate that is to be taken back, in the words of templates.
pub fn of_revocation(revocation: &Revocation<'_>, secrets: &BTreeMap<String, Secret>) -> Value {
    let certificate = revocation.certificate;
    let facts = certificate.facts();
    let mut scope = json!({
        "certificate": certificate.pem(),
        "certificate_der_base64": BASE64.encode(certificate.der()),
        "serial": facts.serial,
        "fingerprint": certificate.fingerprint(),
        "names": names(&facts.names),
        "not_after": rfc3339(facts.window.not_after),
        "authority_key_id": facts.authority_key_id.as_deref().unwrap_or_default(),
        "reason": revocation.reason.crl_name(),
        "reason_code": revocation.reason.code(),
        "secrets": exposed(secrets),
    });
    if let Some(name) = &facts.common_name {
        scope["common_name"] = json!(name);
    }
    scope
}

/// An order with everything, in characters that break what does not escape them.
pub fn sample_order<'a>(secrets: impl Iterator<Item = &'a String>) -> Value {
    json!({
        "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n",
        "csr_der_base64": "AA==",
        "names": {
            "dns": ["a.example"],
            "ip": ["192.0.2.1"],
            "uri": ["spiffe://example/a"],
            "email": ["a@example"],
        },
        "subject": {
            "common_name": "a \"b\"",
            "organization": "a \"b\"",
            "organizational_unit": "a \"b\"",
            "country": "ZZ",
            "state": "a",
            "locality": "a",
        },
        "usage": "client",
        "common_name": "a \"b\"",
        "ttl_seconds": 86_400,
        "not_after": "2030-01-01T00:00:00Z",
        "secrets": sample_secrets(secrets),
    })
}

pub fn sample_revocation<'a>(secrets: impl Iterator<Item = &'a String>) -> Value {
    json!({
        "certificate": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        "certificate_der_base64": "AA==",
        "serial": "01",
        "fingerprint": "00",
        "names": { "dns": [], "ip": [], "uri": [], "email": [] },
        "not_after": "2030-01-01T00:00:00Z",
        "authority_key_id": "00",
        "reason": "unspecified",
        "reason_code": 0,
        "common_name": "a \"b\"",
        "secrets": sample_secrets(secrets),
    })
}

fn names(names: &[AltName]) -> Value {
    let (mut dns, mut ip, mut uri, mut email) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match name {
            AltName::Dns(name) => dns.push(name.clone()),
            AltName::Ip(address) => ip.push(address.to_string()),
            AltName::Uri(name) => uri.push(name.clone()),
            AltName::Email(address) => email.push(address.clone()),
            AltName::Other(_) => {}
        }
    }
    json!({ "dns": dns, "ip": ip, "uri": uri, "email": email })
}

fn subject(subject: &Subject) -> Value {
    let parts = [
        ("common_name", &subject.common_name),
        ("organization", &subject.organization),
        ("organizational_unit", &subject.organizational_unit),
        ("country", &subject.country),
        ("state", &subject.state),
        ("locality", &subject.locality),
    ];
    parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
        .collect::<Map<_, _>>()
        .into()
}

const fn usage(usage: Usage) -> &'static str {
    match usage {
        Usage::Client => "client",
        Usage::Server => "server",
    }
}

fn exposed(secrets: &BTreeMap<String, Secret>) -> Value {
    secrets
        .iter()
        .map(|(name, secret)| {
            let text = String::from_utf8_lossy(secret.expose()).into_owned();
            (name.clone(), Value::String(text))
        })
        .collect::<Map<_, _>>()
        .into()
}

fn sample_secrets<'a>(names: impl Iterator<Item = &'a String>) -> Value {
    names
        .map(|name| (name.clone(), json!("a \"b\"")))
        .collect::<Map<_, _>>()
        .into()
}
