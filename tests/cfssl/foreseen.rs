//! What is seen before anything is ordered.

use certbake::authority::Depth;
use certbake::finding::Finding;

use crate::fake::{Cfssl, KEY, failure, info, key_file, lab_with, sign, wrapped};
use crate::support::contract::{PATIENCE, Protocol, open, order};
use crate::support::{FakeServer, Lab};

fn findings(
    usages: &'static [&'static str],
    expiry: &'static str,
    ttl: &str,
    depth: Depth,
) -> Vec<Finding> {
    let (_lab, _server, opened) = lab_with(
        move |lab, asked| match asked.path.as_str() {
            "/api/v1/cfssl/info" => info(lab, usages, expiry),
            _ => Cfssl.aside(lab, asked),
        },
        |_| {},
    );
    let (_key, mut order) = order(PATIENCE);
    order.ttl = Some(ttl.parse().unwrap());
    opened.preflight.unwrap().preflight(&order, depth).unwrap()
}

#[test]
fn a_profile_that_is_shorter_or_for_servers_is_seen_before_the_order() {
    let [capped] = &findings(&["client auth"], "24h", "48h", Depth::Order)[..] else {
        panic!();
    };
    assert_eq!(capped.code.as_str(), "lifetime-capped");
    assert_eq!(capped.facts["max_ttl_seconds"], 86400);
    let [usage] = &findings(&["server auth"], "72h", "48h", Depth::Order)[..] else {
        panic!();
    };
    assert_eq!(usage.code.as_str(), "usage-missing");
    assert!(usage.is_error());
    assert_eq!(findings(&["client auth"], "72h", "48h", Depth::Order), []);
    // The lab's CA ends in 30 days.
    let [ends] = &findings(&["client auth"], "8760h", "60d", Depth::Order)[..] else {
        panic!();
    };
    assert_eq!(ends.code.as_str(), "ca-ends-first");
}

#[test]
fn the_whole_look_tries_the_key_without_having_anything_signed() {
    let [answers] = &findings(&["client auth"], "72h", "48h", Depth::Whole)[..] else {
        panic!();
    };
    assert_eq!(answers.code.as_str(), "ca-answers");
    let (_lab, server, opened) = lab_with(
        |lab, asked| match asked.path.as_str() {
            "/api/v1/cfssl/authsign" => failure(400, 400, "invalid token"),
            _ => Cfssl.aside(lab, asked),
        },
        |_| {},
    );
    let (_key, order) = order(PATIENCE);
    let preflight = opened.preflight.unwrap();
    assert!(preflight.preflight(&order, Depth::Order).is_ok());
    let error = preflight.preflight(&order, Depth::Whole).unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "ca-login-refused");
    let asked = server.asked();
    assert_eq!(wrapped(asked.last().unwrap())["certificate_request"], "");
}

#[test]
fn plain_http_on_loopback_is_not_told_to_be_overheard() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::http(move |asked| match Cfssl.ordered(asked) {
        Some(request) => sign(&serving, &request),
        None => Cfssl.aside(&serving, asked),
    });
    let url = format!("http://{}", server.address());
    let table = toml::toml! { url = url };
    let opened = open("cfssl", table, &lab.anchors());
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    let codes: Vec<_> = issued.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["cfssl-open"]);
}

/// A proxy that answers itself stands for the way to a host which is not loopback.
#[test]
fn plain_http_to_another_host_is_told_to_be_replayable() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let proxy = FakeServer::http(move |asked| {
        let mut asked = asked.clone();
        asked.path = asked.path.replace("http://ca.example:8888", "");
        match Cfssl.ordered(&asked) {
            Some(request) => sign(&serving, &request),
            None => Cfssl.aside(&serving, &asked),
        }
    });
    let (through, key) = (format!("http://{}", proxy.address()), key_file(KEY));
    let table = toml::toml! {
        url = "http://ca.example:8888"
        proxy = through
        key = key
        danger_plain_http = true
    };
    let opened = open("cfssl", table, &lab.anchors());
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    let codes: Vec<_> = issued.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["cfssl-replayable"]);
}
