//! EIO and ENOSPC from every system call: an error means that the old set is there byte for byte.

use std::path::PathBuf;

use certbake::image::{pending, recover};

use super::driver::{LANDED, REPORTED};
use super::kills::{
    Arranged, assert_new, key_mounted, no_key_is_open_to_others, old_image, settles,
};
use super::strace::{Call, available, calls, on_all_processors, tampered};
use super::support::Tree;

const WRITING: [&str; 14] = [
    "openat",
    "mkdirat",
    "write",
    "fchmod",
    "fchown",
    "fsetxattr",
    "fremovexattr",
    "ftruncate",
    "utimensat",
    "fsync",
    "linkat",
    "renameat",
    "renameat2",
    "unlinkat",
];

const READING: [&str; 9] = [
    "openat2",
    "statx",
    "fstatfs",
    "faccessat2",
    "flock",
    "read",
    "fgetxattr",
    "getdents64",
    "getrandom",
];

#[test]
fn a_failing_system_call_leaves_the_old_set_or_is_survived_by_the_new_one() {
    if !available() {
        return;
    }
    let image = old_image();
    let mut faults = Vec::new();
    for call in calls(&WRITING, &[], "land", image.host()) {
        faults.push((call.clone(), "EIO"));
        faults.push((call, "ENOSPC"));
    }
    let image = old_image();
    faults.extend(
        calls(&READING, &[], "land", image.host())
            .into_iter()
            .map(|call| (call, "EIO")),
    );
    on_all_processors(&faults, |(call, error)| {
        fail(old_image().into(), call, &[], error)
    });
}

#[test]
fn a_failing_system_call_where_nothing_can_be_exchanged_leaves_the_old_set_too() {
    if !available() {
        return;
    }
    let inject = ["renameat2:error=EINVAL".to_owned()];
    let image = old_image();
    let calls = calls(
        &["linkat", "renameat", "unlinkat", "fsync"],
        &inject,
        "land",
        image.host(),
    );
    assert!(calls.iter().any(|call| call.name == "linkat"));
    on_all_processors(&calls, |call| {
        fail(old_image().into(), call, &inject, "EIO")
    });
}

#[test]
fn a_system_call_that_fails_from_some_moment_on_leaves_the_old_set_or_a_journal_for_the_next_run() {
    if !available() {
        return;
    }
    let image = old_image();
    let calls = calls(&WRITING, &[], "land", image.host());
    on_all_processors(&calls, |call| {
        let image = old_image();
        let before = image.tree();
        let inject = format!("{}:error=EIO:when={}+", call.name, call.nth);
        let ended = tampered(&[inject], "land", image.host());
        assert!(
            matches!(ended, Some(LANDED | REPORTED)),
            "{call:?}: {ended:?}"
        );
        if ended == Some(REPORTED) && pending(&image.root()).unwrap().is_none() {
            // A torn journal may be left in our own directory, for the next run to sweep.
            let ours = |path: &PathBuf| path.starts_with("var/lib/certbake");
            let rest = image
                .tree()
                .0
                .into_iter()
                .filter(|(path, _)| !ours(path))
                .collect();
            assert_eq!(Tree(rest), before, "{call:?}");
        }
        settles(&image, &before.without_times(), call);
    });
}

#[test]
fn a_failing_system_call_while_a_mounted_file_is_overwritten_leaves_the_old_set_too() {
    let first = key_mounted();
    if !available() || first.mounts.is_empty() {
        return;
    }
    let names = [
        "openat",
        "write",
        "ftruncate",
        "fchmod",
        "utimensat",
        "read",
        "fsync",
        "renameat2",
        "unlinkat",
    ];
    let calls = calls(&names, &[], "land", first.image.host());
    assert!(calls.iter().any(|call| call.name == "ftruncate"));
    on_all_processors(&calls, |call| fail(key_mounted(), call, &[], "EIO"));
}

fn fail(arranged: Arranged, call: &Call, inject: &[String], error: &str) {
    let image = &arranged.image;
    let before = image.tree();
    let mut inject = inject.to_vec();
    inject.push(format!("{}:error={error}:when={}", call.name, call.nth));
    let ended = tampered(&inject, "land", image.host());
    no_key_is_open_to_others(image, call);
    match ended {
        Some(REPORTED) => assert_eq!(image.tree(), before, "{call:?} {error}"),
        Some(LANDED) => {
            // Only removing the old files may have failed; they are told of, and the next run's work.
            recover(&image.root()).unwrap();
            let now = image.tree().without_times().without("var/lib/certbake");
            assert_new(image, &now, &before.without_times(), call);
        }
        other => panic!("{call:?} {error}: the driver ended with {other:?}"),
    }
}
