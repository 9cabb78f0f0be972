//! Images as they were baked, by their records and by the configuration.

use std::fs;
use std::process::Command;

use serde_json::Value;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::baked::{CONFIG, Image, RECORD, in_days};
use crate::support::run;

#[test]
fn an_image_as_it_was_baked_passes_by_its_records_and_by_the_configuration() {
    let image = Image::baked();
    for run in [
        image.check(&[]),
        image.certbake(&["check"]),
        image.check(&["--identity", "app-server"]),
    ] {
        let run = run.ends(0);
        assert_eq!(run.report["identities"][0]["name"], "app-server");
        let placements = run.report["identities"][0]["placements"]
            .as_array()
            .unwrap();
        assert_eq!(placements.len(), 3);
        assert_eq!(
            run.report["identities"][0]["window"]["floor"]["required_seconds"],
            21 * 86_400
        );
    }
}

#[test]
fn an_image_without_anchors_says_of_whom_trust_was_not_checked() {
    let config = CONFIG.replace("anchors = \"/etc/app/ca.crt\"\n", "");
    let image = Image::baked_with(&config);
    let human = image.desk.path().join("human.txt");
    let told = image.check(&["--report", &format!("human={}", human.display())]);
    let told = told.ends(0);
    assert_eq!(told.findings(), ["trust-not-checked"]);
    assert_eq!(told.report["findings"][0]["identity"], "app-server");
    let printed = fs::read_to_string(human).unwrap();
    let sentence = "trust in the chain was not checked";
    assert!(printed.contains(sentence), "{printed}");

    // Given on the command line, pinned by the configuration, or placed in the image.
    let root = image.desk.path().join("ca/root.pem").display().to_string();
    let given = image.check(&["--anchors", &root]).ends(0);
    let pinned = format!("anchors = \"{root}\"\ndir = \"ca\"");
    fs::write(image.config(), config.replace("dir = \"ca\"", &pinned)).unwrap();
    let pinned = image.certbake(&["check"]).ends(0);
    let placed = Image::baked().check(&[]).ends(0);
    for run in [given, pinned, placed] {
        assert_eq!(run.findings(), [""; 0]);
        let checks = run.report["identities"][0]["checks"].to_string();
        assert!(checks.contains("chain-untrusted"), "{checks}");
    }
}

#[test]
fn an_image_is_held_against_revocation_lists_and_never_against_nothing() {
    let image = Image::baked();
    let list = image.desk.path().join("ca/ca.crl").display().to_string();
    revoke(&image);
    for run in [
        image.check(&["--crl", &list]),
        image.certbake(&["check", "--crl", &list]),
    ] {
        let run = run.ends(4);
        assert_eq!(run.findings(), ["revoked"]);
        let facts = &run.report["findings"][0]["facts"];
        let serial = &run.report["identities"][0]["certificate"]["serial"];
        assert_eq!(&facts["revoked_serial"], serial);
    }

    let config = CONFIG.replace("anchors = \"/etc/app/ca.crt\"\n", "");
    let image = Image::baked_with(&config);
    let list = image.desk.path().join("ca/ca.crl").display().to_string();
    revoke(&image);
    image.check(&[]).ends(0);
    let run = image.check(&["--crl", &list]).ends(4);
    assert_eq!(run.findings(), ["trust-not-checked"]);
    let said = run.report["findings"][0]["summary"].to_string();
    let lists = "and nothing was held against the revocation lists";
    assert!(said.contains(lists), "{said}");
    let root = image.desk.path().join("ca/root.pem").display().to_string();
    let run = image.check(&["--crl", &list, "--anchors", &root]).ends(4);
    assert_eq!(run.findings(), ["revoked"]);
    let run = image.check(&["--crl", &root]).ends(4);
    assert_eq!(run.findings()[0], "file-unreadable root.pem");
}

fn revoke(image: &Image) {
    let record = image.file(RECORD).display().to_string();
    let config = image.config().display().to_string();
    let words = ["revoke", "--report", "json", "--record", &record];
    run(&[&words[..], &["--config", &config]].concat(), &[]).ends(0);
}

#[test]
fn an_image_that_has_grown_too_old_fails_by_the_floor_that_was_recorded() {
    let image = Image::baked();
    let later = in_days(10);
    let run = image.check(&["--at", &later]).ends(3);
    assert_eq!(run.findings(), ["window-below-floor"]);
    image
        .check(&["--at", &later, "--min-validity", "7d"])
        .ends(0);
}

#[test]
fn an_image_that_starts_a_moment_from_now_is_only_warned_of() {
    let image = Image::baked();
    let record: Value = serde_json::from_slice(&fs::read(image.file(RECORD)).unwrap()).unwrap();
    let not_before = record["certificate"]["not_before"].as_str().unwrap();
    let not_before = time::OffsetDateTime::parse(not_before, &Rfc3339).unwrap();
    let before = |wait: Duration| (not_before - wait).format(&Rfc3339).unwrap();
    let soon = before(Duration::seconds(30));
    let run = image.check(&["--at", &soon]).ends(0);
    // The CA was made for it, so that all three links begin together.
    assert_eq!(run.findings(), ["not-yet-valid"; 3]);
    image
        .check(&["--at", &before(Duration::minutes(5))])
        .ends(3);
}

#[test]
fn an_image_with_nothing_but_a_key_store_is_held_to_the_window_that_was_recorded() {
    let placements = CONFIG.find("[identity.app-server.placements]").unwrap();
    let config = format!(
        "{}[identity.app-server.placements]\npkcs12 = {{ path = \"/etc/app/client.p12\", password = \"file:DESK/password\" }}\n",
        &CONFIG[..placements]
    );
    let image = Image::baked_with(&config);
    // It does not open, so the one is said and the other held.
    const CLOSED: &str = "trust-not-checked";
    assert_eq!(image.check(&[]).ends(0).findings(), [CLOSED]);
    let list = Image::baked();
    revoke(&list);
    let list = list.desk.path().join("ca/ca.crl").display().to_string();
    let run = image.check(&["--crl", &list]).ends(4);
    assert_eq!(run.findings(), [CLOSED]);
    let run = image.check(&["--at", &in_days(10)]).ends(3);
    assert_eq!(run.findings(), ["window-below-floor", CLOSED]);
    assert_eq!(
        image.check(&["--at", &in_days(31)]).ends(3).findings(),
        ["expired", CLOSED]
    );
    fs::write(image.file("etc/app/client.p12"), "not the one").unwrap();
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["placement-changed client.p12", CLOSED]
    );
}

#[test]
fn a_report_of_a_check_replaces_no_record_and_no_configuration() {
    let image = Image::baked();
    let config = image.config();
    let root = image.root();
    for file in [
        config,
        image.file(RECORD),
        image.file("var/lib/certbake/new"),
    ] {
        let before = fs::read(&file).ok();
        let report = format!("junit={}", file.display());
        let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["check", "--root", root.to_str().unwrap(), "--config"])
            .arg(image.config())
            .args(["--report", &report])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{report}");
        assert_eq!(fs::read(&file).ok(), before, "{report}");
    }
}
