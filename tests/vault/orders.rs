//! What is asked, and what is made of the answer.

use std::time::{Duration, Instant};

use certbake::authority::Order;
use certbake::pki::{AltName, Certificate, KeyAlgorithm};
use serde_json::json;

use crate::fake::{Bench, Vault, answer, body, signed, with};
use crate::support::contract::{CANARY, PATIENCE, Protocol, order_of};

#[test]
fn an_order_is_one_request_with_everything_in_it() {
    let bench = Bench::new(|_, _| None);
    bench.issue().unwrap();
    assert_eq!(bench.asked(), ["POST /v1/pki/sign/app"]);
    let asked = &bench.server.asked()[0];
    assert_eq!(asked.header("x-vault-token"), Some(CANARY));
    assert_eq!(asked.header("x-vault-request"), Some("true"));
    assert_eq!(asked.header("x-vault-namespace"), None);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let mut body = body(asked);
    assert!(
        body["csr"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE REQUEST-----\n")
    );
    body["csr"] = "".into();
    let expected = json!({
        "csr": "", "format": "pem", "exclude_cn_from_sans": true,
        "common_name": "app", "alt_names": "app.internal", "ttl": "3600s",
    });
    assert_eq!(body, expected);
}

#[test]
fn names_go_to_the_fields_that_vault_has_for_them() {
    let bench = Bench::new(|_, _| None);
    let names = vec![
        AltName::dns("a.internal").unwrap(),
        AltName::email("ops@lab.internal").unwrap(),
        AltName::dns("b.internal").unwrap(),
        AltName::ip("192.0.2.7").unwrap(),
        AltName::ip("2001:db8::1").unwrap(),
        AltName::uri("spiffe://lab/app").unwrap(),
    ];
    let order = Order {
        ttl: None,
        ..order_of(KeyAlgorithm::EcdsaP256, None, names).1
    };
    bench.opened.authority.issue(&order).unwrap();
    let body = body(&bench.server.asked()[0]);
    assert_eq!(body["alt_names"], "a.internal,ops@lab.internal,b.internal");
    assert_eq!(body["ip_sans"], "192.0.2.7,2001:db8::1");
    assert_eq!(body["uri_sans"], "spiffe://lab/app");
    for absent in ["ttl", "common_name", "not_after"] {
        assert!(body.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn mount_issuer_and_namespace_stand_where_vault_looks_for_them() {
    let bench = Bench::with(
        |table, _| {
            table.insert("mount".into(), "/team/pki-int/".into());
            table.insert("issuer".into(), "next".into());
            table.insert("namespace".into(), "team/build/".into());
        },
        |_, _| None,
    );
    bench.issue().unwrap();
    assert_eq!(
        bench.asked(),
        ["POST /v1/team/pki-int/issuer/next/sign/app"]
    );
    let asked = &bench.server.asked()[0];
    assert_eq!(asked.header("x-vault-namespace"), Some("team/build"));
    let place = bench.opened.authority.place();
    assert!(
        place
            .place
            .ends_with("/v1/team/pki-int/issuer/next/sign/app"),
        "{}",
        place.place
    );
}

#[test]
fn the_chain_is_complete_once_and_without_its_root() {
    let bench = Bench::new(|_, _| None);
    let issued = bench.issue().unwrap();
    let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    assert_eq!(leaf.facts().common_name.as_deref(), Some("app"));
    // issuing_ca and ca_chain hold it both.
    assert_eq!(issued.certificates[1..], [bench.lab.issuing()]);
    assert_eq!(issued.anchors, [bench.lab.root()]);
    assert!(issued.findings.is_empty());
}

/// `ca_chain` as a mount answers into which the root was never imported.
#[test]
fn a_root_that_does_not_come_along_is_asked_for_where_none_is_pinned() {
    let script = |lab: &crate::support::Lab, asked: &crate::support::Asked| {
        if let Some(request) = Vault.ordered(asked) {
            return Some(answer(signed(&[lab.sign(&request), lab.issuing()])));
        }
        (asked.path == "/v1/pki/issuer/default/json")
            .then(|| answer(signed(&[lab.issuing(), lab.root()])))
    };
    let pinned = Bench::new(script);
    assert!(pinned.issue().unwrap().anchors.is_empty());
    assert_eq!(pinned.asked(), ["POST /v1/pki/sign/app"]);

    let lab = crate::support::Lab::new("Lab");
    let serving = lab.clone();
    let server = crate::support::FakeServer::http(move |asked| script(&serving, asked).unwrap());
    let url = format!("http://{}", server.address());
    let (_file, source) = crate::support::contract::credential();
    let table = toml::toml! {
        url = url
        role = "app"
        password = source
    };
    let opened = crate::support::contract::open("vault", table, &[]);
    let (_key, order) = crate::support::contract::order(PATIENCE);
    let issued = opened.authority.issue(&order).unwrap();
    assert_eq!(issued.anchors, [lab.root()]);
}

#[test]
fn what_vault_says_beside_the_certificate_is_handed_on() {
    let bench = Bench::new(|lab, asked| {
        let request = Vault.ordered(asked)?;
        Some(with(json!({
            "data": signed(&[lab.sign(&request), lab.issuing()]),
            "warnings": [
                "TTL \"720h0m0s\" is longer than permitted maxTTL \"72h0m0s\", so maxTTL is being used",
                "the common_name field was provided but the role is set with \"use_csr_common_name\" set to true",
                "this role is\r\n::error:: deprecated\u{1b}[2J",
                "TTL \"720h0m0s\" is longer than permitted maxTTL \"72h0m0s\", so maxTTL is being used",
            ],
        })))
    });
    let findings = bench.issue().unwrap().findings;
    let codes: Vec<_> = findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["lifetime-capped", "ca-said"]);
    assert!(findings[0].summary.contains("72h0m0s"));
    assert_eq!(
        findings[1].facts["said"],
        "this role is ::error:: deprecated [2J"
    );
    assert!(findings.iter().all(|f| !f.is_error() && !f.hint.is_empty()));
}

#[test]
fn several_orders_share_one_login() {
    let bench = Bench::with(
        |table, source| {
            let auth = toml::toml! { method = "userpass"
            username = "builder"
            password = source };
            table.insert("auth".into(), auth.into());
        },
        |_, asked| {
            (asked.path == "/v1/auth/userpass/login/builder").then(|| crate::fake::logged_in("t"))
        },
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.issue().unwrap());
        }
    });
    let asked = bench.asked();
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert!(
        bench.server.asked()[1..]
            .iter()
            .all(|it| it.header("x-vault-token") == Some("t"))
    );
}

#[test]
fn a_slow_vault_does_not_outlast_the_deadline() {
    let bench = Bench::new(|_, _| Some(crate::support::Reply::Stalled(Vec::new())));
    let started = Instant::now();
    let finding = bench.unreachable(Duration::from_secs(1));
    assert_eq!(finding.code.as_str(), "ca-timeout");
    assert!(started.elapsed() < Duration::from_secs(5));
}
