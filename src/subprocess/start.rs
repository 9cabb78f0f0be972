//! Whether a program may be run at all, and why not.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::os_error;

/// # Errors
/// When there is no such program, in `path` where its name has no slash, or it is not executable.
pub fn can_be_run(program: &str, path: &OsStr) -> Result<(), Error> {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![program.into()]
    } else {
        let folders = std::env::split_paths(path);
        folders.map(|folder| folder.join(program)).collect()
    };
    let mut found = ErrorKind::NotFound;
    for candidate in candidates {
        match Path::metadata(&candidate) {
            Ok(it) if it.is_file() && it.permissions().mode() & 0o111 != 0 => return Ok(()),
            Ok(_) => found = ErrorKind::PermissionDenied,
            Err(_) => {}
        }
    }
    Err(found.into())
}

/// Why a program was not started, and what to do about it.
pub fn why_not_started(program: &str, error: &Error) -> (String, &'static str) {
    let (reason, hint) = match error.kind() {
        ErrorKind::NotFound if program.contains('/') => (
            "there is no such program",
            "check the path; for a script, check the interpreter in its first line too",
        ),
        ErrorKind::NotFound => (
            "there is no such program in PATH",
            "install it, or give its full path",
        ),
        ErrorKind::PermissionDenied => (
            "it is not executable",
            "make it executable (chmod +x); its file system must not be mounted noexec",
        ),
        ErrorKind::WouldBlock => ("", "raise the process limit, or stop other programs"),
        _ => (
            "",
            "name the interpreter in the script's first line, such as #!/bin/sh",
        ),
    };
    match reason {
        "" => (os_error::in_words(error), hint),
        _ => (reason.to_owned(), hint),
    }
}
