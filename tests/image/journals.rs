//! What `check` and the next run make of the journal an interrupted run has left.

use certbake::image::{Pending, Phase, Recovery, Staging, pending, recover};
use serde_json::json;

use super::support::{Image, code, mode_of, running, slot};

const DIGEST_OF_NEW: &str = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";

/// Of what the run that was interrupted was to write.
fn shape() -> serde_json::Value {
    let (uid, gid) = running();
    json!({"sha256": DIGEST_OF_NEW, "mode": 0o600, "uid": uid, "gid": gid})
}

/// An image in which a run was to replace `/etc/key` and `/etc/crt`, as far as `files` say.
fn interrupted(phase: &str, files: &[(&str, &str)]) -> Image {
    let image = Image::new();
    let line = |name: &str| {
        json!({"directory": "/etc", "name": name, "temporary": format!(".certbake-{name}"),
            "backup": format!(".certbake-{name}-old"),
            "shape": shape()})
    };
    let journal = json!({"schema": 1, "phase": phase, "directories": ["/opt/made", "/opt/made/tls"],
        "files": [line("key"), line("crt")]});
    image.file("var/lib/certbake/journal.json", &journal.to_string(), 0o600);
    for (path, text) in files {
        image.file(path, text, 0o600);
    }
    image
}

fn both() -> Vec<String> {
    vec!["/etc/key".to_owned(), "/etc/crt".to_owned()]
}

#[test]
fn an_interrupted_staging_is_shown_without_touching_it_and_then_taken_back() {
    let image = interrupted(
        "staging",
        &[("etc/key", "old"), ("etc/.certbake-key", "half")],
    );
    image.dir("opt/made/tls");
    let before = image.tree();
    let waiting = pending(&image.root()).unwrap().unwrap();
    assert_eq!(
        waiting,
        Pending {
            phase: Phase::Staging,
            files: both()
        }
    );
    assert_eq!(waiting.finding().code.as_str(), "image-interrupted");
    assert_eq!(image.tree(), before);

    assert_eq!(
        recover(&image.root()).unwrap(),
        Recovery::RolledBack { files: both() }
    );

    assert_eq!(
        image.root().list(&"/etc".parse().unwrap()).unwrap(),
        ["group", "key", "passwd"]
    );
    assert_eq!(image.text("etc/key"), "old");
    assert!(!image.path("opt/made").exists() && image.path("opt").exists());
    assert_eq!(pending(&image.root()).unwrap(), None);
}

#[test]
fn a_directory_that_has_come_into_use_is_not_removed() {
    let image = interrupted("staging", &[("opt/made/tls/other", "someone else's")]);
    recover(&image.root()).unwrap();
    assert_eq!(image.text("opt/made/tls/other"), "someone else's");
}

#[test]
fn a_landing_cut_short_between_two_swaps_is_completed() {
    let image = interrupted(
        "landing",
        &[
            ("etc/key", "new"),
            ("etc/.certbake-key", "old"),
            ("etc/crt", "old"),
            ("etc/.certbake-crt", "new"),
        ],
    );
    let staging = Staging::prepare(&image.root(), vec![slot("/etc/other", 0o600)]).unwrap();
    assert_eq!(staging.notes()[0].code.as_str(), "image-recovered");
    assert_eq!(
        (image.text("etc/key"), image.text("etc/crt")),
        ("new".into(), "new".into())
    );
    assert_eq!(
        image.root().list(&"/etc".parse().unwrap()).unwrap(),
        ["crt", "group", "key", "passwd"]
    );
}

#[test]
fn a_landing_that_was_to_change_modes_alone_is_completed() {
    let image = interrupted(
        "landing",
        &[("etc/.certbake-key", "new"), ("etc/crt", "new")],
    );
    image.file("etc/key", "new", 0o644);
    assert_eq!(
        recover(&image.root()).unwrap(),
        Recovery::Completed { files: both() }
    );
    assert_eq!(mode_of(&image.path("etc/key")), 0o600);
    assert_eq!(
        image.root().list(&"/etc".parse().unwrap()).unwrap(),
        ["crt", "group", "key", "passwd"]
    );
}

#[test]
fn a_landing_whose_taking_back_had_begun_is_taken_back() {
    let image = interrupted(
        "landing",
        &[
            ("etc/key", "old"),
            ("etc/crt", "old"),
            ("etc/.certbake-crt", "new"),
        ],
    );
    assert_eq!(
        recover(&image.root()).unwrap(),
        Recovery::RolledBack { files: both() }
    );
    assert_eq!(
        (image.text("etc/key"), image.text("etc/crt")),
        ("old".into(), "old".into())
    );
}

#[test]
fn a_set_that_is_neither_old_nor_new_is_left_for_a_human() {
    let image = interrupted("landing", &[("etc/key", "new"), ("etc/crt", "neither")]);
    let before = image.tree();
    let error = recover(&image.root()).unwrap_err();
    assert_eq!(code(&error), "image-journal-unreadable");
    assert_eq!(image.tree(), before);
}

#[test]
fn a_journal_that_cannot_be_read_stops_everything() {
    for text in [
        "{}",
        "a list of files",
        "{\"schema\":2,\"phase\":\"landing\",\"directories\":[],\"files\":[]}",
    ] {
        let image = Image::new();
        image.file("var/lib/certbake/journal.json", text, 0o600);
        let before = image.tree();
        assert_eq!(
            code(&pending(&image.root()).unwrap_err()),
            "image-journal-unreadable"
        );
        let error = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)])
            .err()
            .unwrap();
        assert_eq!(code(&error), "image-journal-unreadable");
        assert_eq!(image.tree(), before);
    }
}

/// What ext4, XFS and btrfs leave of a file that was not synced when the power failed.
#[test]
fn a_journal_torn_by_a_power_failure_is_swept_with_what_was_staged_beside_the_targets() {
    let whole = interrupted("staging", &[]).text("var/lib/certbake/journal.json");
    for torn in ["", &whole[..whole.len() / 2], &"\0".repeat(512)] {
        let image = Image::new();
        let temporary = "etc/.certbake-0123456789abcdef01234567";
        image.file("var/lib/certbake/journal.json", torn, 0o600);
        image.file(temporary, "half a PRIVATE KEY", 0o600);
        image.file("etc/.certbake-notes", "someone else's", 0o600);
        image.file("etc/key", "old", 0o600);
        let before = image.tree();

        let waiting = pending(&image.root()).unwrap().unwrap();
        assert_eq!((waiting.phase, waiting.files.len()), (Phase::Staging, 0));
        let error = recover(&image.root()).unwrap_err();
        assert_eq!(code(&error), "image-interrupted");
        assert_eq!(image.tree(), before);

        let staging = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)]).unwrap();
        assert_eq!(staging.notes()[0].code.as_str(), "image-recovered");
        drop(staging);
        assert_eq!(
            image.root().list(&"/etc".parse().unwrap()).unwrap(),
            [".certbake-notes", "group", "key", "passwd"]
        );
        assert_eq!(image.text("etc/key"), "old");
        assert_eq!(pending(&image.root()).unwrap(), None);
    }
}

/// The journal of a landing is synced together with the files it lists, so it may be on the disk alone.
#[test]
fn a_landing_whose_new_files_a_power_failure_has_torn_is_taken_back() {
    for torn in [
        &[("etc/key", "old"), ("etc/crt", "old")][..],
        &[
            ("etc/key", "old"),
            ("etc/.certbake-key", "new"),
            ("etc/crt", "old"),
            ("etc/.certbake-crt", ""),
        ],
        // The content of this one is right already: only its mode was to change.
        &[("etc/key", "old"), ("etc/.certbake-key", "new")],
    ] {
        let image = interrupted("landing", torn);
        if torn.len() == 2 && torn[1].0 == "etc/.certbake-key" {
            image.file("etc/crt", "new", 0o644);
        }
        assert_eq!(
            recover(&image.root()).unwrap(),
            Recovery::RolledBack { files: both() }
        );
        assert_eq!(image.text("etc/key"), "old");
        assert_eq!(
            image.root().list(&"/etc".parse().unwrap()).unwrap(),
            ["crt", "group", "key", "passwd"]
        );
    }
}

#[test]
fn a_file_that_was_given_another_mode_since_does_not_keep_a_landing_from_being_completed() {
    let image = interrupted(
        "landing",
        &[("etc/key", "new"), ("etc/.certbake-key", "old")],
    );
    image.file("etc/crt", "new", 0o644);
    assert_eq!(
        recover(&image.root()).unwrap(),
        Recovery::Completed { files: both() }
    );
    assert_eq!(mode_of(&image.path("etc/crt")), 0o644);
}

#[test]
fn a_hostile_journal_cannot_reach_outside_the_root_or_remove_files_of_others() {
    let image = Image::new();
    let outside = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(outside.path().join("empty")).unwrap();
    image.link("escape", outside.path().to_str().unwrap());
    let shape = shape();
    let journal = |temporary: &str, directory: &str| {
        json!({"schema": 1, "phase": "staging", "directories": ["/escape/empty", "/../../empty"], "files": [
            {"directory": directory, "name": "x", "temporary": temporary, "backup": ".certbake-b", "shape": shape}]})
    };
    std::fs::write(outside.path().join(".certbake-x"), "canary").unwrap();
    image.file(
        "var/lib/certbake/journal.json",
        &journal(".certbake-x", "/escape").to_string(),
        0o600,
    );
    recover(&image.root()).unwrap();
    assert!(outside.path().join(".certbake-x").exists() && outside.path().join("empty").exists());

    image.file(
        "var/lib/certbake/journal.json",
        &journal("passwd", "/etc").to_string(),
        0o600,
    );
    assert_eq!(
        code(&recover(&image.root()).unwrap_err()),
        "image-journal-unreadable"
    );
    assert!(image.path("etc/passwd").exists());
}
