//! What an order is made of, and its course.

use std::time::{Duration, Instant};

use certbake::authority::AuthorityError;
use serde_json::{Value, json};

use crate::fake::{
    Acme, Ca, json_reply, none, order_in, part, payload, problem, refused, unreachable,
};
use crate::support::Lab;
use crate::support::contract::{PATIENCE, Protocol, Run};

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

    let ca = Ca::new(|asked| (asked.path == "/order").then(|| problem(400, "badNonce", "stale")));
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

/// As Vault says it.
#[test]
fn a_ca_that_takes_no_lifetime_is_told_with_the_setting_that_asks_for_one() {
    let words = "NotBefore and NotAfter are not supported";
    let ca =
        Ca::new(move |asked| (asked.path == "/order").then(|| problem(400, "malformed", words)));
    let finding = refused(ca.issue(toml::toml! { ask_lifetime = true }));
    assert!(
        finding.hint.ends_with("leave out ask_lifetime"),
        "{}",
        finding.hint
    );
    let finding = refused(ca.issue(none()));
    assert!(!finding.hint.contains("ask_lifetime"), "{}", finding.hint);
}

/// RFC 8555 section 7.4 does not say how soon it is called processing.
#[test]
fn an_order_that_is_called_ready_once_more_is_waited_for() {
    let mut looked = 0;
    let mut valid = None;
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let ca = Ca::of(lab, move |asked| match asked.path.as_str() {
        "/finalize/1" => {
            let request = Acme.ordered(asked).unwrap();
            valid = Some(Acme.issued(&[serving.sign(&request), serving.issuing()]));
            Some(json_reply(200, &order_in("ready", "")))
        }
        "/order/1" => {
            looked += 1;
            let order = json_reply(200, &order_in("ready", ""));
            valid.clone().filter(|_| looked > 2).or(Some(order))
        }
        _ => None,
    });
    ca.issue(none()).unwrap();
    assert_eq!(ca.asked_for("/finalize/1").len(), 1);
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
