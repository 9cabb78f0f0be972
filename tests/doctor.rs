//! `certbake doctor` as a user runs it before a long build.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;
mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use built::{Lab, answering, closed, codes, silent};
use support::{FakeServer, Reply, pem};

/// `subject what: state` of everything that was looked at.
fn looks(report: &Value) -> Vec<String> {
    let looks = report["looked_at"].as_array().unwrap();
    let word = |look: &Value, key: &str| look[key].as_str().unwrap().to_owned();
    looks
        .iter()
        .map(|look| {
            format!(
                "{} {}: {}",
                word(look, "subject"),
                word(look, "what"),
                word(look, "state")
            )
        })
        .collect()
}

/// An EST server whose clock is this far ahead.
fn est(ahead: Duration) -> (FakeServer, String) {
    let lab = support::Lab::new("Lab");
    let root = pem(&lab.root());
    let certificates = [lab.root(), lab.issuing()].map(|der| pem(&der)).concat();
    let server = FakeServer::https(&lab.server(), move |asked| {
        let date = (OffsetDateTime::now_utc() + ahead)
            .format(&Rfc2822)
            .unwrap();
        let reply = match asked.path.rsplit('/').next().unwrap() {
            "cacerts" => Reply::ok(certificates.clone()),
            _ => Reply::status(404),
        };
        reply.header("date", date.replace("+0000", "GMT"))
    });
    (server, root)
}

const APP: &str = r#"
[identity.app]
ca = "lab"
common_name = "app"
placements.combined = "/etc/app.pem"
placements.pkcs12 = { path = "/etc/app.p12", password = "env:BUILD_PASSWORD" }
record = "out/app.json"
"#;

fn lab_with(server: &FakeServer, root: &str) -> Lab {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"{}\"\nanchors = \"root.pem\"\nusername = \"bob\"\npassword = \"env:BUILD_PASSWORD\"\n{APP}",
        server.origin()
    ));
    lab.write("root.pem", root);
    lab
}

#[test]
fn what_is_well_is_told_too_and_nothing_is_done() {
    let (server, root) = est(Duration::ZERO);
    let lab = lab_with(&server, &root);
    let begun = Instant::now();
    let report = lab.run(&["doctor"], 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(codes(&report), Vec::<&str>::new(), "{report}");
    assert_eq!(
        looks(&report),
        [
            "lab place: fine",
            "lab reach: fine",
            "lab clock: fine",
            "lab order: fine",
            "lab login: not-looked-at",
            "image files: fine",
            "secrets read: fine",
            "secrets read: fine",
            "app record: fine",
        ]
    );
    let ordered = |asked: &support::Asked| asked.path.ends_with("simpleenroll");
    assert!(
        !server.asked().iter().any(ordered),
        "a certificate was asked for"
    );
    assert!(!lab.path("rootfs/etc/app.pem").exists() && !lab.path("out").exists());
    let screen = lab.text(&["doctor", "--root", "rootfs"], 0);
    assert!(
        screen.starts_with(
            "ok  nothing found that would stop a build; 1 thing could not be checked\n"
        ),
        "{screen}"
    );
    assert!(
        screen.contains("certbake presents the user name \"bob\""),
        "{screen}"
    );
    assert!(
        screen.contains("its clock agrees with this machine's"),
        "{screen}"
    );
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let (server, root) = est(Duration::from_secs(3600));
    let lab = lab_with(&server, &root);
    let report = lab.run(&["doctor"], 3);
    assert_eq!(codes(&report), ["clock-offset"]);
    let screen = lab.text(&["doctor"], 3);
    assert!(screen.contains("ahead of this machine's"), "{screen}");
    // Allowed, it is still said.
    let report = lab.run(&["doctor", "--max-clock-offset", "2h"], 0);
    assert!(looks(&report).contains(&"lab clock: fine".to_owned()));
}

#[test]
fn every_fault_is_found_in_one_run() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"http://{}\"\n[ca.other]\nkind = \"est\"\nurl = \"http://{}\"\n{APP}\
         [identity.second]\nca = \"other\"\ncommon_name = \"x\"\n\
         placements.pkcs12 = {{ path = \"/x.p12\", owner = \"ghost\", group = \"ghosts\", password = \"env:UNSET_PASSWORD\" }}\n\
         placements.issuers = {{ path = \"/etc\", owner = \"ghost\" }}\n",
        closed(),
        answering(401)
    ));
    lab.write("rootfs/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    lab.write("rootfs/etc/group", "root:x:0:\n");
    let report = lab.run(&["doctor", "--ttl", "1d", "--min-validity", "2d"], 2);
    let mut found = codes(&report);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "ca-login-refused",
            "ca-unreachable",
            "image-not-a-file",
            "image-owner-missing",
            "image-owner-missing",
            "image-owner-missing",
            "secret-unreadable",
            "ttl-below-floor",
            "ttl-below-floor",
        ]
    );
    for finding in report["findings"].as_array().unwrap() {
        assert!(!finding["hint"].as_str().unwrap().is_empty(), "{finding}");
    }
}

#[test]
fn one_fault_of_many_identities_is_told_once() {
    let two = APP
        .replace("[identity.app]", "[identity.other]")
        .replace("/etc/app", "/etc/other")
        .replace("out/app", "out/other");
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"http://{}\"\n{APP}{two}",
        answering(403)
    ));
    let report = lab.run(&["doctor"], 5);
    assert_eq!(codes(&report), ["ca-login-refused"]);
    assert_eq!(
        report["findings"][0]["identity"],
        Value::Null,
        "it is about both"
    );
}

#[test]
fn an_authority_that_hangs_costs_no_more_than_the_time_given() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"http://{}\"\n{APP}",
        silent()
    ));
    let begun = Instant::now();
    let report = lab.run(&["doctor", "--within", "1s"], 6);
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(codes(&report), ["ca-timeout"]);
}

#[test]
fn the_image_may_not_be_there_yet() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n{APP}"
    ));
    let report = lab.json(&["doctor"], 0);
    assert!(
        looks(&report).contains(&"image files: not-looked-at".to_owned()),
        "{report}"
    );
    assert!(!lab.path("ca").exists(), "a CA was made");
}

#[test]
fn every_format_tells_what_was_looked_at() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n{APP}"
    ));
    for (format, word) in [
        ("human", "not checked: paths and owners"),
        ("markdown", "| `lab` | reach | fine |"),
        ("junit", "<skipped message=\"paths and owners"),
        ("github", "certbake doctor: ok"),
        ("prometheus", "certbake_exit_code{command=\"doctor\"} 0"),
        ("gitlab", "[]"),
    ] {
        let text = lab.text(&["doctor", "--report", format], 0);
        assert!(text.contains(word), "{format}: {text}");
    }
}

#[test]
fn a_password_that_no_key_store_takes_is_found_before_anything_is_asked() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n{APP}"
    ));
    for (source, said, hint) in [
        (
            "cmd:printf 😀",
            "such as an emoji",
            "plain letters and digits",
        ),
        // Two lines, of which OpenSSL would take the first.
        (
            r"cmd:printf 'a\\nb\\n'",
            "the password has a line break",
            "alone, in one line",
        ),
    ] {
        let config = lab.read("certbake.toml");
        lab.write("config", &config.replace("env:BUILD_PASSWORD", source));
        for verb in ["doctor", "provision"] {
            let report = lab.run(&[verb, "--config", "config"], 2);
            assert_eq!(codes(&report), ["pkcs12-unwritable"], "{report}");
            let finding = report["findings"][0].to_string();
            assert!(
                finding.contains(said) && finding.contains(hint),
                "{finding}"
            );
        }
    }
    assert!(!lab.path("ca").exists());
}

#[test]
fn a_password_that_java_does_not_take_is_warned_of() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n{APP}"
    ));
    lab.write(
        "config",
        &lab.read("certbake.toml")
            .replace("env:BUILD_PASSWORD", "cmd:printf pässword"),
    );
    let report = lab.run(&["doctor", "--config", "config"], 0);
    let told = "pkcs12-password-not-ascii".to_owned();
    assert!(codes(&report).contains(&told.as_str()), "{report}");
}

#[test]
fn a_record_below_proc_is_known_to_be_unwritable() {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n{APP}"
    ));
    for below in ["/proc/app.json", "/proc/sys/out/app.json", "/sys/app.json"] {
        let config = lab.read("certbake.toml").replace("out/app.json", below);
        lab.write("config", &config);
        for verb in ["doctor", "provision"] {
            let report = lab.run(&[verb, "--config", "config"], 2);
            assert_eq!(codes(&report), ["record-unwritable"], "{below}: {report}");
        }
    }
    assert!(!lab.path("ca").exists(), "a certificate was spent");
}

#[test]
fn every_placement_that_cannot_be_written_is_found_in_one_run() {
    let lab = Lab::new(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n[identity.app.placements]\n\
         full_chain = { path = \"/etc/passwd/app.crt\", owner = \"nobody-here\", group = \"none-here\" }\n\
         private_key = \"/etc/folder\"\ncertificate = \"/etc/app.crt\"\nissuers = \"/etc/same/app.crt\"\n",
    );
    lab.write("rootfs/etc/passwd", "root:x:0:0::/:/bin/sh\n");
    lab.write("rootfs/etc/group", "root:x:0:\n");
    std::fs::create_dir(lab.path("rootfs/etc/folder")).unwrap();
    std::os::unix::fs::symlink(".", lab.path("rootfs/etc/same")).unwrap();
    let report = lab.run(&["doctor"], 7);
    assert_eq!(
        codes(&report),
        [
            "image-owner-missing",
            "image-owner-missing",
            "image-not-a-directory",
            "image-not-a-file",
            "image-placements-collide",
        ],
        "{report}"
    );
}

/// A run was cut short while it swapped, and something has changed one of its files since.
#[test]
fn an_interrupted_run_that_the_next_one_cannot_settle_is_no_surprise() {
    let lab = Lab::new(
        "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\nplacements.combined = \"/etc/app.pem\"\n",
    );
    lab.run(&["provision"], 0);
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    let line = |path: &str, content: &[u8]| {
        let (directory, name) = path.rsplit_once('/').unwrap();
        json!({
            "directory": directory, "name": name,
            "temporary": format!(".certbake-0{name}"), "backup": format!(".certbake-1{name}"),
            "shape": { "sha256": sha256(content), "mode": 0o600, "uid": uid, "gid": gid },
        })
    };
    let landed = std::fs::read(lab.path("rootfs/etc/app.pem")).unwrap();
    let journal = json!({
        "schema": 1, "phase": "landing", "directories": [],
        "files": [line("/etc/app.pem", &landed), line("/etc/other.pem", b"gone")],
    });
    lab.write("rootfs/var/lib/certbake/journal.json", &journal.to_string());
    for verb in [
        &["doctor"][..],
        &["provision", "--dry-run"],
        &["provision"],
        &["check"],
    ] {
        let report = lab.run(verb, 7);
        assert_eq!(
            codes(&report),
            ["image-journal-unreadable"],
            "{verb:?}: {report}"
        );
    }
    let screen = lab.text(&["doctor", "--root", "rootfs"], 7);
    assert!(
        screen.contains("can neither undo nor complete it"),
        "{screen}"
    );
}

fn sha256(content: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    data_encoding::HEXLOWER.encode(digest.as_ref())
}

const PINNED: &str = "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\nanchors = \"roots.pem\"\n[identity.app]\n\
                      common_name = \"app\"\nplacements.combined = \"/etc/app.pem\"\n";

/// A lab whose anchors are the root of the CA of the directory `of`, and a CA in `ca` of this name.
fn pinning(of: &str, name: &str) -> Lab {
    let lab = Lab::new(PINNED);
    lab.text(&["ca", "init", "--ca-dir", "ca", "--name", name], 0);
    lab.text(&["ca", "init", "--ca-dir", "other", "--name", "Other"], 0);
    lab.write("roots.pem", &lab.read(&format!("{of}/root.pem")));
    lab
}

fn root_of(lab: &Lab, directory: &str) -> String {
    let shown = lab.json(&["ca", "show", "--ca-dir", directory], 0);
    let word = |key: &str| shown["root"][key].as_str().unwrap().to_owned();
    format!("{}, sha256:{}", word("subject"), word("fingerprint"))
}

#[test]
fn anchors_of_another_root_than_an_embedded_ca_has_are_found_before_it_issues() {
    let lab = pinning("other", "Mine");
    for verb in [&["doctor"][..], &["provision", "--dry-run"], &["provision"]] {
        let report = lab.run(verb, 4);
        let finding = &report["findings"][0];
        assert_eq!(finding["code"], "chain-untrusted", "{verb:?}: {report}");
        assert_eq!(finding["identity"], "app");
        let summary = finding["summary"].as_str().unwrap();
        for name in ["\"CN=Mine root\"", "\"CN=Other root\""] {
            assert!(summary.contains(name), "{summary}");
        }
        assert_eq!(finding["facts"]["root"], root_of(&lab, "ca").as_str());
        assert_eq!(finding["facts"]["anchors"], json!([root_of(&lab, "other")]));
    }
    assert_eq!(lab.read("ca/issued.jsonl"), "", "a certificate was issued");

    let lab = pinning("other", "Other");
    let report = lab.run(&["doctor"], 4);
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    let same = "the anchors pin a root of that name with another key";
    assert!(summary.contains(same), "{summary}");
}

#[test]
fn anchors_that_lead_to_an_embedded_ca_are_well() {
    let lab = pinning("ca", "Mine");
    let roots = ["other/root.pem", "ca/root.pem"].map(|file| lab.read(file));
    for anchors in [
        roots[1].clone(),
        roots.concat(),
        lab.read("ca/intermediate.pem"),
    ] {
        lab.write("roots.pem", &anchors);
        let report = lab.run(&["doctor"], 0);
        assert_eq!(codes(&report), Vec::<&str>::new(), "{report}");
        lab.run(&["provision"], 0);
    }
}

#[test]
fn anchors_cannot_be_of_an_embedded_ca_that_is_yet_to_be_made() {
    let lab = pinning("ca", "Mine");
    lab.write("config", &PINNED.replace("\"ca\"", "\"mistyped\""));
    for verb in ["doctor", "provision"] {
        let report = lab.run(&[verb, "--config", "config"], 4);
        assert_eq!(codes(&report), ["chain-untrusted"], "{report}");
        let hint = report["findings"][0]["hint"].as_str().unwrap();
        assert!(hint.contains("correct dir"), "{hint}");
    }
    assert!(!lab.path("mistyped").exists(), "a CA was made");
    // Its intermediate is being renewed: the root is known.
    std::fs::remove_file(lab.path("ca/intermediate.pem")).unwrap();
    lab.run(&["doctor"], 0);
    lab.write("roots.pem", &lab.read("other/root.pem"));
    let report = lab.run(&["doctor"], 4);
    assert_eq!(
        report["findings"][0]["facts"]["root"],
        root_of_renewed(&lab)
    );
}

/// With its intermediate, which `ca show` needs.
fn root_of_renewed(lab: &Lab) -> String {
    lab.text(&["ca", "init", "--ca-dir", "ca"], 0);
    root_of(lab, "ca")
}
