//! Owners and groups, looked up by name in the image's own /etc/passwd and /etc/group: the host's
//! numbers mean nothing there.

use std::str::FromStr;
use std::sync::OnceLock;

use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{CapabilitySet, capabilities};

use super::error::{Action, During, ImageError};
use super::path::ImagePath;
use super::root::ImageRoot;

/// Larger than any database an image is built with.
const LARGEST_DATABASE: u64 = 16 * 1024 * 1024;

/// Where an image's groups are listed.
pub(super) const GROUPS: &str = "/etc/group";

/// Who a file belongs to, or its group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Owner {
    /// The effective user or group of this process.
    #[default]
    Running,
    Id(u32),
    /// A name in the image's /etc/passwd, or /etc/group for a group.
    Name(String),
}

/// The user and the group that [`Owner::Running`] stands for; they do not change.
pub fn running() -> (u32, u32) {
    static RUNNING: OnceLock<(u32, u32)> = OnceLock::new();
    *RUNNING.get_or_init(|| (geteuid().as_raw(), getegid().as_raw()))
}

/// What no user and no group is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OwnerError {
    #[error("is empty")]
    Empty,
    #[error("contains a colon, which no user or group name can")]
    Colon,
    #[error("is above the largest number, 4294967294")]
    TooLarge,
}

impl FromStr for Owner {
    type Err = OwnerError;

    /// A number is an id, anything else a name. The number above the largest tells chown(2) to leave
    /// a file as it is.
    fn from_str(text: &str) -> Result<Self, OwnerError> {
        if text.is_empty() {
            return Err(OwnerError::Empty);
        }
        if text.contains(':') {
            return Err(OwnerError::Colon);
        }
        if !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(Self::Name(text.to_owned()));
        }
        usable(text).map(Self::Id).ok_or(OwnerError::TooLarge)
    }
}

/// A database of names in the form of passwd(5) and group(5): name, password, number.
struct Database {
    path: &'static str,
    content: Option<String>,
}

/// The image's names, each file read at most once.
pub(super) struct Names<'r> {
    root: &'r ImageRoot,
    users: Option<Database>,
    groups: Option<Database>,
}

impl<'r> Names<'r> {
    pub(super) fn of(root: &'r ImageRoot) -> Self {
        Self {
            root,
            users: None,
            groups: None,
        }
    }

    /// The numeric owner of the file at `path`.
    pub(super) fn uid(&mut self, path: &ImagePath, owner: &Owner) -> Result<u32, ImageError> {
        match owner {
            Owner::Running => Ok(running().0),
            Owner::Id(id) => Ok(*id),
            Owner::Name(name) => {
                read_once(&mut self.users, self.root, "/etc/passwd")?.id(path, name)
            }
        }
    }

    /// The numeric group of the file at `path`.
    pub(super) fn gid(&mut self, path: &ImagePath, group: &Owner) -> Result<u32, ImageError> {
        match group {
            Owner::Running => Ok(running().1),
            Owner::Id(id) => Ok(*id),
            Owner::Name(name) => read_once(&mut self.groups, self.root, GROUPS)?.id(path, name),
        }
    }
}

impl ImageRoot {
    /// The numeric owner of the file at `path`.
    ///
    /// # Errors
    /// A name that the image's /etc/passwd does not list, or that file cannot be read.
    pub fn uid(&self, path: &ImagePath, owner: &Owner) -> Result<u32, ImageError> {
        Names::of(self).uid(path, owner)
    }

    /// The numeric group of the file at `path`.
    ///
    /// # Errors
    /// A name that the image's /etc/group does not list, or that file cannot be read.
    pub fn gid(&self, path: &ImagePath, group: &Owner) -> Result<u32, ImageError> {
        Names::of(self).gid(path, group)
    }
}

fn read_once<'d>(
    slot: &'d mut Option<Database>,
    root: &ImageRoot,
    path: &'static str,
) -> Result<&'d Database, ImageError> {
    let database = match slot.take() {
        Some(database) => database,
        None => {
            let file: ImagePath = path.parse().expect("a constant absolute path");
            let bytes = root.read_optional(&file, LARGEST_DATABASE)?;
            let content = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Database { path, content }
        }
    };
    Ok(slot.insert(database))
}

impl Database {
    /// The first entry counts, as in the C library.
    fn id(&self, path: &ImagePath, name: &str) -> Result<u32, ImageError> {
        let content = self.content.as_deref();
        let found = content.and_then(|content| entries(content).find(|entry| entry.0 == name));
        let Some((_, number)) = found else {
            return Err(ImageError::OwnerMissing {
                path: path.to_string(),
                name: name.to_owned(),
                database: self.path,
                known: content
                    .map(|content| entries(content).map(|entry| entry.0.to_owned()).collect()),
            });
        };
        usable(number).ok_or_else(|| ImageError::OwnerUnusable {
            path: path.to_string(),
            name: name.to_owned(),
            database: self.path,
            number: number.to_owned(),
        })
    }
}

/// The largest number stands for "no change" (chown(2)).
fn usable(number: &str) -> Option<u32> {
    number.parse().ok().filter(|id| *id < u32::MAX)
}

/// Names and their numbers, as they are written.
fn entries(content: &str) -> impl Iterator<Item = (&str, &str)> {
    content.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with(['#', '+', '-']))?;
        Some((name, fields.nth(1)?))
    })
}

/// Refuses an owner this process may not give a file to, before anything costly happens: chown(2)
/// needs CAP_CHOWN for another user, and for a group this process is not in.
pub(super) fn permitted(path: &ImagePath, uid: u32, gid: u32) -> Result<(), ImageError> {
    let (own_user, own_group) = running();
    if (uid, gid) == (own_user, own_group) {
        return Ok(());
    }
    let sets = capabilities(None).during("reading the capabilities for", path.as_str())?;
    if sets.effective.contains(CapabilitySet::CHOWN) {
        return Ok(());
    }
    let refused = |action| ImageError::NotPermitted {
        path: path.to_string(),
        action,
        uid: own_user,
    };
    if uid != own_user {
        return Err(refused(Action::GiveToUser));
    }
    let groups = getgroups().during("reading the groups for", path.as_str())?;
    match gid == own_group || groups.iter().any(|group| group.as_raw() == gid) {
        true => Ok(()),
        false => Err(refused(Action::GiveToGroup)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_id_and_anything_else_a_name() {
        assert_eq!("1001".parse(), Ok(Owner::Id(1001)));
        assert_eq!("app".parse(), Ok(Owner::Name("app".into())));
        assert_eq!("+5".parse(), Ok(Owner::Name("+5".into())));
        for (text, error) in [
            ("", OwnerError::Empty),
            ("app:tls", OwnerError::Colon),
            ("4294967295", OwnerError::TooLarge),
            ("99999999999", OwnerError::TooLarge),
        ] {
            assert_eq!(text.parse::<Owner>(), Err(error), "{text}");
        }
    }

    #[test]
    fn comments_nis_lines_and_lines_without_a_number_are_not_names() {
        let content =
            "root:x:0:0:root:/root:/bin/sh\n# app:x:1:1\n+::::::\n\nbroken\napp:x:1001:1001::/:\n";
        assert_eq!(
            entries(content).collect::<Vec<_>>(),
            [("root", "0"), ("app", "1001")]
        );
    }

    #[test]
    fn a_number_that_no_file_can_have_is_told_as_it_stands() {
        for number in ["4294967295", "99999999999", "many", "-1", ""] {
            let database = Database {
                path: "/etc/passwd",
                content: Some(format!("app:x:{number}:1::/:\n")),
            };
            let error = database.id(&"/key".parse().unwrap(), "app").unwrap_err();
            let what = format!("in /etc/passwd of the image, {number:?}, is none that");
            assert!(error.to_string().contains(&what), "{error}");
        }
    }

    #[test]
    fn the_first_entry_of_a_name_counts() {
        let database = Database {
            path: "/etc/passwd",
            content: Some("app:x:5:\napp:x:6:\n".into()),
        };
        assert_eq!(database.id(&"/key".parse().unwrap(), "app").unwrap(), 5);
    }

    #[test]
    fn a_missing_name_is_an_error_that_lists_the_names_there_are() {
        let database = Database {
            path: "/etc/group",
            content: Some("root:x:0:\nwww:x:33:\n".into()),
        };
        let error = database
            .id(&"/etc/key".parse().unwrap(), "nginx")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "looking up the group \"nginx\" of /etc/key: /etc/group in the image has root, www"
        );
    }
}
