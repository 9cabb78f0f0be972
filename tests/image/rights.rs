//! Modes, owners, access lists and labels: exactly as asked, whoever runs us and with whatever umask.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use certbake::image::{Owner, Staging};

use super::driver::{LANDED, NEW_KEY, NEW_SET, OLD_KEY, REPORTED, driver};
use super::kills::old_image;
use super::skips;
use super::strace::available;
use super::support::{Image, Mount, app, code, contents, land, mode_of, slot, slots};

#[test]
fn modes_are_exact_whatever_the_umask() {
    let mut umasks = vec!["000", "077", "777"];
    if !skips::is_root() {
        skips::skipped("with umask 777 only root can open what it makes");
        umasks.pop();
    }
    for umask in umasks {
        let image = old_image();
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let ended = driver(&["sh", "-c", &script], "land", image.host())
            .output()
            .unwrap()
            .status
            .code();
        assert_eq!(ended, Some(LANDED));
        for (path, mode, _) in NEW_SET {
            assert_eq!(
                mode_of(&image.path(path)),
                mode,
                "{path} with umask {umask}"
            );
        }
        assert_eq!(mode_of(&image.path("opt/tls")), 0o755);
    }
}

pub const NOBODY: u32 = 65534;

/// The driver run by a user who is not root.
pub fn as_nobody(image: &Image, task: &str) -> (Option<i32>, String) {
    let words = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--no-new-privs",
    ];
    let run = driver(&words, task, image.host())
        .env("CERTBAKE_IMAGE_TELL", "1")
        .output()
        .unwrap();
    (
        run.status.code(),
        String::from_utf8_lossy(&run.stderr).into_owned(),
    )
}

/// Gives the whole image to `nobody`, as the owner of an unpacked tree; `false` where we may not.
pub fn give_away(path: &Path) -> bool {
    let owner = format!("{NOBODY}:{NOBODY}");
    let done = Command::new("chown")
        .args(["-R", &owner])
        .arg(path)
        .status()
        .unwrap()
        .success();
    if !done {
        skips::skipped("files cannot be given to another user here");
    }
    // The driver is this binary: its directories must be open to that user too.
    let binary = std::env::current_exe().unwrap();
    let open = binary.ancestors().all(|above| mode_of(above) & 0o001 != 0);
    if !open {
        skips::not_here("the directories of this test binary are closed to other users");
    }
    done && open
}

#[test]
fn the_owner_of_a_tree_lands_files_in_it_without_being_root() {
    let image = old_image();
    if give_away(image.host()) {
        assert_eq!(as_nobody(&image, "land"), (Some(LANDED), String::new()));
        for (path, mode, text) in NEW_SET {
            let stat = std::fs::metadata(image.path(path)).unwrap();
            assert_eq!(
                (stat.uid(), stat.gid(), stat.mode() & 0o777),
                (NOBODY, NOBODY, mode)
            );
            assert_eq!(image.text(path), text);
        }
    }
}

#[test]
fn a_user_who_may_not_write_the_journal_is_told_so_and_nothing_is_changed() {
    let image = old_image();
    if give_away(image.host()) {
        std::os::unix::fs::chown(image.path("var/lib"), Some(0), Some(0)).unwrap();
        let before = image.tree();
        let (ended, told) = as_nobody(&image, "land");
        assert_eq!(ended, Some(REPORTED));
        assert!(
            told.contains("image-not-permitted") && told.contains("/var/lib/certbake"),
            "{told}"
        );
        assert_eq!(image.tree(), before);
    }
}

#[test]
fn a_user_who_is_not_root_is_refused_another_owner_before_anything_is_asked() {
    let image = old_image();
    if give_away(image.host()) {
        let before = image.tree();
        let (ended, told) = as_nobody(&image, "prepare-for-app");
        assert_eq!(ended, Some(REPORTED));
        assert!(told.contains("giving a file to another user"), "{told}");
        // The whole tree is this user's already.
        assert!(told.contains("hint: \"only root may"), "{told}");
        assert_eq!(image.tree(), before);
    }
}

#[test]
fn a_missing_owner_is_refused_with_the_names_there_are() {
    let image = Image::new();
    let mut key = slot("/etc/key", 0o600);
    key.owner = Owner::Name("ap".into());
    let error = Staging::prepare(&image.root(), vec![key]).err().unwrap();
    let finding = error.finding();
    assert_eq!(finding.code.as_str(), "image-owner-missing");
    assert_eq!(
        finding.summary,
        "looking up the owner \"ap\" of /etc/key: /etc/passwd in the image has root, app"
    );
    assert_eq!(finding.hint, "did you mean \"app\"?");
    assert_eq!(finding.facts["known"], serde_json::json!(["root", "app"]));
}

#[test]
fn a_missing_group_is_looked_for_among_the_groups() {
    let image = Image::new();
    image.file("etc/group", "root:x:0:\nsys:x:3:\n", 0o644);
    let mut key = slot("/etc/key", 0o600);
    key.group = Owner::Name("tls".into());
    let error = Staging::prepare(&image.root(), vec![key]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "looking up the group \"tls\" of /etc/key: /etc/group in the image has root, sys"
    );
    // Nobody who wrote "tls" meant "sys".
    let hint = error.finding().hint;
    assert!(hint.starts_with("add \"tls\" to /etc/group"), "{hint}");
}

#[test]
fn names_in_an_image_without_passwd_are_refused_and_numbers_are_not() {
    let image = Image::new();
    std::fs::remove_file(image.path("etc/passwd")).unwrap();
    let mut key = slot("/etc/key", 0o600);
    key.owner = Owner::Name("root".into());
    let error = Staging::prepare(&image.root(), vec![key.clone()])
        .err()
        .unwrap();
    assert_eq!(code(&error), "image-owner-missing");
    assert!(
        error.to_string().ends_with("the image has no /etc/passwd"),
        "{error}"
    );
    let hint = error.finding().hint;
    assert!(
        hint.starts_with("check --root, where /etc/passwd"),
        "{hint}"
    );
    key.owner = Owner::Id(app().0);
    assert!(Staging::prepare(&image.root(), vec![key]).is_ok());
}

#[test]
fn names_are_looked_up_through_the_images_own_links() {
    let image = Image::new();
    // As NixOS and some read-only images have it.
    std::fs::rename(image.path("etc/passwd"), image.path("var/lib/passwd")).unwrap();
    image.link("etc/passwd", "/var/lib/passwd");
    let mut key = slot("/etc/key", 0o600);
    key.owner = Owner::Name("app".into());
    assert_eq!(
        Staging::rehearse(&image.root(), vec![key]).unwrap()[0].uid,
        app().0
    );
}

/// Reading and writing for user 1001, as setfacl(1) would store it: a version, then tag, permissions
/// and id of each entry, little-endian (linux/posix_acl_xattr.h).
fn access_list_for_app() -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 7, NO_ID),
        (0x02, 6, 1001),
        (0x04, 5, NO_ID),
        (0x10, 7, NO_ID),
        (0x20, 0, NO_ID),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

#[test]
fn a_default_access_list_of_the_directory_does_not_open_a_key_to_others() {
    let image = Image::new();
    image.dir("etc/tls");
    let (list, flags) = (access_list_for_app(), rustix::fs::XattrFlags::empty());
    let set = rustix::fs::setxattr(
        image.path("etc/tls"),
        "system.posix_acl_default",
        &list,
        flags,
    );
    if let Err(error) = set {
        let at = image.host().display();
        return skips::not_here(&format!("no access lists on {at}: {error}"));
    }
    image.file("etc/tls/other", "inherits the list", 0o640);
    assert!(access_list(&image.path("etc/tls/other")).is_some());

    land(&image.root(), &[("/etc/tls/key", 0o640, "key")]).unwrap();

    assert_eq!(access_list(&image.path("etc/tls/key")), None);
    assert_eq!(mode_of(&image.path("etc/tls/key")), 0o640);
}

fn access_list(path: &Path) -> Option<Vec<u8>> {
    let mut list = [0_u8; 256];
    match rustix::fs::getxattr(path, "system.posix_acl_access", &mut list) {
        Ok(length) => Some(list[..length].to_vec()),
        Err(rustix::io::Errno::NODATA) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_access_list_of_a_mounted_file_does_not_open_a_key_to_others_and_comes_back_with_the_old_one()
{
    let image = old_image();
    let key = image.path("etc/app/client.key");
    let Some(_mount) = Mount::file_on(&key, OLD_KEY, 0o600) else {
        return;
    };
    let (list, flags) = (access_list_for_app(), rustix::fs::XattrFlags::empty());
    if let Err(error) = rustix::fs::setxattr(&key, "system.posix_acl_access", &list, flags) {
        let at = key.display();
        return skips::not_here(&format!("no access lists on {at}: {error}"));
    }
    let (before, mode) = (access_list(&key), mode_of(&key));
    let set = [("/etc/app/client.key", 0o640, NEW_KEY), NEW_SET[1]];
    let staged = Staging::prepare(&image.root(), slots(&set))
        .and_then(|staging| staging.write(contents(&set)))
        .unwrap();
    // Another file than the one that was there, so that the landing stops after the key.
    std::fs::remove_file(image.path("etc/app/client.crt")).unwrap();
    assert_eq!(
        code(&staged.commit().unwrap_err()),
        "image-changed-meanwhile"
    );
    assert_eq!((access_list(&key), mode_of(&key)), (before, mode));
    assert_eq!(image.text("etc/app/client.key"), OLD_KEY);

    land(&image.root(), &set).unwrap();
    assert_eq!((access_list(&key), mode_of(&key)), (None, 0o640));
    assert_eq!(image.text("etc/app/client.key"), NEW_KEY);
}

const LABEL: &str = "security.selinux";

fn set_label(path: &Path, label: &str) -> bool {
    let set = rustix::fs::setxattr(
        path,
        LABEL,
        label.as_bytes(),
        rustix::fs::XattrFlags::empty(),
    );
    if let Err(error) = set {
        let at = path.display();
        skips::not_here(&format!("no SELinux labels on {at}: {error}"));
    }
    set.is_ok()
}

fn label(path: &Path) -> String {
    let mut label = [0_u8; 256];
    let length = rustix::fs::getxattr(path, LABEL, &mut label).unwrap();
    String::from_utf8_lossy(&label[..length])
        .trim_end_matches('\0')
        .to_owned()
}

#[test]
fn a_file_gets_the_label_of_the_one_it_replaces_or_of_its_directory() {
    let image = Image::new();
    image.file("etc/tls/old.key", "old", 0o600);
    let labelled = set_label(&image.path("etc/tls"), "system_u:object_r:cert_t:s0\0")
        && set_label(
            &image.path("etc/tls/old.key"),
            "system_u:object_r:special_t:s0\0",
        );
    if !labelled {
        return;
    }
    let landed = land(
        &image.root(),
        &[
            ("/etc/tls/old.key", 0o600, "a"),
            ("/etc/tls/new.key", 0o600, "b"),
            ("/etc/tls/sub/key", 0o600, "c"),
        ],
    );
    assert!(landed.unwrap().notes.is_empty());
    assert_eq!(
        label(&image.path("etc/tls/old.key")),
        "system_u:object_r:special_t:s0"
    );
    for new in ["etc/tls/new.key", "etc/tls/sub", "etc/tls/sub/key"] {
        assert_eq!(
            label(&image.path(new)),
            "system_u:object_r:cert_t:s0",
            "{new}"
        );
    }
}

#[test]
fn a_label_that_cannot_be_set_is_told_and_the_files_land() {
    let image = old_image();
    if available() && set_label(&image.path("etc/app"), "system_u:object_r:cert_t:s0\0") {
        let refuse = [
            "strace",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "inject=fsetxattr:error=EPERM",
        ];
        let run = driver(&refuse, "land-and-tell", image.host())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(LANDED), "{told}");
        assert_eq!(told.matches("image-label-not-set").count(), 2, "{told}");
        assert_eq!(image.text("etc/app/client.key"), NEW_KEY);
    }
}
