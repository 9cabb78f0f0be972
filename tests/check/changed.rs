//! Images that something has changed since they were baked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::baked::{CERT, CONFIG, Image, KEY, RECORD, in_days};
use crate::support::Run;

#[test]
fn a_record_that_lists_no_file_proves_nothing() {
    let image = Image::baked();
    image.edit(RECORD, |text| {
        text.replace("\"placements\": [", "\"placements\": [], \"were\": [")
    });
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["nothing-to-check app-server.json"]);
}

#[test]
fn a_mode_that_a_later_step_has_changed_is_found() {
    let image = Image::baked();
    fs::set_permissions(image.file(KEY), fs::Permissions::from_mode(0o644)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["placement-mode client.key"]);
    assert_eq!(run.report["findings"][0]["facts"]["recorded_mode"], "0600");
}

#[test]
fn a_file_that_a_later_step_has_replaced_is_found() {
    let image = Image::baked();
    let other = Image::baked();
    fs::copy(other.file(KEY), image.file(KEY)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(
        run.findings(),
        ["placement-changed client.key", "key-mismatch"]
    );

    let image = Image::baked();
    image.edit(CERT, |text| text + "\n");
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["placement-changed client.crt"]
    );

    fs::remove_file(image.file(CERT)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["image-file-missing client.crt"]);
    let hint = run.report["findings"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("certbake provision"), "{hint}");
}

#[test]
fn what_stands_where_a_file_was_placed_is_told_as_what_came_later() {
    let image = Image::baked();
    let replace = |make: &dyn Fn(&Path)| {
        let path = image.file(CERT);
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        make(&path);
        image.check(&[])
    };
    let fifo = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    let large = |path: &Path| {
        let file = fs::File::create(path).unwrap();
        file.set_len(1 << 30).unwrap();
    };
    for (make, code) in [
        (&fifo as &dyn Fn(&Path), "image-not-a-file client.crt"),
        (
            &|path| fs::create_dir(path).unwrap(),
            "image-not-a-file client.crt",
        ),
        (&large, "image-file-too-large client.crt"),
    ] {
        let run = replace(make).ends(4);
        assert_eq!(run.findings(), [code]);
        let hint = run.report["findings"][0]["hint"].as_str().unwrap();
        let said = "a later build step replaced it: run `certbake provision` again";
        assert!(hint.starts_with(said), "{hint}");
    }
}

#[test]
fn issuers_are_not_taken_for_the_certificate_that_is_gone() {
    let more = CONFIG.replace(
        "anchors = ",
        "issuers = \"/etc/app/issuers.crt\"\nanchors = ",
    );
    let image = Image::baked_with(&more);
    image.check(&[]).ends(0);
    fs::remove_file(image.file(CERT)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["image-file-missing client.crt"]);
    assert_eq!(run.report["identities"][0]["certificate"], Value::Null);
    assert_eq!(run.report["identities"][0]["window"], Value::Null);
    // What was recorded of it still ends in time.
    let run = image.check(&["--at", &in_days(31)]).ends(4);
    assert_eq!(run.findings(), ["image-file-missing client.crt", "expired"]);
}

#[test]
fn a_file_that_may_not_be_read_is_told_from_one_that_is_wrong() {
    let image = Image::baked();
    let key = image.file(KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
    let root = image.file("");
    // Root reads everything but for these two.
    let drop = "-dac_override,-dac_read_search";
    let words = ["--bounding-set", drop, "--inh-caps", drop];
    let output = Command::new("setpriv")
        .args(if rustix::process::geteuid().is_root() {
            &words[..]
        } else {
            &[]
        })
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["check", "--report", "json", "--root"])
        .arg(root)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["code"].clone())
        .collect();
    assert!(codes.contains(&"image-not-permitted".into()), "{report:#}");
    assert_eq!(output.status.code(), Some(7), "{report:#}");
}

#[test]
fn a_record_that_is_gone_or_broken_is_found() {
    let image = Image::baked();
    image.edit(RECORD, |text| {
        text.replace("\"schema\": 1", "\"schema\": 7")
    });
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["record-unreadable app-server.json"]
    );
    for (left, says) in [
        (2, "it ends too soon, in line "),
        (usize::MAX, "it is empty"),
    ] {
        image.edit(RECORD, |text| text[..text.len() / left].to_owned());
        let run = image.check(&[]).ends(4);
        let finding = &run.report["findings"][0];
        assert_eq!(finding["code"], "record-unreadable");
        let told = finding["summary"].as_str().unwrap();
        assert!(told.contains(says), "{told}");
        assert!(
            run.findings()[0].starts_with("record-unreadable app-server.json:"),
            "{:?}",
            run.findings()
        );
    }

    fs::remove_file(image.file(RECORD)).unwrap();
    assert_eq!(
        image.certbake(&["check"]).ends(4).findings(),
        ["record-missing app-server.json"]
    );
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["nothing-to-check rootfs"]);
    let hint = run.report["findings"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("certbake provision"), "{hint}");
}

#[test]
fn a_recorded_floor_that_is_none_is_not_taken_for_no_floor() {
    let image = Image::baked();
    let floor = "\"floor_seconds\": ";
    image.edit(RECORD, |text| {
        assert!(text.contains(floor), "{text}");
        text.replace(floor, &format!("{floor}-"))
    });
    let run = image.check(&[]).ends(4);
    let told = run.report["findings"][0]["summary"].as_str().unwrap();
    assert!(told.contains("invalid value: integer `-"), "{told}");
}

/// node_exporter refuses a file in which a series comes twice.
#[test]
fn a_record_that_was_copied_is_that_of_its_new_name() {
    let image = Image::baked();
    let copy = RECORD.replace("app-server", "web");
    fs::copy(image.file(RECORD), image.file(&copy)).unwrap();
    let metrics = image.desk.path().join("certbake.prom");
    let report = format!("prometheus={}", metrics.display());
    let run = image.check(&["--report", &report]).ends(0);
    let names = run.report["identities"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|identity| &identity["name"]).collect();
    assert_eq!(names, ["app-server", "web"]);
    let metrics = fs::read_to_string(metrics).unwrap();
    let mut series: Vec<_> = metrics
        .lines()
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect();
    let told = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), told, "{metrics}");
}

/// An alert waits for the next run by it.
#[test]
fn the_last_run_was_when_it_ran_whatever_moment_it_tells_of() {
    let image = Image::baked();
    let metrics = image.desk.path().join("certbake.prom");
    let report = format!("prometheus={}", metrics.display());
    image
        .check(&["--at", &in_days(1), "--report", &report])
        .ends(0);
    let metrics = fs::read_to_string(metrics).unwrap();
    let series = "certbake_last_run_seconds{command=\"check\"} ";
    let mut lines = metrics.lines();
    let began = lines.find_map(|line| line.strip_prefix(series)).unwrap();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    assert!(began.parse::<i64>().unwrap() <= now, "{metrics}");
}

#[test]
fn an_identity_that_is_named_twice_is_checked_once() {
    let twice = ["--identity", "app-server", "--identity", "app-server"];
    let run = Image::baked().check(&twice).ends(0);
    assert_eq!(run.report["identities"].as_array().unwrap().len(), 1);
}

#[test]
fn a_placement_that_the_configuration_has_gained_since_is_missing() {
    let image = Image::baked();
    let more = CONFIG.replace(
        "full_chain = \"/etc/app/client.crt\"",
        "full_chain = [\"/etc/app/client.crt\", \"/srv/new.crt\"]",
    );
    fs::write(image.config(), more).unwrap();
    assert_eq!(
        image.certbake(&["check"]).ends(4).findings(),
        ["placement-missing new.crt"]
    );
}

#[test]
fn a_mode_or_an_owner_that_the_configuration_states_since_is_compared() {
    let image = Image::baked();
    fs::write(image.file("etc/group"), "svc:x:4343:\n").unwrap();
    let key = |more: &str| {
        let plain = "private_key = \"/etc/app/client.key\"";
        assert!(CONFIG.contains(plain));
        let stated = format!("private_key = {{ path = \"/etc/app/client.key\"{more} }}");
        fs::write(image.config(), CONFIG.replace(plain, &stated)).unwrap();
    };
    for (more, code) in [
        (", mode = \"0640\"", "placement-mode client.key"),
        (", owner = \"4242\"", "placement-owner client.key"),
        (", group = \"svc\"", "placement-owner client.key"),
    ] {
        key(more);
        let run = image.certbake(&["check"]).ends(4);
        assert_eq!(run.findings(), [code], "{more}");
        let hint = run.report["findings"][0]["hint"].as_str().unwrap();
        assert!(hint.contains("certbake provision"), "{hint}");
        let by_name = hint.contains("the number that the image gives");
        assert_eq!(by_name, more.contains("svc"), "{hint}");
    }
    // A file that a later step has changed too is told of once.
    fs::set_permissions(image.file(KEY), fs::Permissions::from_mode(0o644)).unwrap();
    key(", mode = \"0640\"");
    let run = image.certbake(&["check"]).ends(4);
    assert_eq!(run.findings(), ["placement-mode client.key"]);
    // As it was placed, it may be said.
    fs::set_permissions(image.file(KEY), fs::Permissions::from_mode(0o600)).unwrap();
    key(", mode = \"0600\"");
    image.certbake(&["check"]).ends(0);
}

#[test]
fn what_the_configuration_asks_for_anew_is_not_in_an_older_image() {
    let image = Image::baked();
    for (was, is, finds) in [
        (
            "dns = [\"app.internal\"]",
            "dns = [\"new.internal\"]",
            &["names-missing", "names-unexpected"][..],
        ),
        (
            "common_name = \"app-server\"",
            "common_name = \"other\"",
            &["names-missing", "names-unexpected"],
        ),
        ("ttl =", "usage = \"server\"\nttl =", &["usage-missing"]),
        (
            "ttl = \"30d\"\nmin_validity = \"21d\"",
            "max_validity = \"7d\"",
            &["lifetime-too-long"],
        ),
        // Less than was asked for is for the floor to judge.
        ("ttl = \"30d\"", "ttl = \"60d\"", &[]),
        // Names that only the flags of a build say are not known here.
        (
            "common_name = \"app-server\"\ndns = [\"app.internal\"]",
            "",
            &[],
        ),
    ] {
        let changed = CONFIG.replace(was, is);
        assert_ne!(changed, CONFIG, "{was}");
        fs::write(image.config(), changed).unwrap();
        let run = image.certbake(&["check"]);
        let run = run.ends(if finds.is_empty() { 0 } else { 4 });
        assert_eq!(run.findings(), finds, "{is}");
        for finding in run.report["findings"].as_array().unwrap() {
            let told = finding.to_string();
            let told = finding["code"] == "lifetime-too-long"
                || told.contains("the configuration has changed since the image was built");
            assert!(told, "{finding:#}");
        }
    }
    // Too old is told alike with and without it: nothing is being ordered.
    fs::write(image.config(), CONFIG).unwrap();
    let hint = |run: &Run| run.report["findings"][0]["hint"].clone();
    let later = in_days(10);
    let by_record = image.check(&["--at", &later]).ends(3);
    let by_file = image.certbake(&["check", "--at", &later]).ends(3);
    assert_eq!(hint(&by_file), hint(&by_record));
    // What is asked for on the command line goes before it.
    let server = CONFIG.replace("ttl =", "usage = \"server\"\nttl =");
    fs::write(image.config(), server).unwrap();
    image.certbake(&["check", "--usage", "client"]).ends(0);
}

#[test]
fn a_configuration_that_demands_nothing_is_no_leave_to_go_by_the_records() {
    let image = Image::baked();
    let without = &CONFIG[..CONFIG.find("[identity.app-server]").unwrap()];
    fs::write(image.config(), without).unwrap();
    let run = image.certbake(&["check"]).ends(2);
    assert_eq!(run.findings(), ["config-invalid certbake.toml"]);
}

#[test]
fn a_root_that_is_not_there_is_the_image_s_fault() {
    let image = Image::baked();
    fs::remove_dir_all(image.root()).unwrap();
    image.check(&[]).ends(7);
}

#[test]
fn a_landing_that_was_cut_short_is_settled_and_then_checked() {
    let image = Image::baked();
    let left = ".certbake-0123456789abcdef";
    let owner = fs::metadata(image.file(KEY)).unwrap();
    fs::write(image.file("etc/app").join(left), "half a key").unwrap();
    let journal = serde_json::json!({
        "schema": 1,
        "phase": "staging",
        "directories": [],
        "files": [{
            "directory": "/etc/app",
            "name": "client.key",
            "temporary": left,
            "backup": ".certbake-fedcba9876543210",
            "shape": { "sha256": "00", "mode": 384, "uid": uid(&owner), "gid": gid(&owner) },
        }],
    });
    let journal_file = image.file("var/lib/certbake/journal.json");
    fs::write(&journal_file, journal.to_string()).unwrap();
    let run = image.check(&[]).ends(0);
    assert_eq!(run.findings(), ["image-recovered"]);
    assert!(!image.file("etc/app").join(left).exists() && !journal_file.exists());
}

fn uid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

fn gid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::gid(metadata)
}
