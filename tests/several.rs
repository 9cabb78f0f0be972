//! Several authorities for one identity: the first that answers issues, and one that says no is not
//! passed over.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use built::{Lab, answering, closed, codes, silent};

fn config(first: SocketAddr, more: &str) -> String {
    format!(
        r#"
[ca.first]
kind = "est"
url = "http://{first}"
[ca.second]
kind = "embedded"
dir = "ca"
[identity.app]
ca = ["first", "second"]
common_name = "app"
placements.combined = "/app.pem"
{more}
"#
    )
}

#[test]
fn an_authority_that_is_down_is_passed_over_and_the_report_says_who_answered() {
    let lab = Lab::with_ca(&config(closed(), ""));
    let report = lab.run(&["provision"], 0);
    assert_eq!(codes(&report), ["ca-passed-over"]);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["facts"]["passed_over"], "first");
    assert_eq!(finding["facts"]["because"], "ca-unreachable");
    assert_eq!(report["identities"][0]["authority"]["name"], "second");
    let record = std::fs::read(lab.path("rootfs/var/lib/certbake/app.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["authority"]["name"], "second");
    assert_eq!(record["authority"]["kind"], "embedded");
}

#[test]
fn an_authority_that_hangs_leaves_the_others_their_share_of_the_deadline() {
    let lab = Lab::with_ca(&config(silent(), "deadline = \"8s\""));
    let begun = Instant::now();
    let report = lab.run(&["provision"], 0);
    let took = begun.elapsed();
    assert_eq!(codes(&report), ["ca-passed-over"]);
    assert!(took < Duration::from_millis(7500), "{took:?}: not its half");
    assert!(
        took > Duration::from_millis(3500),
        "{took:?}: it did not wait"
    );
}

/// By the clock of the run's start the certificate would end early by what the first one cost.
#[test]
fn a_lifetime_counts_from_the_order_however_long_another_was_waited_for() {
    let lab = Lab::with_ca(&config(silent(), "deadline = \"4s\"\nttl = \"1h\""));
    let begun = OffsetDateTime::now_utc();
    let report = lab.run(&["provision"], 0);
    let end = report["identities"][0]["window"]["not_after"].as_str();
    let end = OffsetDateTime::parse(end.unwrap(), &Rfc3339).unwrap();
    let later = end - begun - Duration::from_secs(3600);
    assert!(later > Duration::from_millis(500), "{later}");
}

#[test]
fn an_authority_that_says_no_is_not_passed_over() {
    let lab = Lab::new(&config(answering(403), ""));
    let report = lab.run(&["provision"], 5);
    assert_eq!(codes(&report), ["ca-login-refused"]);
    assert_eq!(report["identities"][0]["authority"]["name"], "first");
    assert!(
        !lab.path("ca").exists(),
        "the second was asked all the same"
    );
}

#[test]
fn when_none_answers_every_one_of_them_is_named() {
    let text = config(closed(), "").replace(
        "kind = \"embedded\"\ndir = \"ca\"",
        &format!("kind = \"est\"\nurl = \"http://{}\"", closed()),
    );
    let lab = Lab::new(&text);
    let report = lab.run(&["provision"], 6);
    assert_eq!(codes(&report), ["ca-passed-over", "ca-unreachable"]);
    assert_eq!(report["identities"][0]["authority"]["name"], "second");
}

#[test]
fn the_order_may_be_given_on_the_command_line() {
    let lab = Lab::with_ca(&config(closed(), ""));
    let all = ["provision", "--config", "certbake.toml"];
    let report = lab.run(&[&all[..], &["--ca", "second,first"]].concat(), 0);
    assert_eq!(codes(&report), Vec::<&str>::new());
    let report = lab.run(
        &[&all[..], &["--ca", "first", "--ca", "second"]].concat(),
        0,
    );
    assert_eq!(codes(&report), ["ca-passed-over"]);
}

#[test]
fn names_that_cannot_be_used_are_told_with_their_line() {
    let text = config(closed(), "");
    for (names, words) in [
        (r#"["first", "first"]"#, "given twice"),
        (
            r#"["first", "secnd"]"#,
            "neither a [ca.secnd] table nor a kind",
        ),
        ("[]", "the list of CAs is empty"),
        ("7", "a list of such names"),
    ] {
        let lab = Lab::new(&text.replace(r#"["first", "second"]"#, names));
        let report = lab.run(&["provision"], 2);
        let finding = &report["findings"][0];
        assert_eq!(finding["line"], 9, "{finding}");
        assert_eq!(finding["file"], "certbake.toml", "{finding}");
        assert!(
            finding["summary"].as_str().unwrap().contains(words),
            "{finding}"
        );
    }
    let lab = Lab::new(&text);
    let flags = [
        "provision",
        "--config",
        "certbake.toml",
        "--ca-url",
        "http://127.0.0.1:1",
    ];
    let report = lab.run(&flags, 2);
    assert!(
        report["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .starts_with("--ca-url: describes one")
    );
}

#[test]
fn a_dry_run_looks_at_all_of_them() {
    let lab = Lab::with_ca(&config(closed(), ""));
    let report = lab.run(&["provision", "--dry-run"], 0);
    let [down, answers, dry] = &codes(&report)[..] else {
        panic!("{report}");
    };
    assert_eq!(
        [*down, *answers, *dry],
        ["ca-unreachable", "ca-answers", "dry-run"]
    );
    assert_eq!(
        report["findings"][0]["severity"], "warning",
        "the second would be asked"
    );
    assert_eq!(report["findings"][0]["facts"]["authority"], "first");
    assert_eq!(report["findings"][1]["summary"], "second: the CA answers");
    assert_eq!(report["identities"][0]["authority"]["name"], "second");
    // In front of one that answers, a refusal would end the run.
    let lab = Lab::with_ca(&config(answering(403), ""));
    lab.run(&["provision", "--dry-run"], 5);
    // Behind one that answers, it is only worth knowing.
    let report = lab.run(
        &[
            "provision",
            "--dry-run",
            "--config",
            "certbake.toml",
            "--ca",
            "second,first",
        ],
        0,
    );
    assert_eq!(
        codes(&report),
        ["ca-answers", "ca-login-refused", "dry-run"]
    );
    assert_eq!(report["findings"][1]["severity"], "warning");
}

#[test]
fn a_limit_that_is_known_before_costs_no_certificate() {
    let lab = Lab::with_ca(&config(closed(), "").replace("[\"first\", \"second\"]", "\"second\""));
    lab.run(&["provision"], 0);
    let issued = || {
        std::fs::read_to_string(lab.path("ca/issued.jsonl"))
            .unwrap()
            .lines()
            .count()
    };
    let before = issued();
    let long = ["provision", "--ttl", "365d"];
    let report = lab.run(&long, 3);
    assert_eq!(codes(&report), ["lifetime-shortened"]);
    let reason = &report["findings"][0]["facts"]["reason"];
    assert_eq!(
        reason,
        "365d was requested, but the CA grants 90d at most (ask for a shorter ttl, or raise max_ttl in the CA's settings)"
    );
    assert_eq!(issued(), before, "a certificate was spent on it");
    let report = lab.run(
        &[
            &long[..],
            &["--on-shortened", "warn", "--min-validity", "100d"],
        ]
        .concat(),
        3,
    );
    assert_eq!(codes(&report), ["lifetime-capped", "window-below-floor"]);
    assert_eq!(issued(), before, "a certificate was spent on it");
    let report = lab.run(&[&long[..], &["--on-shortened", "warn"]].concat(), 0);
    assert_eq!(codes(&report), ["lifetime-shortened"]);
}

/// As under a limit on processes, which containers of builds often have.
#[test]
fn a_system_that_gives_no_threads_bakes_one_identity_after_the_other() {
    let mut text = "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n".to_owned();
    for name in ["one", "two", "three"] {
        text += &format!(
            "[identity.{name}]\ncommon_name = \"{name}\"\nplacements.combined = \"/{name}.pem\"\n"
        );
    }
    let lab = Lab::new(&text);
    let refused = [
        "-f",
        "-qq",
        "-o",
        "threads",
        "-e",
        "inject=clone3:error=EAGAIN",
    ];
    let output = Command::new("strace")
        .args(refused)
        .args([
            env!("CARGO_BIN_EXE_certbake"),
            "provision",
            "--root",
            "rootfs",
        ])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        lab.read("threads").contains("INJECTED"),
        "it asked for none"
    );
    for name in ["one", "two", "three"] {
        assert!(
            lab.read(&format!("rootfs/{name}.pem"))
                .contains("PRIVATE KEY")
        );
    }
}

/// A password, above all.
#[test]
fn what_flags_say_of_one_ca_is_given_to_no_other() {
    let config = r#"
[ca.one]
kind = "est"
url = "http://127.0.0.1:9/one"
[ca.two]
kind = "est"
url = "http://127.0.0.1:9/two"
[identity.app]
ca = "one"
common_name = "app"
placements.combined = "/app.pem"
[identity.agent]
ca = "two"
common_name = "agent"
placements.combined = "/agent.pem"
"#;
    let lab = Lab::new(config);
    let login = ["--ca-user", "u", "--ca-password", "env:BUILD_PASSWORD"];
    let report = lab.run(&[&["provision"], &login[..]].concat(), 2);
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("--ca-user: ") && summary.contains("several are used: `one`, `two`"),
        "{summary}"
    );
    let alone = ["provision", "--identity", "app"];
    let report = lab.run(&[&alone[..], &login].concat(), 6);
    assert_eq!(codes(&report), ["ca-unreachable"]);
}

/// Whoever cannot be reached is passed over, and the one behind it decides.
#[test]
fn a_dry_run_ends_as_the_run_would_where_the_first_is_down() {
    let lab = Lab::new(&config(closed(), "ttl = \"6d\"\nmin_validity = \"5d\""));
    let short = ["--root-lifetime", "3d", "--intermediate-lifetime", "1d"];
    lab.text(&[&["ca", "init", "--ca-dir", "ca"], &short[..]].concat(), 0);
    for verb in [&["doctor"][..], &["provision", "--dry-run"], &["provision"]] {
        let report = lab.run(verb, 3);
        assert_eq!(report["outcome"], "window", "{verb:?}");
    }
}
