//! Which checks were made, and which were not and why.

use std::fs;

use serde_json::Value;

use crate::support::{Desk, check};

/// Runs `check --cert` and gives back the codes of the checks that were not made, after holding JUnit
/// against the report: a case for every check, skipped with the reason where it was not made.
fn skipped(desk: &Desk, arguments: &[&str]) -> Vec<String> {
    let file = desk.path("junit.xml");
    let report = format!("junit={file}");
    let run = check(&[arguments, &["--report", &report]].concat()).ends(0);
    let identity = &run.report["identities"][0];
    let codes = |key: &str| identity[key].as_array().cloned().unwrap_or_default();
    let (made, not_made) = (codes("checks"), codes("checks_not_made"));
    assert_eq!(made.len() + not_made.len(), certbake::verify::CHECKS.len());
    let xml = fs::read_to_string(file).unwrap();
    let case = |code: &Value| {
        let name = format!("name=\"{}\"", code.as_str().unwrap());
        let line = xml.lines().find(|line| line.contains(&name));
        line.unwrap_or_else(|| panic!("{name} is missing: {xml}"))
    };
    for code in &made {
        assert!(!case(code).contains("<skipped"), "{}", case(code));
    }
    for check in &not_made {
        let reason = check["reason"].as_str().unwrap();
        let why = format!("<skipped message=\"{reason}\"/>");
        let line = case(&check["code"]);
        assert!(line.contains(&why), "{line}");
    }
    let code = |check: &Value| check["code"].as_str().unwrap().to_owned();
    not_made.iter().map(code).collect()
}

/// What an order alone can be held against.
const OF_ORDERS: &[&str] = &[
    "lifetime-shortened",
    "lifetime-too-long",
    "clock-offset",
    "names-missing",
    "names-unexpected",
];

#[test]
fn a_check_that_was_not_made_is_never_reported_as_passed() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let all = skipped(&desk, &["--cert", &cert]);
    for code in OF_ORDERS.iter().chain(&[
        "key-mismatch",
        "window-below-floor",
        "name-mismatch",
        "leaf-is-ca",
        "usage-missing",
        "revoked",
        "revocation-unknown",
        "chain-incomplete",
        "chain-untrusted",
        "chain-too-long",
        "not-conforming",
        "not-baseline",
    ]) {
        assert!(all.iter().any(|it| it == code), "{code} passed: {all:?}");
    }
}

#[test]
fn a_check_is_made_where_what_it_needs_is_given() {
    let desk = Desk::new();
    let (cert, anchors, key) = desk.credential(&desk.issuing.leaf());
    let files = ["--cert", &cert, "--anchors", &anchors, "--key", &key];
    let demands = "--usage client --name app.internal --max-depth 2 --min-validity 1d";
    let demands: Vec<&str> = demands.split(' ').collect();
    let left = [
        OF_ORDERS,
        &["revoked", "revocation-unknown", "not-baseline"],
    ]
    .concat();
    assert_eq!(skipped(&desk, &[&files[..], &demands].concat()), left);
}

#[test]
fn an_expired_certificate_leaves_unsaid_what_nobody_could_look_at() {
    let desk = Desk::new();
    let (cert, anchors, _) = desk.credential(&desk.expired());
    let files = ["--cert", &cert, "--anchors", &anchors];
    let run = check(&[&files[..], &["--min-validity", "1d"]].concat()).ends(3);
    assert_eq!(run.findings(), ["expired app.crt"]);
    let made = run.report["identities"][0]["checks"].to_string();
    assert!(made.contains("\"expired\""), "{made}");
    for code in ["chain-untrusted", "window-below-floor"] {
        assert!(!made.contains(code), "{code} passed: {made}");
    }
}
