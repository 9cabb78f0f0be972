//! How control of the names is proven to Pebble.

use std::fs;
use std::path::PathBuf;

use super::{at_pebble, http_01, issued, names_of, refused};
use crate::servers::free_port;
use crate::servers::pebble::{Options, Pebble};

#[test]
fn pebble_signs_for_names_and_addresses_proven_by_http_01() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    let (_, chain, findings) = issued(&opened, &["app.example", "127.0.0.1", "db.example"]);
    assert_eq!(
        names_of(&chain.leaf),
        ["dns:app.example", "dns:db.example", "ip:127.0.0.1"]
    );
    assert_eq!((chain.intermediates.len(), findings.len()), (1, 0));
}

#[test]
fn pebble_signs_for_names_and_addresses_proven_by_tls_alpn_01() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let listen = format!("127.0.0.1:{}", pebble.tls_port);
    let settings = toml::toml! {
        challenge = "tls-alpn-01"
        listen = listen
    };
    let (_, chain, _) = issued(&at_pebble(&pebble, settings), &["app.example", "127.0.0.1"]);
    assert_eq!(names_of(&chain.leaf), ["dns:app.example", "ip:127.0.0.1"]);
}

/// A hook that hands the record to Pebble's name server.
fn hook(pebble: &Pebble) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = pebble.directory().join("hook");
    let text = format!(
        "#!/bin/sh\nset -eu\ncase $1 in\n\
         present) curl -fsS -d \"{{\\\"host\\\":\\\"$3.\\\",\\\"value\\\":\\\"$4\\\"}}\" {0}/set-txt ;;\n\
         cleanup) curl -fsS -d \"{{\\\"host\\\":\\\"$3.\\\"}}\" {0}/clear-txt ;;\nesac\n",
        pebble.names.management
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn pebble_signs_for_a_wildcard_proven_by_a_dns_hook() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let hook = hook(&pebble);
    let hook = hook.to_str().unwrap();
    let settings = toml::toml! {
        challenge = "dns-01"
        dns_hook = [hook]
    };
    let (_, chain, findings) = issued(&at_pebble(&pebble, settings), &["*.app.example"]);
    assert_eq!(names_of(&chain.leaf), ["dns:*.app.example"]);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_proof_that_pebble_does_not_find_is_told_with_what_it_saw() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let wrong_port = toml::toml! { listen = listen };
    let finding = refused(&at_pebble(&pebble, wrong_port), &["app.example"]);
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert!(
        finding.summary.contains("app.example by http-01"),
        "{}",
        finding.summary
    );
    assert!(
        finding.summary.contains("connection refused"),
        "{}",
        finding.summary
    );
    assert_eq!(finding.facts["ca_came_here"], false);
    assert!(finding.hint.contains("port 80"), "{}", finding.hint);

    let hook = "/bin/true";
    let nothing_made = toml::toml! {
        challenge = "dns-01"
        dns_hook = [hook]
    };
    let finding = refused(&at_pebble(&pebble, nothing_made), &["db.example"]);
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert!(finding.summary.contains("TXT"), "{}", finding.summary);
}
