//! How long the certificate must hold, and lifetimes that are too short for it.

use std::os::unix::fs::MetadataExt;

use crate::support::{APP, EMBEDDED, Lab, Run, TWO};

#[test]
fn a_window_below_the_floor_fails_the_build_and_leaves_the_image_as_it_was() {
    let lab = Lab::new();
    lab.provision(&[APP, &["--ttl", "30d"]].concat())
        .ends_with(0);
    let before = lab.image();
    // The authority grants 30 days where nothing is asked for.
    let run = lab
        .provision(&[APP, &["--min-validity", "45d"]].concat())
        .ends_with(3);
    assert_eq!(run.json()["outcome"], "window");
    assert_eq!(run.codes(), ["window-below-floor", "certificate-discarded"]);
    assert_eq!(lab.image(), before);
}

#[test]
fn no_certificate_is_spent_on_a_floor_that_its_ttl_can_never_hold() {
    let lab = Lab::new();
    let run = lab
        .provision(&[APP, &["--ttl", "1d", "--min-validity", "7d"]].concat())
        .ends_with(3);
    assert_eq!(run.codes(), ["ttl-below-floor"]);
    let finding = &run.json()["findings"][0];
    // Whom the files would have belonged to is said as well as if they had landed.
    let owner = run.json()["identities"][0]["placements"][0]["owner"].clone();
    let owner: u32 = owner.as_str().unwrap().parse().unwrap();
    assert_eq!(owner, lab.path("rootfs").metadata().unwrap().uid());
    assert_eq!(finding["facts"]["ttl_from"], "--ttl");
    assert_eq!(finding["facts"]["floor_from"], "--min-validity");
    let summary =
        "a certificate with a ttl of 1d cannot stay valid for the 7d that the build requires";
    assert_eq!(finding["summary"], summary);
    assert!(!lab.path("ca").exists(), "the authority was opened");
}

#[test]
fn a_shortened_lifetime_fails_unless_it_is_only_to_be_warned_of() {
    let lab = Lab::new();
    let short = [APP, &["--ttl", "30d", "--ca-set", "max_ttl=5d"]].concat();
    let run = lab.provision(&short).ends_with(3);
    assert!(
        run.codes().contains(&"lifetime-shortened".to_owned()),
        "{:?}",
        run.codes()
    );
    assert!(!lab.path("rootfs/etc/app").exists());
    let run = lab
        .provision(&[&short[..], &["--on-shortened", "warn"]].concat())
        .ends_with(0);
    let report = run.json();
    let [warned] = &report["findings"].as_array().unwrap()[..] else {
        panic!("told more than once: {report}");
    };
    assert_eq!(warned["code"], "lifetime-shortened");
    let hint = warned["hint"].as_str().unwrap();
    assert!(!hint.contains("on_shortened"), "it is so already: {hint}");
}

#[test]
fn a_floor_that_is_given_takes_the_place_of_the_file_s_sum() {
    let lab = Lab::new();
    let config = "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n\
                  use_by = { image_max_age = \"20d\" }\nplacements.combined = \"/app.pem\"\n";
    lab.write("certbake.toml", config);
    let words = ["provision", "--root", "rootfs", "--report", "json"];
    let run = lab.run(&[&words[..], &["--min-validity", "3d"]].concat());
    let floor = &run.ends_with(0).json()["identities"][0]["window"]["floor"];
    assert_eq!(floor["stated"], "3d");
}

#[test]
fn a_floor_in_a_misspelt_variable_is_refused_and_not_left_out() {
    let lab = Lab::new();
    let mut command = lab.command(&[EMBEDDED, &["--report", "json"]].concat());
    command.env("CERTBAKE_MIN_VALIDTY", "300d");
    let report = Run::of(command.output().unwrap()).ends_with(2).json();
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "usage-invalid");
    assert_eq!(finding["facts"]["key"], "CERTBAKE_MIN_VALIDTY");
    let hint = finding["hint"].as_str().unwrap();
    assert!(hint.contains("`CERTBAKE_MIN_VALIDITY`"), "{hint}");
    assert!(!lab.path("ca").exists(), "the CA was asked");
}

#[test]
fn a_floor_of_nothing_is_refused_as_a_flag_too() {
    let lab = Lab::new();
    for floor in ["0d", "0%", "0h0m"] {
        let run = lab.provision(&[APP, &["--min-validity", floor]].concat());
        let said = run.ends_with(2).json()["findings"][0]["summary"].clone();
        assert_eq!(
            said,
            format!(
                "--min-validity: \"{floor}\" is not a floor, because it requires nothing: leave it out, or give a duration"
            )
        );
        let run = lab.run(&["check", "--root", "rootfs", "--min-validity", floor]);
        run.ends_with(2);
    }
}

#[test]
fn a_dry_run_shows_the_floor_and_the_records_that_it_would_write() {
    let lab = Lab::new();
    let dry = |more: &[&str]| lab.run(&[EMBEDDED, APP, &["--dry-run"], more].concat());
    let floor = [
        "--min-validity",
        "70%",
        "--ttl",
        "30d",
        "--record",
        "out.json",
    ];
    let run = dry(&[&floor[..], &["--report", "json"]].concat()).ends_with(0);
    let rehearsal = &run.json()["identities"][0]["rehearsal"];
    let stated = serde_json::json!({
        "required_seconds": 21 * 86_400, "stated": "70%", "origin": "--min-validity",
    });
    assert_eq!(rehearsal["floor"], stated);
    let record = &rehearsal["record"];
    assert_eq!(record["path"], "/var/lib/certbake/app-server.json");
    assert_eq!(
        (&record["mode"], &record["change"]),
        (&"0644".into(), &"would-write".into())
    );
    assert_eq!(rehearsal["record_copy"], "out.json");
    let shown = dry(&floor).ends_with(0).stdout;
    for line in [
        "  floor        70% = 21d, from --min-validity\n",
        "/var/lib/certbake/app-server.json",
        "  record copy  out.json\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // Of a share of a lifetime that is not known, no length is told; and no floor is one too.
    let shown = dry(&["--min-validity", "70%"]).ends_with(0).stdout;
    assert!(
        shown.contains("  floor        70%, from --min-validity\n"),
        "{shown}"
    );
    let shown = dry(&[]).ends_with(0).stdout;
    assert!(shown.contains("  floor        none\n"), "{shown}");
    assert!(!lab.path("out.json").exists() && !lab.path("ca").exists());

    lab.write("certbake.toml", TWO);
    let words = ["provision", "--root", "rootfs", "--dry-run"];
    let shown = lab.run(&words).ends_with(0).stdout;
    for line in [
        "agent  66%, from certbake.toml:19\n",
        "app    image_max_age 14d + instance_life 7d = 21d, from certbake.toml:10\n",
        "/var/lib/certbake/agent.json",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // One that ran has the floor with its window, and the record in its place.
    let ran = lab.provision(APP).ends_with(0).json();
    assert_eq!(ran["identities"][0]["rehearsal"], serde_json::Value::Null);
}
