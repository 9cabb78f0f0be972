//! How the program ends, and when it has to.

use std::path::Path;
use std::time::{Duration, Instant};

use certbake::authority::Depth;

use crate::support::contract::{PATIENCE, order, told};
use crate::workshop::{
    ASK, Workshop, leaf, refused, unreachable, unusable, write_script, wrong_settings,
};

#[test]
fn one_is_a_refusal_in_the_last_words_of_standard_error() {
    let shop = Workshop::new(
        "for i in 1 2 3 4 5 6 7; do echo noise $i >&2; done\n\
         printf 'no such\\r\\nbuilder\\033[2J\\n\\n' >&2\nexit 1",
    );
    let finding = refused(shop.fails(PATIENCE));
    assert_eq!(finding.code.as_str(), "ca-refused");
    assert!(
        finding
            .summary
            .ends_with("sign refused: noise 6 noise 7 no such builder [2J"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("standard error"), "{}", finding.hint);
}

#[test]
fn a_refusal_without_words_says_that_there_are_none() {
    let finding = refused(Workshop::new("exit 1").fails(PATIENCE));
    assert!(finding.hint.contains("wrote nothing"), "{}", finding.hint);
}

#[test]
fn two_and_three_are_run_again_with_the_same_request() {
    for status in [2, 3] {
        let shop = Workshop::new(&format!(
            "cat >request.$CERTBAKE_ATTEMPT\n\
             [ $CERTBAKE_ATTEMPT -gt 2 ] || exit {status}\n\
             {{ {ASK}; }} <request.$CERTBAKE_ATTEMPT"
        ));
        let (key, issued) = shop.issue(PATIENCE);
        assert_eq!(leaf(&issued.unwrap()).facts().spki, key.spki());
        assert_eq!(shop.read("request.1"), shop.read("request.3"));
        assert!(!Path::new(&shop.path("request.4")).exists());
    }
}

#[test]
fn two_to_the_end_is_a_busy_authority() {
    let started = Instant::now();
    let shop = Workshop::new("echo x >>runs; echo the token is in use >&2; exit 2");
    let finding = unreachable(shop.fails(Duration::from_secs(2)));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(finding.code.as_str(), "ca-busy");
    assert!(finding.summary.ends_with("the token is in use"));
    assert!(shop.read("runs").len() > 2);
}

#[test]
fn three_to_the_end_is_a_pending_request() {
    told();
    let shop = Workshop::new("echo request 17 waits for approval >&2; exit 3");
    let finding = unreachable(shop.fails(Duration::from_secs(1)));
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert!(finding.summary.ends_with("request 17 waits for approval"));
    assert_eq!(finding.facts["runs"], 2);
    assert_eq!(told(), ["it is pending"]);
}

#[test]
fn any_other_status_is_told_as_it_is() {
    let finding = unusable(Workshop::new("echo oops >&2; exit 7").fails(PATIENCE));
    assert_eq!(finding.code.as_str(), "ca-program-failed");
    assert!(
        finding.summary.contains("exit status 7") && finding.summary.ends_with("oops"),
        "{}",
        finding.summary
    );
    let finding = unusable(Workshop::new("certbake-no-such-tool").fails(PATIENCE));
    assert_eq!(finding.facts["exit_status"], 127);
    assert!(finding.hint.contains("PATH"), "{}", finding.hint);
}

#[test]
fn a_program_that_is_killed_may_be_tried_again_by_a_later_run() {
    for (signal, name) in [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV")] {
        let shop = Workshop::new(&format!("echo x >>runs; kill -{signal} $$"));
        let finding = unreachable(shop.fails(PATIENCE));
        assert_eq!(finding.code.as_str(), "ca-program-failed");
        assert!(finding.summary.ends_with(name), "{}", finding.summary);
        assert_eq!(shop.read("runs"), "x\n");
    }
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let started = Instant::now();
    let shop = Workshop::new("echo asking the HSM >&2\n(sleep 2; touch alive) &\nsleep 60");
    let finding = unreachable(shop.fails(Duration::from_millis(500)));
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(finding.code.as_str(), "ca-program-timeout");
    assert!(
        finding.summary.ends_with("asking the HSM"),
        "{}",
        finding.summary
    );
    std::thread::sleep(Duration::from_millis(2200));
    assert!(!Path::new(&shop.path("alive")).exists());
}

#[test]
fn the_timeout_of_one_run_is_kept_too_and_it_is_not_run_again() {
    let shop = Workshop::new("echo x >>runs; sleep 60");
    let opened = shop.open_with(|table| {
        table.insert("timeout".to_owned(), "1s".into());
    });
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert_eq!(unreachable(error).code.as_str(), "ca-program-timeout");
    assert_eq!(shop.read("runs"), "x\n");
}

#[test]
fn what_cannot_be_started_is_a_matter_of_settings() {
    let shop = Workshop::new("exit 0");
    let plain = shop.path("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    let lost = shop.path("lost");
    write_script(Path::new(&lost), "");
    std::fs::write(&lost, "#!/no/such/interpreter\n").unwrap();
    let folder = shop.path("");
    for (program, words) in [
        ("./missing", "no such program"),
        ("certbake-no-such-tool", "PATH"),
        (plain.as_str(), "is not executable"),
        (lost.as_str(), "no such program"),
        (folder.as_str(), "is not executable"),
    ] {
        let opened = shop.open_with(|table| {
            table.insert("command".to_owned(), vec![program].into());
        });
        let (_key, order) = order(PATIENCE);
        let finding = wrong_settings(opened.authority.issue(&order).unwrap_err());
        assert_eq!(finding.code.as_str(), "ca-program-not-started");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        let seen_before = opened.preflight.unwrap().preflight(&order, Depth::Order);
        // That an interpreter is missing, only the kernel says.
        assert_eq!(seen_before.is_err(), program != lost, "{program}");
    }
}
