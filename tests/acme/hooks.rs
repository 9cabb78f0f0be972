//! Proofs by a program that makes records.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use certbake::authority::Depth;
use serde_json::json;

use crate::fake::{Ca, proving, settings_error, unreachable};
use crate::support::contract::{PATIENCE, order};

fn script(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("hook");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

fn by_hook(program: &str, timeout: &str) -> toml::Table {
    toml::toml! {
        challenge = "dns-01"
        dns_hook = [program, "--zone", "a b"]
        dns_hook_timeout = timeout
    }
}

fn ca() -> Ca {
    Ca::new(proving(&["dns-01"], json!({ "status": "invalid" })))
}

fn log(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("log")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn it_is_called_with_the_record_and_called_again_to_clean_up_whatever_came() {
    let (directory, program) = script(
        r#"printf '%s|' "$@" "$CERTBAKE_ACME_ACTION" "$CERTBAKE_ACME_DOMAIN" "$CERTBAKE_ACME_RECORD" "$CERTBAKE_ACME_VALUE" >> "${0%/*}/log"
echo >> "${0%/*}/log""#,
    );
    assert!(ca().issue(by_hook(&program, "5s")).is_err());
    let log = log(directory.path());
    let made = "--zone|a b|present|app.internal|_acme-challenge.app.internal|";
    assert!(log[0].starts_with(made), "{log:?}");
    let words: Vec<&str> = log[0].split('|').collect();
    assert_eq!(words[2..6], words[6..10]);
    // SHA-256 in base64url.
    assert_eq!(words[5].len(), 43);
    assert_eq!(log[1], log[0].replace("present", "cleanup"));
    assert_eq!(log.len(), 2);
}

#[test]
fn one_that_fails_is_told_in_its_own_words_and_the_ca_is_not_asked_to_look() {
    for (text, words) in [
        (
            "echo 'no such zone' >&2; exit 3",
            "exit status: 3: no such zone",
        ),
        ("kill -9 $$", "signal: 9"),
        ("sleep 60", "did not end in time"),
    ] {
        let (_directory, program) = script(&format!("[ \"$3\" = cleanup ] || {{ {text}; }}"));
        let ca = ca();
        let started = Instant::now();
        let finding = unreachable(ca.issue(by_hook(&program, "1s")));
        assert_eq!(finding.code.as_str(), "acme-hook-failed");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(ca.asked_for("/challenge/dns-01").is_empty());
    }
}

#[test]
fn one_that_cannot_be_run_is_known_before_the_order() {
    let (directory, program) = script("");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let folder = directory.path().to_str().unwrap();
    for (program, reason) in [
        ("/nowhere/hook", "there is no such program"),
        ("no-such-hook", "there is no such program in PATH"),
        (&program, "it is not executable"),
        (folder, "it is not executable"),
    ] {
        let ca = ca();
        let opened = ca.open(by_hook(program, "1s"));
        let findings = opened.preflight.unwrap();
        let findings = findings
            .preflight(&order(PATIENCE).1, Depth::Whole)
            .unwrap();
        let finding = findings
            .iter()
            .find(|f| f.code.as_str() == "acme-hook-failed")
            .unwrap();
        assert_eq!(finding.summary, format!("{program}: {reason}"));
        let finding = settings_error(opened.authority.issue(&order(PATIENCE).1));
        let reason = format!("it could not be started: {reason}");
        assert!(finding.summary.ends_with(&reason), "{}", finding.summary);
    }
}
