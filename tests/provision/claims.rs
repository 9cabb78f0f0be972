//! Files of other identities, and of this one where it had another place or name.

use serde_json::Value;

use crate::support::{APP, EMBEDDED, Lab};

#[test]
fn files_of_an_identity_that_is_not_baked_are_not_overwritten() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    std::os::unix::fs::symlink("app", lab.path("rootfs/etc/linked")).unwrap();
    std::os::unix::fs::symlink("/var/lib/certbake", lab.path("rootfs/etc/records")).unwrap();
    let before = lab.image();
    let issued = lab.read("ca/issued.jsonl");
    let renamed = [APP, &["--identity", "app-2"]].concat();
    let linked = [
        "--common-name",
        "app-2",
        "--leaf",
        "/etc/linked/tls/client.crt",
        "--key",
        "/etc/app-2.key",
    ];
    let on_record = [
        "--common-name",
        "app-2",
        "--cert",
        "/etc/records/app-server.json",
        "--key",
        "/etc/app-2.key",
    ];
    for (words, files) in [(&renamed[..], 2), (&linked, 1), (&on_record, 1)] {
        for more in [&[][..], &["--dry-run"]] {
            let run = lab.provision(&[words, more].concat()).ends_with(7);
            let finding = &run.json()["findings"][0];
            assert_eq!(finding["code"], "placement-claimed", "{finding}");
            assert_eq!(finding["identity"], "app-2", "{finding}");
            assert_eq!(finding["facts"]["placed_by"], "app-server", "{finding}");
            let paths = finding["facts"]["paths"].as_array().unwrap();
            assert_eq!(paths.len(), files, "{finding}");
        }
    }
    assert_eq!(lab.image(), before);
    assert_eq!(
        lab.read("ca/issued.jsonl"),
        issued,
        "a certificate was spent"
    );
    let doctor = [&["doctor"], &EMBEDDED[1..], &renamed, &["--report", "json"]].concat();
    let run = lab.run(&doctor).ends_with(7);
    assert_eq!(run.json()["findings"][0]["code"], "placement-claimed");
    // As the hint says.
    std::fs::remove_file(lab.path("rootfs/var/lib/certbake/app-server.json")).unwrap();
    lab.provision(&renamed).ends_with(0);
    lab.run(&["check", "--root", "rootfs"]).ends_with(0);
}

#[test]
fn a_record_of_another_identity_that_cannot_be_read_is_warned_of() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    lab.write("rootfs/var/lib/certbake/other.json", "{");
    std::fs::create_dir(lab.path("rootfs/var/lib/certbake/folder.json")).unwrap();
    let report = lab.provision(APP).ends_with(0).json();
    for (finding, name) in report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["folder", "other"])
    {
        assert_eq!(finding["severity"], "warning", "{finding}");
        let summary = finding["summary"].as_str().unwrap();
        let begins = format!("cannot tell which files belong to {name}: ");
        assert!(summary.starts_with(&begins), "{finding}");
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn identities_that_change_places_in_one_run_claim_nothing_of_each_other() {
    let lab = Lab::new();
    let config = |first: &str, second: &str| {
        format!(
            "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n\
             [identity.a]\ncommon_name = \"a\"\nplacements.combined = \"/etc/{first}.pem\"\n\
             [identity.b]\ncommon_name = \"b\"\nplacements.combined = \"/etc/{second}.pem\"\n"
        )
    };
    lab.write("certbake.toml", &config("one", "two"));
    let provision = ["provision", "--root", "rootfs", "--report", "json"];
    lab.run(&provision).ends_with(0);
    lab.write("certbake.toml", &config("two", "one"));
    lab.run(&["doctor", "--root", "rootfs"]).ends_with(0);
    let run = lab.run(&provision).ends_with(0);
    assert_eq!(run.json()["findings"], Value::Array(Vec::new()));
    let only = [&provision[..], &["--identity", "a"]].concat();
    lab.run(&only).ends_with(0);
    lab.write("certbake.toml", &config("one", "two"));
    let run = lab.run(&only).ends_with(7).json();
    let hint = run["findings"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("bake both in one run"), "{hint}");
    lab.run(&provision).ends_with(0);
}

#[test]
fn a_file_that_is_placed_elsewhere_now_is_told_once() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    let moved: Vec<_> = APP
        .iter()
        .map(|word| match *word {
            "/etc/app/tls/client.key" => "/etc/app/new.key",
            word => word,
        })
        .collect();
    let dry = [&moved[..], &["--dry-run"]].concat();
    for words in [&dry, &moved] {
        let report = lab.provision(words).ends_with(0).json();
        let findings = report["findings"].as_array().unwrap();
        let left = findings
            .iter()
            .find(|finding| finding["code"] == "placement-left-behind")
            .unwrap_or_else(|| panic!("{report}"));
        let paths = &left["facts"]["paths"];
        assert_eq!(*paths, serde_json::json!(["/etc/app/tls/client.key"]));
    }
    assert!(lab.path("rootfs/etc/app/tls/client.key").exists());
    let run = lab.provision(&moved).ends_with(0);
    assert_eq!(run.json()["findings"], Value::Array(Vec::new()));
}

#[test]
fn an_identity_under_a_new_name_is_told_from_a_file_that_somebody_changed() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    let record = lab.path("rootfs/var/lib/certbake/app-server.json");
    std::fs::rename(&record, lab.path("kept")).unwrap();
    let renamed = [APP, &["--identity", "app-2"]].concat();
    lab.provision(&renamed).ends_with(0);
    std::fs::rename(lab.path("kept"), &record).unwrap();
    let check = ["check", "--root", "rootfs", "--report", "json"];
    let run = lab.run(&check).ends_with(4);
    let report = run.json();
    let mut findings = report["findings"].as_array().unwrap().iter();
    let finding = findings
        .find(|finding| finding["code"] == "placement-changed")
        .unwrap();
    assert_eq!(finding["facts"]["placed_by"], "app-2", "{finding}");
    assert!(
        finding["hint"]
            .as_str()
            .unwrap()
            .contains("remove the record of app-server"),
        "{finding}"
    );
    // Whose files are gone already claims nothing.
    lab.provision(&renamed).ends_with(0);
    std::fs::remove_file(record).unwrap();
    lab.run(&check).ends_with(0);
}
