//! Findings about an image: each error with its code, its facts and what to do next.

use serde_json::Value;

use rustix::io::Errno;

use super::error::{ImageError, OWNER_MAY, Reason};
use crate::choice::misspelt;
use crate::finding::{Code, Finding};

const ROOT_UNUSABLE: Code = Code::new("image-root-unusable");
const BUSY: Code = Code::new("image-busy").passing();
const IO: Code = Code::new("image-io");
const FILE_MISSING: Code = Code::new("image-file-missing");
const FILE_TOO_LARGE: Code = Code::new("image-file-too-large");
const NOT_A_FILE: Code = Code::new("image-not-a-file");
const NOT_A_DIRECTORY: Code = Code::new("image-not-a-directory");
const LINK_BROKEN: Code = Code::new("image-link-broken");
const PLACEMENTS_COLLIDE: Code = Code::new("image-placements-collide");
const READ_ONLY: Code = Code::new("image-read-only");
const IMMUTABLE: Code = Code::new("image-immutable");
const FULL: Code = Code::new("image-full");
const NOT_PERMITTED: Code = Code::new("image-not-permitted");
const OWNER_MISSING: Code = Code::new("image-owner-missing");
const CHANGED_MEANWHILE: Code = Code::new("image-changed-meanwhile").passing();
const JOURNAL_UNREADABLE: Code = Code::new("image-journal-unreadable");
const HALF_DONE: Code = Code::new("image-half-done");
pub(super) const INTERRUPTED: Code = Code::new("image-interrupted");

const JOURNAL_HINT: &str = "rebuild the image; or remove the journal and the `.certbake-` files in the directories that it names, and bake every identity again";
const TORN_HINT: &str = "run `certbake provision` on the image again: it removes what the interrupted run left beside its files";

impl ImageError {
    /// The error as every report shows it.
    pub fn finding(&self) -> Finding {
        let (code, hint) = self.code_and_hint();
        let finding = Finding::error(code, self.to_string()).hint(hint);
        let finding = match self.path() {
            Some(path) => finding.in_file(path).fact("path", path),
            None => finding,
        };
        self.facts()
            .into_iter()
            .fold(finding, |finding, (name, value)| finding.fact(name, value))
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Root { .. } | Self::Busy { .. } => None,
            Self::HalfDone { cause, .. } => cause.path(),
            Self::Io { path, .. }
            | Self::Missing { path }
            | Self::TooLarge { path, .. }
            | Self::NotAFile { path, .. }
            | Self::NotADirectory { path, .. }
            | Self::LinkBroken { path, .. }
            | Self::Shared { path, .. }
            | Self::ReadOnly { path }
            | Self::Immutable { path, .. }
            | Self::Full { path, .. }
            | Self::NotPermitted { path, .. }
            | Self::OwnerMissing { path, .. }
            | Self::OwnerUnusable { path, .. }
            | Self::Changed { path }
            | Self::Journal { path, .. }
            | Self::JournalTorn { path }
            | Self::Contents { path, .. } => Some(path),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Root { root, reason } => {
                vec![
                    ("root", root.display().to_string().into()),
                    ("reason", reason.to_string().into()),
                ]
            }
            Self::Busy { root } => vec![("root", root.display().to_string().into())],
            Self::Io {
                operation, reason, ..
            } => {
                vec![
                    ("operation", (*operation).into()),
                    ("reason", reason.to_string().into()),
                ]
            }
            Self::TooLarge { size, limit, .. } => {
                vec![
                    ("size_bytes", (*size).into()),
                    ("limit_bytes", (*limit).into()),
                ]
            }
            Self::NotAFile { kind, .. } => vec![("kind", kind.to_string().into())],
            Self::NotADirectory { component, .. } => vec![("component", component.as_str().into())],
            Self::LinkBroken { link, target, .. } => {
                vec![
                    ("link", link.as_str().into()),
                    ("target", target.as_str().into()),
                ]
            }
            Self::Shared { other, .. } => vec![("other", other.as_str().into())],
            Self::Immutable { mark, .. } => vec![("mark", (*mark).into())],
            Self::Full { lacking, .. } => vec![("lacking", (*lacking).into())],
            Self::NotPermitted { action, uid, .. } => {
                vec![("action", action.as_str().into()), ("uid", (*uid).into())]
            }
            Self::OwnerMissing {
                name,
                database,
                known,
                ..
            } => looked_up(name, database, ("known", known.clone().into())),
            Self::OwnerUnusable {
                name,
                database,
                number,
                ..
            } => looked_up(name, database, ("number", number.as_str().into())),
            Self::Journal { problem, .. } => vec![("problem", problem.as_str().into())],
            Self::HalfDone { trouble, .. } => vec![("trouble", trouble.to_string().into())],
            Self::Contents { problem, .. } => vec![("problem", (*problem).into())],
            Self::Missing { .. }
            | Self::ReadOnly { .. }
            | Self::Changed { .. }
            | Self::JournalTorn { .. } => Vec::new(),
        }
    }

    fn code_and_hint(&self) -> (Code, String) {
        let (code, hint) = match self {
            Self::Io { reason, path, .. } => return code_of(*reason, path),
            Self::OwnerMissing { .. } => return (OWNER_MISSING, self.owner_hint()),
            Self::OwnerUnusable { .. } => (
                OWNER_MISSING,
                "correct the number there in an earlier build step, or give a number in place of the name",
            ),
            Self::Root { .. } => (
                ROOT_UNUSABLE,
                "check --root: it must be the top directory of the image's file system, readable by this user",
            ),
            Self::Busy { .. } => (
                BUSY,
                "wait for the other run to end, then start again; `fuser` on the root directory shows who holds the lock",
            ),
            Self::Missing { .. } => (
                FILE_MISSING,
                "a later build step removed it: run `certbake provision` again, after that step; or --root is another image",
            ),
            Self::TooLarge { .. } => (
                FILE_TOO_LARGE,
                "check the path: it probably names the wrong file",
            ),
            Self::NotAFile { .. } => (
                NOT_A_FILE,
                "choose another path, or remove what is there in an earlier build step",
            ),
            Self::NotADirectory { .. } => (
                NOT_A_DIRECTORY,
                "choose another path, or make that component a directory in an earlier build step",
            ),
            Self::LinkBroken { .. } => (
                LINK_BROKEN,
                "correct the link, create the directory it points to in an earlier build step, or give the real path",
            ),
            Self::Shared { .. } => (PLACEMENTS_COLLIDE, "give each placement its own path"),
            Self::ReadOnly { .. } => (
                READ_ONLY,
                "mount the image read-write while it is built, or choose a path on a writable file system",
            ),
            Self::Immutable { .. } => (
                IMMUTABLE,
                "clear the attribute with `chattr -i` or `chattr -a`, and set it again after the build",
            ),
            Self::Full { .. } => (FULL, "free some, or enlarge the image's file system"),
            Self::NotPermitted { action, .. } => (NOT_PERMITTED, action.hint()),
            Self::Changed { .. } => (
                CHANGED_MEANWHILE,
                "make sure no other build step writes there, and run again",
            ),
            Self::Journal { .. } => (JOURNAL_UNREADABLE, JOURNAL_HINT),
            Self::JournalTorn { .. } => (INTERRUPTED, TORN_HINT),
            Self::HalfDone { .. } => (
                HALF_DONE,
                "do not ship this image; remove the cause and run certbake again, which completes or undoes the run",
            ),
            Self::Contents { .. } => (IO, "this is a bug in certbake: please report it"),
        };
        (code, hint.to_owned())
    }

    fn owner_hint(&self) -> String {
        let Self::OwnerMissing {
            name,
            known,
            database,
            ..
        } = self
        else {
            return String::new();
        };
        // Of a short name, two changes leave nothing.
        let most = (name.chars().count() / 3).clamp(1, 2);
        let absent = known.is_none();
        let known = known.iter().flatten().map(String::as_str);
        match misspelt(name, known, most) {
            Some(other) => format!("did you mean {other:?}?"),
            None if absent => {
                format!("check --root, where {database} is looked up; or give a number")
            }
            None => {
                format!("add {name:?} to {database} in an earlier build step, or give the number")
            }
        }
    }
}

type Fact = (&'static str, Value);

/// An owner or a group, where it was looked for, and what stood there.
fn looked_up(name: &str, database: &str, there: Fact) -> Vec<Fact> {
    let by = ("name", name.into());
    vec![by, ("database", database.into()), there]
}

/// A system call's own reason is often one of the cases that have a page of their own.
fn code_of(reason: Reason, path: &str) -> (Code, String) {
    let same = match reason.0 {
        Errno::NOSPC | Errno::DQUOT => ImageError::Full {
            path: path.to_owned(),
            lacking: "space",
        },
        Errno::ROFS => ImageError::ReadOnly {
            path: path.to_owned(),
        },
        Errno::ACCESS | Errno::PERM => return (NOT_PERMITTED, OWNER_MAY.to_owned()),
        Errno::NOENT => {
            let hint = format!("check the path: create {path} or its parent directory first");
            return (IO, hint);
        }
        Errno::NOSYS => {
            let hint = "mount /proc, or use Linux 5.6 or later: certbake needs one of the two to follow paths safely";
            return (IO, hint.to_owned());
        }
        Errno::NAMETOOLONG => {
            let hint = "shorten the name to 255 bytes: no file or directory can have a longer one, and no whole path more than 4095";
            return (IO, hint.to_owned());
        }
        Errno::OPNOTSUPP => {
            let hint = format!(
                "choose another path: the file system of {path} is not for files, as /proc and /sys are not"
            );
            return (IO, hint);
        }
        Errno::MFILE | Errno::NFILE => {
            let hint = "raise the limit of open files (`ulimit -Hn`, or of the container), or bake fewer identities per run";
            return (IO, hint.to_owned());
        }
        _ => {
            return (
                IO,
                format!("check the file system that holds {path} (`dmesg`, `df`), and run again"),
            );
        }
    };
    same.code_and_hint()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::error::{Action, BrokenLink, Collision, During as _};
    use super::super::journal::{Pending, Phase};
    use super::super::notes::{
        interrupted, label_not_set, left_over, no_exchange, recovered, written_in_place,
    };
    use super::super::recover::Recovery;
    use super::super::stat::FileKind;
    use super::*;

    const KEY: &str = "/etc/app/tls/client.key";
    const TEMPORARY: &str = "/etc/app/tls/.certbake-0f3a";

    fn io(operation: &'static str, path: &str, errno: Errno) -> ImageError {
        Err::<(), _>(errno).during(operation, path).unwrap_err()
    }

    fn errors() -> Vec<ImageError> {
        of_paths().into_iter().chain(of_files()).collect()
    }

    fn of_paths() -> Vec<ImageError> {
        let certificate = || "/etc/app/tls/client.crt".to_owned();
        let root = || PathBuf::from("./rootfs");
        vec![
            ImageError::Root {
                root: root(),
                reason: Reason(Errno::NOENT),
            },
            ImageError::Busy { root: root() },
            io("syncing", TEMPORARY, Errno::IO),
            ImageError::Missing {
                path: certificate(),
            },
            ImageError::TooLarge {
                path: certificate(),
                size: 70 << 20,
                limit: 1 << 20,
            },
            ImageError::NotAFile {
                path: "/etc/app/tls".into(),
                kind: FileKind::Directory,
            },
            ImageError::NotADirectory {
                path: "/etc/app/tls".into(),
                component: "/etc/app".into(),
            },
            ImageError::LinkBroken {
                path: "/etc/pki/tls/client.key".into(),
                link: "/etc/pki".into(),
                target: "/data/pki".into(),
                how: BrokenLink::Dangling,
            },
            ImageError::Shared {
                path: "/etc/app/tls/cert.pem".into(),
                label: "certificate".into(),
                other: "/etc/ssl/cert.pem".into(),
                other_label: "private key".into(),
                how: Collision::Same,
            },
        ]
    }

    fn of_files() -> Vec<ImageError> {
        let path = || KEY.to_owned();
        vec![
            ImageError::ReadOnly { path: path() },
            ImageError::Immutable {
                path: path(),
                mark: "immutable",
            },
            ImageError::Full {
                path: path(),
                lacking: "inodes",
            },
            ImageError::NotPermitted {
                path: path(),
                action: Action::GiveToUser,
                uid: 1000,
            },
            ImageError::OwnerMissing {
                path: path(),
                name: "ngnix".into(),
                database: "/etc/passwd",
                known: Some(vec!["root".into(), "nginx".into()]),
            },
            ImageError::Changed { path: path() },
            ImageError::Journal {
                path: "/var/lib/certbake/journal.json".into(),
                problem: "some of its files are new, and something else has since changed others"
                    .into(),
            },
            ImageError::JournalTorn {
                path: "/var/lib/certbake/journal.json".into(),
            },
            ImageError::HalfDone {
                cause: Box::new(io("syncing the directory", "/etc/app/tls", Errno::IO)),
                trouble: Box::new(io("removing", TEMPORARY, Errno::ROFS)),
            },
        ]
    }

    #[test]
    fn every_page_shows_a_message_as_it_is_printed() {
        let pending = Pending {
            phase: Phase::Landing,
            files: vec![KEY.into()],
        };
        let mut findings: Vec<Finding> = errors().iter().map(ImageError::finding).collect();
        findings.extend([
            interrupted(&pending),
            recovered(&Recovery::Completed {
                files: vec![KEY.into()],
            }),
            left_over(&io("removing", TEMPORARY, Errno::IO)),
            label_not_set(KEY),
            no_exchange(KEY),
            written_in_place(KEY),
        ]);
        for finding in findings {
            let page = format!(
                "{}/docs/findings/{}.md",
                env!("CARGO_MANIFEST_DIR"),
                finding.code
            );
            let text = std::fs::read_to_string(&page).unwrap();
            // Long lines are broken, and who it is about may stand before it.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let summary = words(&finding.summary);
            assert!(words(&text).contains(&summary), "{page} lacks {summary}");
            assert!(!finding.hint.is_empty());
        }
    }

    #[test]
    fn what_the_system_answers_has_the_page_of_its_case() {
        let code = |errno| io("writing", KEY, errno).finding().code.as_str();
        assert_eq!(code(Errno::NOSPC), "image-full");
        assert_eq!(code(Errno::DQUOT), "image-full");
        assert_eq!(code(Errno::ROFS), "image-read-only");
        assert_eq!(code(Errno::ACCESS), "image-not-permitted");
        assert_eq!(code(Errno::IO), "image-io");
    }

    #[test]
    fn what_no_disk_is_to_blame_for_is_not_looked_for_there() {
        for (errno, said) in [
            (Errno::NAMETOOLONG, "shorten the name to 255 bytes"),
            (Errno::OPNOTSUPP, "is not for files"),
        ] {
            let hint = io("writing into", KEY, errno).finding().hint;
            assert!(hint.contains(said) && !hint.contains("dmesg"), "{hint}");
        }
    }
}
