//! What this process is not allowed is found before anything is asked, and keeps no image from being
//! settled: other users' files, directories that may not be listed, descriptors.

use std::fs::{File, Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Output};

use certbake::image::{Phase, pending};
use serde_json::json;
use tempfile::{NamedTempFile, TempDir};

use super::driver::{LANDED, MANY, NEW_KEY, NEW_SET, OLD_KEY, REPORTED, driver};
use super::kills::old_image;
use super::rights::{NOBODY, as_nobody, give_away};
use super::skips;
use super::support::{Image, Mount, land};

/// An image of `nobody`, in which the key is root's alone.
fn with_a_key_of_root() -> Option<Image> {
    let image = old_image();
    give_away(image.host()).then(|| {
        chown(image.path("etc/app/client.key"), Some(0), Some(0)).unwrap();
        image
    })
}

#[test]
fn a_file_of_another_user_in_a_sticky_directory_is_refused_before_anything_is_asked() {
    let Some(image) = with_a_key_of_root() else {
        return;
    };
    chown(image.path("etc/app"), Some(0), Some(0)).unwrap();
    set_permissions(image.path("etc/app"), Permissions::from_mode(0o1777)).unwrap();
    let before = image.tree();
    let (ended, told) = as_nobody(&image, "prepare");
    assert_eq!(ended, Some(REPORTED), "{told}");
    assert!(
        told.contains("replacing another user's file in a sticky directory"),
        "{told}"
    );
    assert_eq!(image.tree(), before);

    chown(image.path("etc/app/client.key"), Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(as_nobody(&image, "prepare"), (Some(LANDED), String::new()));
}

#[test]
fn a_directory_that_may_not_be_opened_is_refused_before_anything_is_asked() {
    let image = old_image();
    if !give_away(image.host()) {
        return;
    }
    set_permissions(image.path("etc/app"), Permissions::from_mode(0o333)).unwrap();
    let (ended, told) = as_nobody(&image, "prepare");
    assert_eq!(ended, Some(REPORTED), "{told}");
    assert!(told.contains("reading and writing its directory"), "{told}");
    // There is no owner to leave out.
    assert!(!told.contains("leave owner"), "{told}");
}

fn interrupted(image: &Image, shape: &serde_json::Value) {
    let journal = json!({"schema": 1, "phase": "landing", "directories": [], "files": [
        {"directory": "/etc/app", "name": "client.key", "temporary": ".certbake-new",
         "backup": ".certbake-old", "shape": shape}]});
    image.file("var/lib/certbake/journal.json", &journal.to_string(), 0o600);
    image.file("etc/app/.certbake-new", NEW_KEY, 0o600);
    for file in ["var/lib/certbake", "var/lib/certbake/journal.json"] {
        chown(image.path(file), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    chown(
        image.path("etc/app/.certbake-new"),
        Some(NOBODY),
        Some(NOBODY),
    )
    .unwrap();
}

#[test]
fn a_landing_over_a_file_that_may_not_be_read_is_completed() {
    // Killed before the swap, then after it.
    for swapped in [false, true] {
        let Some(image) = with_a_key_of_root() else {
            return;
        };
        let digest = certbake::pki::digest::sha256_hex(NEW_KEY.as_bytes());
        interrupted(
            &image,
            &json!({"sha256": digest, "mode": 0o600, "uid": NOBODY, "gid": NOBODY}),
        );
        if swapped {
            let [key, new, aside] = ["client.key", ".certbake-new", "aside"]
                .map(|name| image.path(&format!("etc/app/{name}")));
            std::fs::rename(&key, &aside).unwrap();
            std::fs::rename(&new, &key).unwrap();
            std::fs::rename(&aside, &new).unwrap();
        }
        assert_eq!(as_nobody(&image, "recover"), (Some(LANDED), String::new()));
        assert_eq!(image.text("etc/app/client.key"), NEW_KEY);
        assert!(!image.path("etc/app/.certbake-new").exists());
        assert_eq!(pending(&image.root()).unwrap(), None);
    }
}

/// It may be the old file or the new one: only someone who may read it can tell.
#[test]
fn a_file_that_may_not_be_read_and_could_be_the_new_one_is_left_for_its_owner() {
    let Some(image) = with_a_key_of_root() else {
        return;
    };
    let digest = certbake::pki::digest::sha256_hex(OLD_KEY.as_bytes());
    interrupted(
        &image,
        &json!({"sha256": digest, "mode": 0o600, "uid": 0, "gid": 0}),
    );
    let before = image.tree();
    let (ended, told) = as_nobody(&image, "recover");
    assert_eq!(ended, Some(REPORTED), "{told}");
    assert!(told.contains("image-not-permitted"), "{told}");
    assert_eq!(image.tree(), before);
    let waiting = pending(&image.root()).unwrap().unwrap();
    assert_eq!(waiting.phase, Phase::Landing);
}

fn with_limit(words: &str, task: &str, image: &Image) -> Output {
    let script = format!("ulimit {words} 64; exec \"$0\" \"$@\"");
    driver(&["sh", "-c", &script], task, image.host())
        .env("CERTBAKE_IMAGE_TELL", "1")
        .output()
        .unwrap()
}

#[test]
fn a_set_larger_than_the_usual_limit_of_open_files_raises_it() {
    let image = old_image();
    let run = with_limit("-Sn", "land-many", &image);
    assert_eq!(run.status.code(), Some(LANDED), "{run:?}");
    let last = format!("etc/app/{}/key", MANY - 1);
    assert_eq!(image.text(&last), NEW_KEY);
}

#[test]
fn a_large_set_that_was_cut_short_is_settled_by_a_process_with_the_usual_limit() {
    let image = old_image();
    let files = (0..MANY).map(|nth| {
        let directory = format!("/etc/app/{nth}");
        image.file(&format!("{directory}/.certbake-new"), NEW_KEY, 0o600);
        json!({"directory": directory, "name": "key", "temporary": ".certbake-new",
            "backup": ".certbake-old", "shape": {"sha256": "", "mode": 0o600, "uid": 0, "gid": 0}})
    });
    let files: Vec<_> = files.collect();
    let journal = json!({"schema": 1, "phase": "staging", "directories": [], "files": files});
    let at = "var/lib/certbake/journal.json";
    image.file(at, &journal.to_string(), 0o600);
    let run = with_limit("-Sn", "recover", &image);
    assert_eq!(run.status.code(), Some(LANDED), "{run:?}");
    assert!(!image.path(at).exists() && !image.path("etc/app/0/.certbake-new").exists());
}

#[test]
fn a_set_larger_than_the_limit_of_open_files_allows_is_refused_before_anything_is_asked() {
    let image = old_image();
    let before = image.tree();
    let run = with_limit("-n", "prepare-many", &image);
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(REPORTED), "{told}");
    assert!(told.contains("limit of open files"), "{told}");
    assert_eq!(image.tree(), before);
}

/// ext4 keeps every twentieth block back, by default.
#[test]
fn root_lands_files_in_the_blocks_that_are_kept_for_root() {
    let (file, at) = (NamedTempFile::new().unwrap(), TempDir::new().unwrap());
    file.as_file().set_len(16 << 20).unwrap();
    let source = file.path().to_str().unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", source]).status();
    if !made.is_ok_and(|status| status.success()) {
        return skips::skipped("mkfs.ext4 makes no file system here");
    }
    let Some(_mount) = Mount::new(&["-o", "loop", source], at.path()) else {
        return;
    };
    let image = Image::within(at);
    // To the last block, then some of those that are kept back are given free again.
    let fill = File::create(image.path("fill")).unwrap();
    while (&fill).write(&[0; 1024]).is_ok() {}
    let length = fill.metadata().unwrap().len();
    fill.set_len(length - 300 * 1024).unwrap();
    fill.sync_all().unwrap();
    let held = rustix::fs::statvfs(image.host()).unwrap();
    assert!(held.f_bavail == 0 && held.f_bfree > 0);
    land(&image.root(), &NEW_SET).unwrap();
}
