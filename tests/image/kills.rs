//! kill -9 before every system call that changes anything: what is left is the old set, the new set,
//! or a state that the next run takes back or completes.

use std::path::{Path, PathBuf};

use certbake::image::{Phase, Recovery, pending, recover};

use super::driver::{LANDED, NEW_SET, OLD_KEY, REPORTED};
use super::strace::{Call, available, calls, on_all_processors, tampered};
use super::support::{Image, Mount, Tree, mode_of};

/// Every call that can change a file system. Between two of them nothing changes, so a kill before
/// each, and none, leaves every state there is.
const CHANGING: [&str; 15] = [
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
    "flock",
];

/// An image with the old set: a key and a certificate, and no directory for the chain.
pub fn old_image() -> Image {
    let image = Image::new();
    image.file("etc/app/client.key", OLD_KEY, 0o600);
    image.file("etc/app/client.crt", "the old certificate", 0o644);
    image
}

/// What is mounted on files of the image, and the image.
pub struct Arranged {
    pub mounts: Vec<Mount>,
    pub image: Image,
}

impl From<Image> for Arranged {
    fn from(image: Image) -> Self {
        Self {
            mounts: Vec::new(),
            image,
        }
    }
}

/// The old set, with something mounted on its key; no mount where we may not.
pub fn key_mounted() -> Arranged {
    let image = old_image();
    let mount = Mount::file_on(&image.path("etc/app/client.key"), OLD_KEY, 0o600);
    Arranged {
        mounts: mount.into_iter().collect(),
        image,
    }
}

struct Sweep<'a> {
    arrange: &'a (dyn Fn() -> Arranged + Sync),
    task: &'a str,
    /// Done to the driver besides the kill.
    inject: Vec<String>,
    /// How the driver ends when it is not killed.
    ends: i32,
}

impl Sweep<'_> {
    fn run(&self) {
        let arranged = (self.arrange)();
        let calls = calls(&CHANGING, &self.inject, self.task, arranged.image.host());
        drop(arranged);
        assert!(calls.len() > 10, "{calls:?}");
        on_all_processors(&calls, |call| self.kill_before(call));
        let arranged = (self.arrange)();
        let ended = tampered(&self.inject, self.task, arranged.image.host());
        assert_eq!(ended, Some(self.ends));
    }

    fn kill_before(&self, call: &Call) {
        if self
            .inject
            .iter()
            .any(|rule| rule.starts_with(&format!("{}:", call.name)))
        {
            // One call takes one rule. The state is that after the call before.
            return;
        }
        let arranged = (self.arrange)();
        let image = &arranged.image;
        let old = old_image().tree().without_times();
        let mut inject = self.inject.clone();
        inject.push(format!("{}:signal=KILL:when={}", call.name, call.nth));
        let ended = tampered(&inject, self.task, image.host());
        assert_eq!(ended, None, "{call:?} was not reached");

        settles(image, &old, call);
    }
}

/// The next run finds the old set or the new one, or makes one of the two of what is there.
pub fn settles(image: &Image, old: &Tree, call: &Call) {
    no_key_is_open_to_others(image, call);
    let waiting = pending(&image.root()).unwrap();
    let recovery = recover(&image.root()).unwrap();
    let now = image.tree().without_times().without("var/lib/certbake");
    match recovery {
        Recovery::RolledBack { .. } => assert_eq!(&now, old, "{call:?}"),
        Recovery::Completed { .. } => {
            assert_eq!(waiting.unwrap().phase, Phase::Landing, "{call:?}");
            assert_new(image, &now, old, call);
        }
        Recovery::Clean if now == *old => {}
        Recovery::Clean => assert_new(image, &now, old, call),
    }
    no_key_is_open_to_others(image, call);
    assert_eq!(recover(&image.root()).unwrap(), Recovery::Clean);
}

pub fn no_key_is_open_to_others(image: &Image, call: &Call) {
    for path in image.files() {
        let content = std::fs::read(&path).unwrap();
        if String::from_utf8_lossy(&content).contains("PRIVATE") {
            assert_eq!(
                mode_of(&path) & 0o077,
                0,
                "{} after {call:?}",
                path.display()
            );
        }
    }
}

/// The new set is whole, and nothing else has changed.
pub fn assert_new(image: &Image, now: &Tree, old: &Tree, call: &Call) {
    for (path, mode, text) in NEW_SET {
        assert_eq!(image.text(path), text, "{call:?}");
        assert_eq!(mode_of(&image.path(path)), mode, "{call:?}");
    }
    let ours = |path: &Path| {
        path.starts_with("opt") || NEW_SET.iter().any(|file| Path::new(&file.0[1..]) == path)
    };
    let rest = |tree: &Tree| -> Vec<(PathBuf, String)> {
        tree.0
            .iter()
            .filter(|(path, _)| !ours(path))
            .map(|(path, shown)| (path.clone(), shown.clone()))
            .collect()
    };
    assert_eq!(rest(now), rest(old), "{call:?}");
}

#[test]
fn a_kill_while_a_set_lands_leaves_the_old_set_or_the_new_one() {
    if available() {
        let arrange = || old_image().into();
        Sweep {
            arrange: &arrange,
            task: "land",
            inject: vec![],
            ends: LANDED,
        }
        .run();
    }
}

#[test]
fn a_kill_on_a_file_system_without_exchange_leaves_the_old_set_or_the_new_one() {
    if available() {
        let arrange = || old_image().into();
        let inject = vec!["renameat2:error=EINVAL".to_owned()];
        Sweep {
            arrange: &arrange,
            task: "land",
            inject,
            ends: LANDED,
        }
        .run();
    }
}

#[test]
fn a_kill_on_a_file_system_without_exchange_or_hard_links_leaves_the_old_set_or_the_new_one() {
    if available() {
        let arrange = || old_image().into();
        let inject = vec![
            "renameat2:error=EINVAL".to_owned(),
            "linkat:error=EPERM".to_owned(),
        ];
        Sweep {
            arrange: &arrange,
            task: "land",
            inject,
            ends: LANDED,
        }
        .run();
    }
}

#[test]
fn a_kill_while_a_mounted_file_is_overwritten_leaves_the_old_set_or_the_new_one() {
    if available() && !key_mounted().mounts.is_empty() {
        Sweep {
            arrange: &key_mounted,
            task: "land",
            inject: vec![],
            ends: LANDED,
        }
        .run();
    }
}

#[test]
fn a_kill_while_a_failed_set_is_taken_back_leaves_the_old_set_or_the_new_one() {
    if !available() {
        return;
    }
    // The last sync follows the last swap: everything is taken back from there.
    let image = old_image();
    let syncs = calls(&["fsync"], &[], "land", image.host());
    let last = syncs.last().unwrap().nth;
    let arrange = || old_image().into();
    let inject = vec![format!("fsync:error=EIO:when={last}")];
    Sweep {
        arrange: &arrange,
        task: "land",
        inject,
        ends: REPORTED,
    }
    .run();
}

#[test]
fn a_kill_while_an_interrupted_run_is_completed_leaves_it_to_the_next() {
    kill_while_recovering("renameat2", 2);
}

#[test]
fn a_kill_while_an_interrupted_run_is_taken_back_leaves_it_to_the_next() {
    kill_while_recovering("mkdirat", 3);
}

/// What a run left that was killed before its `nth` call of `name`.
fn kill_while_recovering(name: &str, nth: usize) {
    if available() {
        let arrange = || cut_short(name, nth);
        Sweep {
            arrange: &arrange,
            task: "recover",
            inject: vec![],
            ends: LANDED,
        }
        .run();
    }
}

/// An image in which a run was killed before its `nth` call of `name`.
fn cut_short(name: &str, nth: usize) -> Arranged {
    let image = old_image();
    let kill = format!("{name}:signal=KILL:when={nth}");
    assert_eq!(tampered(&[kill], "land", image.host()), None);
    assert!(pending(&image.root()).unwrap().is_some());
    image.into()
}
