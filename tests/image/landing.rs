//! What lands, where, and with which mode and owner.

use std::fs;
use std::os::unix::fs::MetadataExt;

use certbake::image::{Change, Owner, Staging, Swap};

use super::kills::old_image;
use super::strace::{available, calls, tampered};
use super::support::{Image, Tree, app, content, land, mode_of, slot};

#[test]
fn a_set_lands_with_its_modes_and_leaves_nothing_else_behind() {
    let image = Image::new();
    image.file("etc/app/client.crt", "old certificate", 0o600);
    let before = image.tree();

    let landed = land(
        &image.root(),
        &[
            ("/etc/app/client.crt", 0o644, "new certificate"),
            ("/etc/app/tls/client.key", 0o600, "new key"),
        ],
    )
    .unwrap();

    assert_eq!(landed.files[0].change, Change::Written(Swap::Exchanged));
    assert_eq!(landed.files[1].change, Change::Written(Swap::Created));
    assert!(landed.notes.is_empty(), "{:?}", landed.notes);
    assert_eq!(image.text("etc/app/client.crt"), "new certificate");
    assert_eq!(image.text("etc/app/tls/client.key"), "new key");
    assert_eq!(mode_of(&image.path("etc/app/client.crt")), 0o644);
    assert_eq!(mode_of(&image.path("etc/app/tls/client.key")), 0o600);
    assert_eq!(mode_of(&image.path("etc/app/tls")), 0o755);
    let rest = |tree: Tree| {
        tree.without("etc/app/client.crt")
            .without("etc/app/tls")
            .without("etc/app/tls/client.key")
    };
    assert_eq!(rest(image.tree()), rest(before));
}

#[test]
fn files_that_are_right_already_keep_their_inode_and_times() {
    let image = Image::new();
    let files = [
        ("/etc/app/key", 0o600, "key"),
        ("/etc/app/crt", 0o644, "certificate"),
    ];
    land(&image.root(), &files).unwrap();
    let before = fs::metadata(image.path("etc/app/crt")).unwrap();

    let landed = land(&image.root(), &[("/etc/app/key", 0o600, "other"), files[1]]).unwrap();

    assert!(landed.files[0].change.is_written());
    assert_eq!(landed.files[1].change, Change::Unchanged);
    let after = fs::metadata(image.path("etc/app/crt")).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec(), before.ctime_nsec()),
        (after.ino(), after.mtime_nsec(), after.ctime_nsec())
    );
}

#[test]
fn a_file_that_differs_in_mode_alone_is_replaced() {
    let image = Image::new();
    image.file("etc/key", "key", 0o644);
    let landed = land(&image.root(), &[("/etc/key", 0o600, "key")]).unwrap();
    assert!(landed.files[0].change.is_written());
    assert_eq!(mode_of(&image.path("etc/key")), 0o600);
}

#[test]
fn owners_are_looked_up_in_the_images_own_databases() {
    let image = Image::new();
    let mut key = slot("/etc/key", 0o640);
    (key.owner, key.group) = (Owner::Name("app".into()), Owner::Name("app".into()));
    let staging = Staging::prepare(&image.root(), vec![key]).unwrap();
    staging
        .write(vec![content("/etc/key", "key")])
        .unwrap()
        .commit()
        .unwrap();
    let stat = fs::metadata(image.path("etc/key")).unwrap();
    assert_eq!((stat.uid(), stat.gid()), app());
    assert_eq!(stat.mode() & 0o7777, 0o640);
}

#[test]
fn a_set_that_is_dropped_leaves_the_image_as_it_was() {
    let image = Image::new();
    image.file("etc/key", "old", 0o600);
    let before = image.tree();
    let staging = Staging::prepare(
        &image.root(),
        vec![slot("/etc/key", 0o600), slot("/opt/a/b/crt", 0o644)],
    )
    .unwrap();
    assert_eq!(image.tree(), before);
    let staged = staging
        .write(vec![
            content("/etc/key", "new"),
            content("/opt/a/b/crt", "new"),
        ])
        .unwrap();
    assert_ne!(image.tree(), before);
    drop(staged);
    assert_eq!(image.tree(), before);
}

#[test]
fn nothing_is_swapped_before_it_is_on_the_disk() {
    if !available() {
        return;
    }
    let image = old_image();
    let names = ["fsync", "renameat", "renameat2", "unlinkat"];
    let calls: Vec<String> = calls(&names, &[], "land", image.host())
        .into_iter()
        .map(|call| call.name)
        .collect();
    let expected = [
        // The journal that lists what is about to be created, then the one that promises the set.
        vec!["renameat"; 2],
        // Three files and the journal; then /etc/app and /opt/tls, the journal's own directory, and
        // /var/lib, / and /opt, which got new directories.
        vec!["fsync"; 4 + 6],
        vec!["renameat2"; 3],
        vec!["fsync"; 2],
        // Two old files, the journal, its directory.
        vec!["unlinkat"; 4],
    ];
    assert_eq!(calls, expected.concat());
}

#[test]
fn a_landing_that_another_run_completes_is_on_the_disk_before_it_is_swapped() {
    if !available() {
        return;
    }
    let image = old_image();
    let kill = "fsync:signal=KILL:when=1".to_owned();
    assert_eq!(tampered(&[kill], "land", image.host()), None);
    let names = ["fsync", "renameat2"];
    let calls: Vec<String> = calls(&names, &[], "recover", image.host())
        .into_iter()
        .map(|call| call.name)
        .collect();
    let expected = [
        // Three files and the journal, /etc/app, /opt/tls and the journal's directory.
        vec!["fsync"; 4 + 3],
        vec!["renameat2"; 3],
        vec!["fsync"; 2],
    ];
    assert_eq!(calls, expected.concat());
}
