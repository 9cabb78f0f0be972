//! Paths resolve inside the image root, whatever links and `..` are on the way.

use certbake::image::{Change, ImageError, Places, Staging, Swap};
use tempfile::TempDir;

use super::driver::{LANDED, NEW_KEY, driver};
use super::skips;
use super::strace::{available, tampered};
use super::support::{Image, Mount, Tree, code, land, slot};

/// Lands a key at `path` and returns where in the image it is then.
fn lands_at(image: &Image, path: &str) -> String {
    let landed = land(&image.root(), &[(path, 0o600, "landed here")]).unwrap();
    assert!(landed.files[0].change.is_written());
    let found = image
        .files()
        .into_iter()
        .find(|file| std::fs::read(file).unwrap() == b"landed here");
    let found = found.expect("it landed inside the root");
    format!("/{}", found.strip_prefix(image.host()).unwrap().display())
}

fn refused(image: &Image, path: &str) -> ImageError {
    let before = image.tree();
    let error = land(&image.root(), &[(path, 0o600, "never")]).unwrap_err();
    assert_eq!(image.tree(), before);
    error
}

#[test]
fn an_absolute_link_leads_into_the_image_and_not_into_the_host() {
    let image = Image::new();
    image.dir("data/pki");
    image.link("etc/pki", "/data/pki");
    assert_eq!(
        lands_at(&image, "/etc/pki/client.key"),
        "/data/pki/client.key"
    );
}

#[test]
fn a_link_to_the_hosts_etc_stays_inside_the_root() {
    let image = Image::new();
    let outside = TempDir::new().unwrap();
    let host = outside.path().to_str().unwrap();
    // The same path exists outside the root and inside it.
    image.dir(&format!("{host}/tls"));
    std::fs::create_dir(outside.path().join("tls")).unwrap();
    image.link("app", host);
    assert_eq!(lands_at(&image, "/app/tls/key"), format!("{host}/tls/key"));
    assert_eq!(Tree::of(outside.path()).0.len(), 1);
}

#[test]
fn steps_above_the_root_end_at_the_root() {
    let image = Image::new();
    image.dir("etc/app");
    assert_eq!(
        lands_at(&image, "/etc/app/../../../../../etc/key"),
        "/etc/key"
    );
    image.link("etc/up", "../../../../../../etc/app");
    assert_eq!(lands_at(&Image::new(), "/../../key"), "/key");
    assert_eq!(lands_at(&image, "/etc/up/key"), "/etc/app/key");
}

#[test]
fn a_parent_step_after_a_link_goes_to_the_parent_of_what_it_points_to() {
    let image = Image::new();
    image.dir("data/deep/pki");
    image.link("etc/pki", "/data/deep/pki");
    assert_eq!(lands_at(&image, "/etc/pki/../key"), "/data/deep/key");
}

#[test]
fn links_through_links_are_followed() {
    let image = Image::new();
    image.dir("data/pki");
    image.link("etc/one", "two");
    image.link("etc/two", "/etc/three");
    image.link("etc/three", "../data/./pki/");
    assert_eq!(lands_at(&image, "/etc/one/key"), "/data/pki/key");
}

#[test]
fn a_link_at_the_end_stays_and_the_file_it_points_to_is_replaced() {
    let image = Image::new();
    image.file("data/real.key", "old", 0o644);
    image.link("etc/app.key", "../data/real.key");
    let planned = Staging::rehearse(&image.root(), vec![slot("/etc/app.key", 0o600)]).unwrap();
    assert_eq!(planned[0].lands_at, "/etc/../data/real.key");
    let landed = land(&image.root(), &[("/etc/app.key", 0o600, "new")]).unwrap();
    assert_eq!(landed.files[0].change, Change::Written(Swap::Exchanged));
    assert_eq!(image.text("data/real.key"), "new");
    assert_eq!(
        std::fs::read_link(image.path("etc/app.key"))
            .unwrap()
            .to_str(),
        Some("../data/real.key")
    );
}

#[test]
fn a_dangling_link_at_the_end_has_its_target_created_where_its_directory_exists() {
    let image = Image::new();
    image.dir("data");
    image.link("etc/app.key", "/data/real.key");
    assert_eq!(lands_at(&image, "/etc/app.key"), "/data/real.key");
}

#[test]
fn a_dangling_link_into_a_missing_directory_is_refused_in_words() {
    let image = Image::new();
    image.link("etc/app.key", "/data/real.key");
    let error = refused(&image, "/etc/app.key");
    assert_eq!(code(&error), "image-link-broken");
    assert_eq!(
        error.to_string(),
        "following the symbolic link /etc/app.key on the way to /etc/app.key: \
         it points to /data/real.key, whose directory does not exist in the image"
    );
}

#[test]
fn no_directory_is_created_through_a_dangling_link() {
    let image = Image::new();
    image.link("etc/pki", "/data/pki");
    let error = refused(&image, "/etc/pki/tls/key");
    assert_eq!(code(&error), "image-link-broken");
    assert!(error.to_string().contains("link /etc/pki "), "{error}");
}

#[test]
fn links_in_a_circle_are_refused() {
    let image = Image::new();
    image.link("etc/a", "b");
    image.link("etc/b", "/etc/a");
    for path in ["/etc/a", "/etc/a/key"] {
        let error = refused(&image, path);
        assert_eq!(code(&error), "image-link-broken", "{error}");
        assert!(
            error.to_string().contains("/etc/a") && error.to_string().contains("in a loop"),
            "{error}"
        );
    }
}

#[test]
fn a_link_that_the_kernel_leads_is_refused_and_is_not_told_as_a_loop() {
    let image = Image::new();
    image.dir("proc");
    let Some(_proc) = Mount::new(&["-t", "proc", "proc"], &image.path("proc")) else {
        return;
    };
    image.link("etc/app", "/proc/self/cwd");
    for (path, link) in [
        ("/etc/app/key", "/etc/app"),
        ("/proc/self/root/key", "/proc/self/root"),
    ] {
        // Not all that is in /proc can be read, so the tree is not compared.
        let error = land(&image.root(), &[(path, 0o600, "never")]).unwrap_err();
        assert_eq!(code(&error), "image-link-broken", "{error}");
        let told = error.to_string();
        let way = told.contains("by way of /proc, which may lead out of the image");
        assert!(way && told.contains(&format!("link {link} ")), "{told}");
    }
}

#[test]
fn a_chain_of_more_than_forty_links_is_refused() {
    let image = Image::new();
    for step in 0..45 {
        image.link(&format!("etc/{step}"), &format!("{}", step + 1));
    }
    assert_eq!(code(&refused(&image, "/etc/0")), "image-link-broken");
    assert_eq!(lands_at(&image, "/etc/10"), "/etc/45");
}

#[test]
fn two_placements_of_one_file_are_refused_however_they_are_spelled() {
    let image = Image::new();
    image.file("data/key", "old", 0o600);
    image.link("etc/key", "/data/key");
    image.link("etc/data", "/data");
    std::fs::hard_link(image.path("data/key"), image.path("etc/hard")).unwrap();
    for other in [
        "/data/key",
        "/etc/key",
        "/etc/data/key",
        "/data/../data/key",
        "/etc/hard",
    ] {
        let error = land(
            &image.root(),
            &[("/data/key", 0o600, "a"), (other, 0o600, "b")],
        )
        .unwrap_err();
        assert_eq!(code(&error), "image-placements-collide", "{other}");
    }
    for (first, second, how) in [
        (
            "/new/key",
            "/new/key/b",
            "is a file where this path needs a directory",
        ),
        (
            "/new/key/b",
            "/new/key",
            "needs a directory where this path is a file",
        ),
        ("/new/key", "/new/key", "is the same file"),
    ] {
        let error = land(&image.root(), &[(first, 0o600, "a"), (second, 0o600, "b")]).unwrap_err();
        assert_eq!(code(&error), "image-placements-collide");
        let told = format!("at {second}: private key at {first} {how}");
        assert!(error.to_string().ends_with(&told), "{error}");
    }
    assert_eq!(image.text("data/key"), "old");
}

#[test]
fn the_journals_own_name_is_not_a_placement() {
    let image = Image::new();
    let error = refused(&image, "/var/lib/certbake/journal.json");
    assert_eq!(code(&error), "image-placements-collide");
}

#[test]
fn a_file_where_a_directory_is_needed_is_named() {
    let image = Image::new();
    image.file("etc/app", "a file", 0o644);
    let error = refused(&image, "/etc/app/tls/key");
    assert_eq!(code(&error), "image-not-a-directory");
    assert!(
        error.to_string().ends_with("/etc/app is not a directory"),
        "{error}"
    );
}

#[test]
fn files_are_read_and_listed_through_the_same_root() {
    let image = Image::new();
    image.file("data/one.json", "{}", 0o640);
    image.file("data/two.json", "[]", 0o600);
    image.link("var/lib/certbake", "/data");
    let root = image.root();
    let path = "/var/lib/certbake/one.json".parse().unwrap();
    assert_eq!(root.read(&path, 2).unwrap(), b"{}");
    assert_eq!(
        code(&root.read(&path, 1).unwrap_err()),
        "image-file-too-large"
    );
    let (_, metadata) = Places::of(&root).read_and_examine(&path, 64).unwrap();
    assert_eq!(metadata.mode.to_string(), "0640");
    assert_eq!(
        root.list(&"/var/lib/certbake".parse().unwrap()).unwrap(),
        ["one.json", "two.json"]
    );
    assert!(root.list(&"/var/none".parse().unwrap()).unwrap().is_empty());
    assert_eq!(
        root.read_optional(&"/var/none/x".parse().unwrap(), 1)
            .unwrap(),
        None
    );
    assert_eq!(
        code(&root.read(&"/var/none/x".parse().unwrap(), 1).unwrap_err()),
        "image-file-missing"
    );
}

/// An image whose key and certificate are behind an absolute link.
fn behind_a_link() -> Image {
    let image = Image::new();
    image.file("data/app/client.key", "old", 0o600);
    image.link("etc/app", "/data/app");
    image
}

#[test]
fn without_proc_paths_resolve_all_the_same() {
    let image = behind_a_link();
    let hide = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    let run = driver(
        &["unshare", "--mount", "sh", "-c", hide],
        "land",
        image.host(),
    )
    .output()
    .unwrap();
    if String::from_utf8_lossy(&run.stderr).contains("unshare") {
        return skips::forbidden(&format!("no mount namespace of our own: {run:?}"));
    }
    assert_eq!(run.status.code(), Some(LANDED), "{run:?}");
    assert_eq!(image.text("data/app/client.key"), NEW_KEY);
}

#[test]
fn on_a_kernel_without_openat2_paths_resolve_all_the_same() {
    if !available() {
        return;
    }
    for errno in ["ENOSYS", "EPERM"] {
        let image = behind_a_link();
        let inject = format!("openat2:error={errno}");
        assert_eq!(tampered(&[inject], "land", image.host()), Some(LANDED));
        assert_eq!(image.text("data/app/client.key"), NEW_KEY);
    }
}
