//! Others at work on the same tree while we are.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certbake::image::{Recovery, Staging, lock_dir, recover};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::support::{Image, Tree, code, content, land, slot};

#[test]
fn a_directory_swapped_for_a_link_all_the_time_never_lets_a_file_out_of_the_root() {
    let image = Image::new();
    image.dir("etc/app");
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("key"), "canary").unwrap();
    let before = Tree::of(outside.path());
    symlink(outside.path(), image.path("etc/link")).unwrap();

    let set = |text: &str| {
        let files = [
            ("/etc/app/key", 0o600, text),
            ("/etc/app/new/crt", 0o644, text),
        ];
        land(&image.root(), &files)
    };
    let started = Instant::now();
    set("key").unwrap();
    let calm = started.elapsed();

    let stop = AtomicBool::new(false);
    let (mut landed, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (app, link) = (image.path("etc/app"), image.path("etc/link"));
            // Pauses of every length: short ones alone would let no set land on a busy machine.
            for pause in (0..60).map(|nth| calm * nth * nth / 1800).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                renameat_with(CWD, &app, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                std::thread::sleep(pause);
            }
        });
        // A refusal is quick: all of 300 may fall into one moment in which the other thread rests.
        while landed + refused < 300 || (landed.min(refused) < 10 && landed + refused < 100_000) {
            match set(&format!("key {}", landed + refused)) {
                Ok(_) => landed += 1,
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });

    assert_eq!(
        Tree::of(outside.path()),
        before,
        "something was written outside the root"
    );
    assert!(landed > 0, "never landed; {refused} refused");
    assert!(refused > 0, "never refused; {landed} landed");
    assert_eq!(recover(&image.root()).unwrap(), Recovery::Clean);
    let temporary = |path: &PathBuf| path.to_string_lossy().contains(".certbake-");
    assert!(!image.files().iter().any(temporary), "{:?}", image.files());
}

#[test]
fn a_second_run_on_the_same_image_is_told_that_one_is_at_work() {
    let image = Image::new();
    let first = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)]).unwrap();
    let error = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)])
        .err()
        .unwrap();
    assert_eq!(code(&error), "image-busy");
    assert_eq!(code(&recover(&image.root()).unwrap_err()), "image-busy");
    let staged = first.write(vec![content("/etc/key", "key")]).unwrap();
    staged.commit().unwrap();
    land(&image.root(), &[("/etc/key", 0o600, "next")]).unwrap();
}

#[test]
fn a_run_waits_a_moment_for_the_one_before_it() {
    let image = Image::new();
    let lock = lock_dir(image.host(), Duration::ZERO).unwrap();
    assert_eq!(
        code(&lock_dir(image.host(), Duration::ZERO).unwrap_err()),
        "image-busy"
    );
    std::thread::scope(|scope| {
        let second = scope.spawn(|| land(&image.root(), &[("/etc/key", 0o600, "key")]));
        drop(lock);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_file_that_appears_while_the_set_is_staged_is_not_overwritten() {
    let image = Image::new();
    let staging = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)]).unwrap();
    let staged = staging.write(vec![content("/etc/key", "ours")]).unwrap();
    image.file("etc/key", "someone else's", 0o600);
    assert_eq!(
        code(&staged.commit().unwrap_err()),
        "image-changed-meanwhile"
    );
    assert_eq!(image.text("etc/key"), "someone else's");
    assert!(!image.path("var/lib/certbake").exists());
}

#[test]
fn contents_that_do_not_match_the_slots_are_refused() {
    let image = Image::new();
    let before = image.tree();
    let prepare = || Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)]).unwrap();
    assert!(prepare().write(vec![]).is_err());
    assert!(prepare().write(vec![content("/etc/crt", "x")]).is_err());
    assert!(
        prepare()
            .write(vec![content("/etc/key", "x"), content("/etc/crt", "x")])
            .is_err()
    );
    assert_eq!(image.tree(), before);
}
