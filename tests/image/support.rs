//! Small image roots, and the words the tests share.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use certbake::image::{Content, ImageError, ImageRoot, Landed, Mode, Owner, Slot, Staging};
use certbake::secret::Secret;
use tempfile::TempDir;

use super::skips;

/// Whoever runs the test, to whom the files belong that it makes.
pub fn running() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// User and group `app` of an image: somebody else for root, who alone can give files away.
pub fn app() -> (u32, u32) {
    match running() {
        (0, _) => (1001, 1001),
        other => other,
    }
}

/// An image root in a temporary directory: a few files, and a user [`app`].
pub struct Image {
    dir: TempDir,
}

impl Image {
    pub fn new() -> Self {
        Self::within(TempDir::new().unwrap())
    }

    pub fn within(dir: TempDir) -> Self {
        let image = Self { dir };
        let (uid, gid) = app();
        let passwd = format!("root:x:0:0:root:/root:/bin/sh\napp:x:{uid}:{gid}::/:\n");
        image.file("etc/passwd", &passwd, 0o644);
        image.file("etc/group", &format!("root:x:0:\napp:x:{gid}:\n"), 0o644);
        fs::create_dir_all(image.path("var/lib")).unwrap();
        image
    }

    pub fn host(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.host().join(relative.trim_start_matches('/'))
    }

    pub fn file(&self, relative: &str, content: &str, mode: u32) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn link(&self, relative: &str, target: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub fn dir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).unwrap();
    }

    pub fn text(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    pub fn root(&self) -> ImageRoot {
        ImageRoot::open(self.host()).unwrap()
    }

    /// Every regular file, whatever its place.
    pub fn files(&self) -> Vec<PathBuf> {
        let paths = self.tree().0.into_keys().map(|path| self.host().join(path));
        paths
            .filter(|path| fs::symlink_metadata(path).unwrap().is_file())
            .collect()
    }

    pub fn tree(&self) -> Tree {
        Tree::of(self.host())
    }
}

/// Every path below a directory, with its kind, mode, owner, time of change and content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tree(pub BTreeMap<PathBuf, String>);

impl Tree {
    pub fn of(top: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut left = vec![top.to_owned()];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let stat = fs::symlink_metadata(&path).unwrap();
                if stat.is_dir() {
                    left.push(path.clone());
                }
                found.insert(
                    path.strip_prefix(top).unwrap().to_owned(),
                    shown(&path, &stat),
                );
            }
        }
        Self(found)
    }

    pub fn without(mut self, path: &str) -> Self {
        self.0.remove(Path::new(path));
        self
    }

    pub fn without_times(mut self) -> Self {
        for shown in self.0.values_mut() {
            let words: Vec<&str> = shown
                .split(' ')
                .filter(|word| !word.starts_with('@'))
                .collect();
            *shown = words.join(" ");
        }
        self
    }
}

/// Directories are shown without their times, which every temporary file in them changes.
fn shown(path: &Path, stat: &fs::Metadata) -> String {
    let mut shown = format!("{:o} {}:{}", stat.mode(), stat.uid(), stat.gid());
    if stat.is_file() {
        shown += &format!(" @{}.{:09} ", stat.mtime(), stat.mtime_nsec());
        shown += &String::from_utf8_lossy(&fs::read(path).unwrap());
    } else if stat.is_symlink() {
        shown += &format!(" -> {}", fs::read_link(path).unwrap().display());
    }
    shown
}

/// Something mounted, until it is dropped.
pub struct Mount {
    at: PathBuf,
    _source: Option<tempfile::NamedTempFile>,
}

impl Mount {
    /// mount(8) with these words and `at`; `None`, said aloud, where we may not mount.
    pub fn new(words: &[&str], at: &Path) -> Option<Self> {
        let run = Command::new("mount").args(words).arg(at).output().unwrap();
        if run.status.success() {
            return Some(Self {
                at: at.to_owned(),
                _source: None,
            });
        }
        let said = String::from_utf8_lossy(&run.stderr);
        skips::forbidden(&format!("mount {words:?}: {said}"));
        None
    }

    /// Mounts a file of that content on the file `at`.
    pub fn file_on(at: &Path, content: &str, mode: u32) -> Option<Self> {
        let source = tempfile::NamedTempFile::new().unwrap();
        fs::write(source.path(), content).unwrap();
        fs::set_permissions(source.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mut mount = Self::new(&["--bind", source.path().to_str().unwrap()], at)?;
        mount._source = Some(source);
        Some(mount)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.at.display());
        }
    }
}

pub fn slot(path: &str, mode: u32) -> Slot {
    Slot {
        path: path.parse().unwrap(),
        mode: Mode::new(mode),
        owner: Owner::Running,
        group: Owner::Running,
        label: "private key".to_owned(),
    }
}

pub fn slots(files: &[(&str, u32, &str)]) -> Vec<Slot> {
    let slots = files.iter().map(|(path, mode, _)| slot(path, *mode));
    slots.collect()
}

pub fn content(path: &str, text: &str) -> Content {
    Content {
        path: path.parse().unwrap(),
        bytes: Secret::from(text.to_owned()),
    }
}

pub fn contents(files: &[(&str, u32, &str)]) -> Vec<Content> {
    let contents = files.iter().map(|(path, _, text)| content(path, text));
    contents.collect()
}

/// Lands files given as path, mode and content.
pub fn land(root: &ImageRoot, files: &[(&str, u32, &str)]) -> Result<Landed, ImageError> {
    let contents = files
        .iter()
        .map(|(path, _, text)| content(path, text))
        .collect();
    Staging::prepare(root, slots(files))?
        .write(contents)?
        .commit()
}

pub fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub fn code(error: &ImageError) -> &'static str {
    error.finding().code.as_str()
}
