//! What may not be written over, and file systems that do not let us: found before anything is changed.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use certbake::image::{Change, Staging, Swap};
use tempfile::TempDir;

use super::skips;
use super::support::{Image, Mount, code, content, land, mode_of, slot};

/// The code with which preparing `path` is refused; the image is as before.
fn refused(image: &Image, path: &str) -> &'static str {
    let before = image.tree();
    let error = match Staging::prepare(&image.root(), vec![slot(path, 0o600)]) {
        Err(error) => error,
        Ok(_) => panic!("{path} was prepared"),
    };
    assert_eq!(image.tree(), before);
    code(&error)
}

fn run(words: &[&str], path: &Path) -> bool {
    let run = Command::new(words[0]).args(&words[1..]).arg(path).output();
    let done = run.as_ref().is_ok_and(|run| run.status.success());
    if !done {
        skips::not_here(&format!("{words:?} {}: {run:?}", path.display()));
    }
    done
}

#[test]
fn a_fifo_is_refused_without_waiting_for_its_other_end() {
    let image = Image::new();
    assert!(run(&["mkfifo"], &image.path("etc/key")));
    assert_eq!(refused(&image, "/etc/key"), "image-not-a-file");
    assert_eq!(
        code(
            &image
                .root()
                .read(&"/etc/key".parse().unwrap(), 9)
                .unwrap_err()
        ),
        "image-not-a-file"
    );
}

#[test]
fn a_device_is_refused() {
    let image = Image::new();
    let device = image.path("etc/key");
    if Command::new("mknod")
        .arg(&device)
        .args(["c", "1", "3"])
        .status()
        .unwrap()
        .success()
    {
        assert_eq!(refused(&image, "/etc/key"), "image-not-a-file");
        assert!(
            std::fs::metadata(&device)
                .unwrap()
                .file_type()
                .is_char_device()
        );
    } else {
        skips::forbidden("no device can be made here");
    }
}

#[test]
fn a_socket_is_refused() {
    let image = Image::new();
    let _listener = UnixListener::bind(image.path("etc/key")).unwrap();
    assert_eq!(refused(&image, "/etc/key"), "image-not-a-file");
}

#[test]
fn a_directory_is_refused_and_so_is_a_link_to_one() {
    let image = Image::new();
    image.dir("etc/tls");
    image.link("etc/link", "/etc/tls");
    image.link("etc/slash", "tls/");
    image.link("etc/top", "/");
    for path in ["/etc/tls", "/etc/link", "/etc/slash", "/etc/top"] {
        assert_eq!(refused(&image, path), "image-not-a-file", "{path}");
    }
}

#[test]
fn a_passwd_that_is_a_fifo_is_refused_without_waiting() {
    let image = Image::new();
    std::fs::remove_file(image.path("etc/passwd")).unwrap();
    assert!(run(&["mkfifo"], &image.path("etc/passwd")));
    let mut key = slot("/etc/key", 0o600);
    key.owner = "app".parse().unwrap();
    assert_eq!(
        code(&Staging::prepare(&image.root(), vec![key]).err().unwrap()),
        "image-not-a-file"
    );
}

#[test]
fn a_read_only_mount_is_refused() {
    let image = Image::new();
    image.dir("etc/tls");
    let tls = image.path("etc/tls");
    let Some(_bind) = Mount::new(&["--bind", tls.to_str().unwrap()], &tls) else {
        return;
    };
    assert!(run(&["mount", "-o", "remount,ro,bind"], &tls));
    assert_eq!(refused(&image, "/etc/tls/key"), "image-read-only");
    assert_eq!(refused(&image, "/etc/tls/deeper/key"), "image-read-only");
    // Another file system of the same image is no obstacle.
    land(&image.root(), &[("/etc/key", 0o600, "key")]).unwrap();
}

#[test]
fn an_image_on_a_read_only_mount_can_be_read_but_not_prepared() {
    let image = Image::new();
    image.file("etc/key", "key", 0o600);
    let Some(_bind) = Mount::new(&["--bind", image.host().to_str().unwrap()], image.host()) else {
        return;
    };
    assert!(run(&["mount", "-o", "remount,ro,bind"], image.host()));
    assert_eq!(refused(&image, "/etc/key"), "image-read-only");
    assert_eq!(certbake::image::pending(&image.root()).unwrap(), None);
    assert_eq!(
        image.root().read(&"/etc/key".parse().unwrap(), 9).unwrap(),
        b"key"
    );
}

#[test]
fn a_mounted_file_is_overwritten_in_place_and_said_so() {
    let image = Image::new();
    image.file("etc/key", "below", 0o600);
    let Some(mount) = Mount::file_on(&image.path("etc/key"), "old and longer than the new", 0o644)
    else {
        return;
    };
    let inode = std::fs::metadata(image.path("etc/key")).unwrap().ino();

    let landed = land(
        &image.root(),
        &[("/etc/key", 0o600, "new"), ("/etc/crt", 0o644, "crt")],
    )
    .unwrap();

    assert_eq!(landed.files[0].change, Change::Written(Swap::InPlace));
    let notes: Vec<&str> = landed.notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(notes, ["image-written-in-place"]);
    assert_eq!(image.text("etc/key"), "new");
    assert_eq!(mode_of(&image.path("etc/key")), 0o600);
    assert_eq!(
        std::fs::metadata(image.path("etc/key")).unwrap().ino(),
        inode
    );
    drop(mount);
    assert_eq!(image.text("etc/key"), "below");
    assert_eq!(
        image.root().list(&"/etc".parse().unwrap()).unwrap(),
        ["crt", "group", "key", "passwd"]
    );
}

#[test]
fn a_file_mounted_after_preparing_is_overwritten_in_place_too() {
    let image = Image::new();
    image.file("etc/key", "below", 0o600);
    let staging = Staging::prepare(&image.root(), vec![slot("/etc/key", 0o600)]).unwrap();
    let Some(_mount) = Mount::file_on(&image.path("etc/key"), "old", 0o600) else {
        return;
    };
    let landed = staging
        .write(vec![content("/etc/key", "new")])
        .unwrap()
        .commit()
        .unwrap();
    assert_eq!(landed.files[0].change, Change::Written(Swap::InPlace));
    assert_eq!(image.text("etc/key"), "new");
}

#[test]
fn a_mounted_file_is_put_back_when_another_file_of_the_set_fails() {
    let image = Image::new();
    image.file("etc/a.key", "below", 0o600);
    image.file("etc/b.crt", "old certificate", 0o644);
    let Some(_mount) = Mount::file_on(&image.path("etc/a.key"), "old key", 0o640) else {
        return;
    };
    let before = image.tree();
    let staging = Staging::prepare(
        &image.root(),
        vec![slot("/etc/a.key", 0o600), slot("/etc/b.crt", 0o644)],
    );
    let staged = staging
        .unwrap()
        .write(vec![
            content("/etc/a.key", "new"),
            content("/etc/b.crt", "new"),
        ])
        .unwrap();
    std::fs::rename(image.path("etc/b.crt"), image.path("etc/moved")).unwrap();
    assert_eq!(
        code(&staged.commit().unwrap_err()),
        "image-changed-meanwhile"
    );
    std::fs::rename(image.path("etc/moved"), image.path("etc/b.crt")).unwrap();
    assert_eq!(image.tree(), before);
}

#[test]
fn a_mounted_file_that_is_read_only_is_refused() {
    let image = Image::new();
    image.file("etc/key", "below", 0o600);
    let key = image.path("etc/key");
    let Some(_mount) = Mount::file_on(&key, "old", 0o600) else {
        return;
    };
    assert!(run(&["mount", "-o", "remount,ro,bind"], &key));
    assert_eq!(refused(&image, "/etc/key"), "image-read-only");
}

/// An image on a small file system of its own.
fn small(options: &str) -> Option<(Mount, Image)> {
    let dir = TempDir::new().unwrap();
    let mount = Mount::new(&["-t", "tmpfs", "-o", options, "tmpfs"], dir.path())?;
    Some((mount, Image::within(dir)))
}

#[test]
fn a_file_system_without_inodes_left_is_refused() {
    // The top, etc, passwd, group, var, lib: one inode is left.
    let Some((_mount, image)) = small("size=1m,nr_inodes=8") else {
        return;
    };
    assert_eq!(refused(&image, "/etc/key"), "image-full");
}

#[test]
fn a_full_disk_is_refused_before_anything_is_written() {
    let Some((_mount, image)) = small("size=64k") else {
        return;
    };
    // Until nothing fits any more.
    let _ = std::fs::write(image.path("filler"), vec![0_u8; 128 * 1024]);
    assert_eq!(refused(&image, "/etc/key"), "image-full");
}

#[test]
fn a_disk_that_fills_up_while_writing_leaves_the_image_as_it_was() {
    let Some((_mount, image)) = small("size=64k") else {
        return;
    };
    image.file("etc/key", "old", 0o600);
    let before = image.tree();
    let large = "x".repeat(256 * 1024);
    let error = land(
        &image.root(),
        &[("/etc/key", 0o600, "new"), ("/opt/a/crt", 0o644, &large)],
    )
    .unwrap_err();
    assert_eq!(code(&error), "image-full");
    assert_eq!(image.tree(), before);
}

/// `chattr` with `set`, undone when dropped so that the directory can be removed.
struct Marked<'p>(&'p Path);

impl<'p> Marked<'p> {
    fn with(set: &str, path: &'p Path) -> Option<Self> {
        run(&["chattr", set], path).then_some(Self(path))
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        run(&["chattr", "-ia"], self.0);
    }
}

#[test]
fn an_immutable_or_append_only_file_is_refused() {
    let image = Image::new();
    image.file("etc/key", "old", 0o600);
    for mark in ["+i", "+a"] {
        let path = image.path("etc/key");
        let Some(_marked) = Marked::with(mark, &path) else {
            return;
        };
        assert_eq!(refused(&image, "/etc/key"), "image-immutable");
    }
}

#[test]
fn an_immutable_or_append_only_directory_is_refused() {
    let image = Image::new();
    image.dir("etc/tls");
    for mark in ["+i", "+a"] {
        let path = image.path("etc/tls");
        let Some(_marked) = Marked::with(mark, &path) else {
            return;
        };
        assert_eq!(refused(&image, "/etc/tls/key"), "image-immutable");
        assert_eq!(refused(&image, "/etc/tls/new/key"), "image-immutable");
    }
}

#[test]
fn a_root_that_is_missing_or_a_file_is_refused() {
    let image = Image::new();
    for host in ["none", "etc/passwd"] {
        let error = certbake::image::ImageRoot::open(&image.path(host)).unwrap_err();
        assert_eq!(code(&error), "image-root-unusable");
        assert!(
            error.finding().summary.contains(host),
            "{:?}",
            error.finding()
        );
    }
}
