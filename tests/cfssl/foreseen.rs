//! What is seen before anything is ordered.

use std::time::Duration;

use certbake::authority::Depth;
use certbake::finding::Finding;

use crate::fake::{
    Cfssl, KEY, body, failure, info, key_file, lab_with, sign, without_key, wrapped,
};
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

/// `cfssl serve` looks for a key before it reads the CSR.
#[test]
fn without_a_key_the_whole_look_tries_whether_one_is_wanted() {
    for (reply, code) in [
        (
            failure(400, 400, "authentication required"),
            Some("ca-login-refused"),
        ),
        (failure(400, 9002, "CSR Decode failed"), None),
        (failure(404, 404, "no such page"), Some("ca-refused")),
    ] {
        let (_lab, server, opened) = lab_with(
            move |lab, asked| match asked.path.as_str() {
                "/api/v1/cfssl/sign" => reply.clone(),
                _ => Cfssl.aside(lab, asked),
            },
            without_key,
        );
        let preflight = opened.preflight.unwrap();
        let looked = preflight.preflight(&order(PATIENCE).1, Depth::Whole);
        let asked = body(server.asked().last().unwrap());
        assert_eq!(asked["certificate_request"], "none");
        match looked {
            Ok(findings) => {
                assert_eq!(code, None);
                let answers = findings.last().unwrap();
                let looked_at = answers.facts["looked_at"].to_string();
                assert!(looked_at.contains("\"login\""), "{looked_at}");
            }
            Err(error) => assert_eq!(Some(error.into_finding().code.as_str()), code),
        }
    }
}

/// The clock was told two seconds before the look was over: it has gone on meanwhile.
#[test]
fn a_slow_look_is_no_difference_of_clocks() {
    let (_lab, _server, opened) = lab_with(
        |lab, asked| {
            if asked.path == "/api/v1/cfssl/authsign" {
                std::thread::sleep(Duration::from_secs(2));
            }
            Cfssl
                .aside(lab, asked)
                .header("date", "Thu, 26 Nov 2026 12:00:00 GMT")
        },
        |_| {},
    );
    let preflight = opened.preflight.unwrap();
    let findings = preflight
        .preflight(&order(PATIENCE).1, Depth::Whole)
        .unwrap();
    let clock = findings[0].facts["authority_clock"].as_str().unwrap();
    assert!(clock >= "2026-11-26T12:00:02", "{clock}");
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
