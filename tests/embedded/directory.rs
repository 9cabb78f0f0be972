//! The directory of a CA: its log, its keys, its making and its end.

use std::fs;
use std::process::Command;

use certbake::authority::embedded::{CaDirectory, CaError, IssueError, NewCa, Terms};
use certbake::pki::path::validate;
use certbake::pki::{Anchors, Usage};
use certbake::span::Span;

use crate::support::{NOW, TERMS, key, leaf, new_ca, open, order, received, request};

#[test]
fn a_certificate_that_cannot_be_logged_is_not_issued() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    fs::remove_file(ca.log().path()).unwrap();
    fs::create_dir(ca.log().path()).unwrap();
    let error = ca.issue(&received(request(&key()).der()), &TERMS);
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with("writing to the log of issued certificates: "),
        "{text}"
    );
}

#[test]
fn a_line_that_a_killed_run_left_half_written_spoils_no_other() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let request = received(request(&key()).der());
    let first = ca.issue(&request, &TERMS).unwrap().certificate;
    let text = fs::read_to_string(ca.log().path()).unwrap();
    fs::write(ca.log().path(), format!("{text}{}", &text[..40])).unwrap();
    let second = ca.issue(&request, &TERMS).unwrap().certificate;
    let log = ca.log().read().unwrap();
    let serials: Vec<&str> = log.entries.iter().map(|e| e.serial.as_str()).collect();
    assert_eq!(serials, [&first.facts().serial, &second.facts().serial]);
    assert_eq!(log.unreadable, 1);
    let directory = ca.log().path().parent().unwrap();
    let shown = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(["ca", "issue-log", "--ca-dir"])
        .arg(directory)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("\nunreadable lines: 1; what they recorded is unknown"),
        "{shown}"
    );
}

#[test]
fn ten_orders_at_once_get_ten_serials_and_ten_lines() {
    let above = tempfile::tempdir().unwrap();
    let opened = open(&above.path().join("ca"), "");
    let mut serials: Vec<String> = std::thread::scope(|scope| {
        let orders: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let key = key();
                    let issued = opened.authority.issue(&order(&key, None)).unwrap();
                    leaf(&issued, key).facts().serial.clone()
                })
            })
            .collect();
        orders.into_iter().map(|o| o.join().unwrap()).collect()
    });
    let log = new_ca(&above).log().read().unwrap();
    let mut logged: Vec<String> = log.entries.into_iter().map(|e| e.serial).collect();
    serials.sort();
    logged.sort();
    assert_eq!(serials, logged);
    logged.dedup();
    assert_eq!(logged.len(), 10);
}

#[test]
fn a_ca_is_not_made_among_other_peoples_files() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("passwd"), "").unwrap();
    let error = CaDirectory::make(above.path(), &NewCa::default(), NOW).unwrap_err();
    assert!(matches!(&error, CaError::Foreign { found, .. } if found == "passwd"));
    assert_eq!(fs::read_dir(above.path()).unwrap().count(), 1);
}

#[test]
fn the_root_key_may_be_kept_elsewhere_until_the_intermediate_is_renewed() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let before = new_ca(&above);
    let request = received(request(&key()).der());
    let old = before.issue(&request, &TERMS).unwrap().certificate;
    let offline = above.path().join("root.key");
    fs::rename(dir.join("keys/root.key"), &offline).unwrap();
    assert!(!before.root_key_is_here());
    before.issue(&request, &TERMS).unwrap();

    fs::remove_file(dir.join("intermediate.pem")).unwrap();
    let error = CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap_err();
    assert!(error.to_string().ends_with("the keys/root.key to make one"));

    fs::rename(&offline, dir.join("keys/root.key")).unwrap();
    let renewed_at = NOW + time::Duration::days(1000);
    assert!(CaDirectory::make(&dir, &NewCa::default(), renewed_at).unwrap());
    let after = CaDirectory::open(&dir).unwrap();
    assert_eq!(after.root(), before.root());
    assert_eq!(
        after.intermediate().facts().subject,
        before.intermediate().facts().subject
    );
    let gained = after.intermediate().window().not_after - before.intermediate().window().not_after;
    assert_eq!(gained, time::Duration::days(1000));
    // The same key signs: what was issued before leads to the root as before.
    let anchors = Anchors::new(vec![after.root().clone()]);
    for intermediate in [before.intermediate(), after.intermediate()] {
        let at = renewed_at - time::Duration::days(1000);
        let at = at.max(intermediate.window().not_before);
        let leaf = if at == NOW {
            &old
        } else {
            &after
                .issue(&request, &Terms { now: at, ..TERMS })
                .unwrap()
                .certificate
        };
        validate(
            leaf,
            std::slice::from_ref(intermediate),
            &anchors,
            at,
            Usage::Client,
        )
        .unwrap();
    }
}

#[test]
fn an_ended_intermediate_refuses_and_says_when_it_ended() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let terms = Terms {
        now: NOW + time::Duration::days(1825),
        ..TERMS
    };
    let error = ca.issue(&received(request(&key()).der()), &terms);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the CA's intermediate expired at 2031-05-31T12:00:00Z"
    );
}

#[test]
fn nobody_is_sent_to_renew_an_intermediate_that_ends_with_its_root() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let new = NewCa {
        root_lifetime: Some(Span::seconds(10 * 86_400)),
        ..NewCa::default()
    };
    CaDirectory::make(&dir, &new, NOW).unwrap();
    let ca = CaDirectory::open(&dir).unwrap();
    let request = received(request(&key()).der());
    let longer = Terms {
        ttl: Span::seconds(30 * 86_400),
        max_ttl: Span::seconds(30 * 86_400),
        ..TERMS
    };
    let granted = ca.issue(&request, &longer).unwrap();
    let shortened = &granted.findings[0];
    assert!(
        shortened
            .summary
            .ends_with("expires then, and so does its root")
    );
    assert!(
        shortened.hint.starts_with("make a new CA"),
        "{}",
        shortened.hint
    );

    // Nor is one made that is over before it begins.
    let later = NOW + time::Duration::days(11);
    let terms = Terms {
        now: later,
        ..TERMS
    };
    let error = ca.issue(&request, &terms).unwrap_err();
    assert!(matches!(error, IssueError::IntermediateEnded { hint, .. } if hint == shortened.hint));
    fs::remove_file(dir.join("intermediate.pem")).unwrap();
    let error = CaDirectory::make(&dir, &new, later).unwrap_err();
    assert!(matches!(error, CaError::RootEnded { .. }), "{error}");
    assert!(error.finding().hint.starts_with("make a new CA"));
    assert!(!dir.join("intermediate.pem").exists());
}

/// What the binary says of the CA in `dir`, on one line.
fn said(dir: &std::path::Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(words)
        .arg("--ca-dir")
        .arg(dir)
        .env("EST_PASSWORD", "xyzzy")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_ended_intermediate_is_shown_with_its_cure_and_so_is_a_server_that_cannot_start() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let long_ago = time::macros::datetime!(2001-01-01 0:00 UTC);
    for (days, cure) in [
        (
            36_500,
            "renew the intermediate: `certbake docs embedded` says how",
        ),
        (10, "make a new CA in another directory"),
    ] {
        let new = NewCa {
            root_lifetime: Some(Span::seconds(days * 86_400)),
            ..NewCa::default()
        };
        CaDirectory::make(&dir, &new, long_ago).unwrap();
        let shown = said(&dir, &["ca", "show"]);
        let told = format!("nothing can be issued: {cure}");
        assert!(shown.contains(&told), "{shown}");
        let json = said(&dir, &["ca", "show", "--report", "json"]);
        assert!(json.contains(&format!("\"renewal\": \"{cure}")), "{json}");
        let login = ["--user", "bob", "--password", "env:EST_PASSWORD"];
        let serve = [&["ca", "serve", "--listen", "127.0.0.1:0"], &login[..]].concat();
        let refused = said(&dir, &serve);
        assert!(refused.contains(cure), "{refused}");
        fs::remove_dir_all(&dir).unwrap();
    }
    CaDirectory::make(&dir, &NewCa::default(), time::OffsetDateTime::now_utc()).unwrap();
    let shown = said(&dir, &["ca", "show"]);
    assert!(!shown.contains("nothing can be issued"), "{shown}");
}

#[test]
fn a_key_of_another_ca_is_not_called_missing() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let text = certbake::pki::pem::encode("PRIVATE KEY", key().expose_pkcs8());
    fs::write(dir.join("keys/intermediate.key"), text).unwrap();
    let shown = said(&dir, &["ca", "show"]);
    for words in [
        "that is not the key of its intermediate.pem",
        "restore the file from a copy",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}
