//! Files outside an image: placed as a whole, appended line by line.

use std::time::Duration;

use certbake::image::{
    Mode, append_line, can_write_host_file, lock_dir, make_dir, place_file, write_host_file,
};
use tempfile::TempDir;

use super::support::{Tree, code, mode_of};

#[test]
fn a_placed_file_has_its_mode_and_replaces_the_old_one_as_a_whole() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("record.json");
    std::fs::write(&path, "old").unwrap();
    place_file(dir.path(), "record.json", Mode::new(0o640), b"new").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(mode_of(&path), 0o640);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_link_is_replaced_and_a_device_or_directory_is_refused() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("target"), "untouched").unwrap();
    std::os::unix::fs::symlink("target", dir.path().join("link")).unwrap();
    place_file(dir.path(), "link", Mode::new(0o600), b"new").unwrap();
    assert_eq!(
        std::fs::read_to_string(dir.path().join("target")).unwrap(),
        "untouched"
    );
    std::fs::create_dir(dir.path().join("directory")).unwrap();
    let before = Tree::of(dir.path());
    let error = place_file(dir.path(), "directory", Mode::new(0o600), b"new").unwrap_err();
    assert_eq!(code(&error), "image-not-a-file");
    assert_eq!(Tree::of(dir.path()), before);
}

#[test]
fn a_link_that_stands_for_a_descriptor_is_never_replaced() {
    let dir = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/proc/self/fd/1", dir.path().join("stdout")).unwrap();
    let before = Tree::of(dir.path());
    let error = place_file(dir.path(), "stdout", Mode::new(0o600), b"new").unwrap_err();
    assert_eq!(code(&error), "image-not-a-file");
    assert_eq!(Tree::of(dir.path()), before);
}

#[test]
fn what_holds_a_certificate_or_a_key_is_not_replaced_by_a_report() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("root.key");
    let text = format!(
        "{}-----BEGIN PRIVATE KEY-----\n",
        "Bag Attributes\n".repeat(9)
    );
    std::fs::write(&key, &text).unwrap();
    for refused in [can_write_host_file(&key), write_host_file(&key, b"{}")] {
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "it would overwrite a certificate or a key");
    }
    assert_eq!(std::fs::read_to_string(&key).unwrap(), text);
    let der = dir.path().join("key.der");
    std::fs::write(&der, [&[0x30, 0x82, 0x01, 0x00][..], &[2; 256]].concat()).unwrap();
    let said = write_host_file(&der, b"{}").unwrap_err().to_string();
    assert_eq!(said, "it would overwrite a certificate or a key");
    assert_eq!(std::fs::metadata(&der).unwrap().len(), 260);
    let report = dir.path().join("out/report.json");
    for text in ["{}", "{\"schema\":1}"] {
        write_host_file(&report, text.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&report).unwrap(), text);
    }
}

#[test]
fn whether_a_file_can_be_placed_is_known_before() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("directory")).unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    can_write_host_file(&dir.path().join("file")).unwrap();
    can_write_host_file(&dir.path().join("new")).unwrap();
    can_write_host_file(&dir.path().join("directory")).unwrap_err();
    can_write_host_file(&dir.path().join("missing/deep/new")).unwrap();
    can_write_host_file(&dir.path().join("file/new")).unwrap_err();
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    can_write_host_file(&dir.path().join("link/new")).unwrap_err();
    can_write_host_file(&dir.path().join("link/deep/new")).unwrap_err();
    can_write_host_file(&dir.path().join("missing/")).unwrap_err();
    write_host_file(&dir.path().join("missing/"), b"").unwrap_err();
    assert!(!dir.path().join("missing").exists());
}

#[test]
fn a_missing_directory_is_named() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("none");
    let error = place_file(&missing, "x", Mode::new(0o600), b"").unwrap_err();
    assert_eq!(
        error.finding().summary,
        format!(
            "opening the directory {}: no such file or directory",
            missing.display()
        )
    );
}

#[test]
fn lines_are_appended_and_a_torn_one_is_ended_first() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("issued.log");
    let mode = Mode::new(0o600);
    append_line(&log, mode, "one").unwrap();
    assert_eq!(mode_of(&log), 0o600);
    std::fs::write(&log, "one\ntor").unwrap();
    append_line(&log, mode, "two").unwrap();
    append_line(&log, mode, "three").unwrap();
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "one\ntor\ntwo\nthree\n"
    );
    assert_eq!(
        code(&append_line(dir.path(), mode, "x").unwrap_err()),
        "image-not-a-file"
    );
}

#[test]
fn a_made_directory_has_exactly_its_mode_and_an_old_one_is_kept() {
    let dir = TempDir::new().unwrap();
    let ca = dir.path().join("ca");
    make_dir(&ca, Mode::new(0o700)).unwrap();
    assert_eq!(mode_of(&ca), 0o700);
    make_dir(&ca, Mode::new(0o755)).unwrap();
    assert_eq!(mode_of(&ca), 0o700);
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(
        code(&make_dir(&dir.path().join("file"), Mode::new(0o700)).unwrap_err()),
        "image-not-a-directory"
    );
}

#[test]
fn a_directory_is_locked_until_the_lock_is_dropped() {
    let dir = TempDir::new().unwrap();
    let lock = lock_dir(dir.path(), Duration::ZERO).unwrap();
    let error = lock_dir(dir.path(), Duration::from_millis(1)).unwrap_err();
    assert_eq!(code(&error), "image-busy");
    drop(lock);
    // A process that another test starts at this moment holds a copy of the lock until it is that program.
    let _again = lock_dir(dir.path(), Duration::from_secs(5)).unwrap();
}
