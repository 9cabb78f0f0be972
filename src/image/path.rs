//! Paths inside an image: absolute, parsed once, and never joined to the root as text.

use std::fmt;
use std::str::FromStr;

/// An absolute path of a file inside an image, such as `/etc/app/tls/client.key`.
///
/// Doubled slashes and `.` are gone; `..` is kept, because what it means depends on the symbolic
/// links before it and is decided inside the root. It always ends in a file name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImagePath(String);

/// Why a text is not an [`ImagePath`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    #[error("{0:?} is not absolute: a path inside an image starts with /")]
    NotAbsolute(String),
    #[error("{0:?} names a directory: add a file name at the end")]
    NoFileName(String),
    #[error("the path contains a NUL byte")]
    Nul,
}

impl ImagePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        split(&self.0).1
    }

    /// The directory part, `/` for a file at the top.
    pub fn directory(&self) -> &str {
        split(&self.0).0
    }

    /// The file `name` in the directory this path names.
    ///
    /// # Errors
    /// `name` is empty, `.`, `..`, or ends in a slash.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        join(&self.0, name).parse()
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImagePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if !text.starts_with('/') {
            return Err(PathError::NotAbsolute(text.to_owned()));
        }
        let last = text.rsplit('/').next().unwrap_or_default();
        if matches!(last, "" | "." | "..") {
            return Err(PathError::NoFileName(text.to_owned()));
        }
        let kept = text.split('/').filter(|part| !matches!(*part, "" | "."));
        Ok(Self(
            kept.fold(String::new(), |path, part| path + "/" + part),
        ))
    }
}

impl TryFrom<&str> for ImagePath {
    type Error = PathError;

    fn try_from(text: &str) -> Result<Self, PathError> {
        text.parse()
    }
}

impl TryFrom<String> for ImagePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

/// The directory and the last component of an absolute path.
pub(super) fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => ("/", path),
    }
}

/// `name` below `directory`; an absolute `name` starts again at the root, as a link's target does.
pub(super) fn join(directory: &str, name: &str) -> String {
    if name.starts_with('/') {
        name.to_owned()
    } else if directory == "/" {
        format!("/{name}")
    } else {
        format!("{directory}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, PathError> {
        text.parse::<ImagePath>().map(|path| path.to_string())
    }

    #[test]
    fn dots_and_doubled_slashes_go_but_a_parent_step_stays() {
        assert_eq!(path("/etc//app/./key").unwrap(), "/etc/app/key");
        assert_eq!(path("/etc/link/../key").unwrap(), "/etc/link/../key");
    }

    #[test]
    fn what_cannot_name_a_file_is_refused() {
        assert_eq!(
            path("etc/key"),
            Err(PathError::NotAbsolute("etc/key".into()))
        );
        assert_eq!(path(""), Err(PathError::NotAbsolute(String::new())));
        for directory in ["/", "//", "/etc/", "/etc/.", "/etc/.."] {
            assert_eq!(
                path(directory),
                Err(PathError::NoFileName(directory.into()))
            );
        }
        assert_eq!(path("/etc/a\0b"), Err(PathError::Nul));
    }

    #[test]
    fn a_path_divides_into_directory_and_file_name() {
        let key: ImagePath = "/etc/app/key".parse().unwrap();
        assert_eq!((key.directory(), key.file_name()), ("/etc/app", "key"));
        let top: ImagePath = "/key".parse().unwrap();
        assert_eq!((top.directory(), top.file_name()), ("/", "key"));
        assert_eq!(key.join("x.json").unwrap().as_str(), "/etc/app/key/x.json");
        assert!(key.join("..").is_err());
    }
}
