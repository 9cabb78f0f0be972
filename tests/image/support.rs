//! Small image roots, and the words the tests share.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use certbake::image::{Content, ImageError, ImageRoot, Landed, Mode, Owner, Slot, Staging};
use certbake::secret::Secret;
use tempfile::TempDir;

/// An image root in a temporary directory: a few files, and a user `app` (1001).
pub struct Image {
    dir: TempDir,
}

impl Image {
    pub fn new() -> Self {
        Self::within(TempDir::new().unwrap())
    }

    pub fn within(dir: TempDir) -> Self {
        let image = Self { dir };
        image.file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001::/:\n",
            0o644,
        );
        image.file("etc/group", "root:x:0:\napp:x:1001:\n", 0o644);
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

    /// Every path with its kind, mode, owner and content; times of files with `times`.
    pub fn tree(&self) -> BTreeMap<PathBuf, String> {
        tree(self.host())
    }
}

pub fn tree(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let mut shown = format!("{:o} {}:{}", stat.mode(), stat.uid(), stat.gid());
            if stat.is_dir() {
                left.push(path.clone());
            } else if stat.is_file() {
                let content = fs::read(&path).unwrap();
                shown += &format!(" {}.{} ", stat.mtime(), stat.mtime_nsec());
                shown += &String::from_utf8_lossy(&content);
            } else if stat.is_symlink() {
                shown += &format!(" -> {}", fs::read_link(&path).unwrap().display());
            }
            found.insert(path.strip_prefix(top).unwrap().to_owned(), shown);
        }
    }
    found
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

pub fn content(path: &str, text: &str) -> Content {
    Content {
        path: path.parse().unwrap(),
        bytes: Secret::from(text.to_owned()),
    }
}

/// Lands files given as path, mode and content.
pub fn land(root: &ImageRoot, files: &[(&str, u32, &str)]) -> Result<Landed, ImageError> {
    let slots = files
        .iter()
        .map(|(path, mode, _)| slot(path, *mode))
        .collect();
    let contents = files
        .iter()
        .map(|(path, _, text)| content(path, text))
        .collect();
    Staging::prepare(root, slots)?.write(contents)?.commit()
}

pub fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub fn code(error: &ImageError) -> &'static str {
    error.finding().code.as_str()
}
