//! The log of what was issued: one JSON object a line, on the disk before the certificate leaves.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::CaError;
use crate::image::{self, ImageError, Mode};

/// One issued certificate. Times are RFC 3339 UTC.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct IssuedEntry {
    /// When it was issued.
    pub at: String,
    /// Hexadecimal.
    pub serial: String,
    pub subject: String,
    /// `dns:…`, `ip:…`, `uri:…`, `email:…`
    pub names: Vec<String>,
    /// `clientAuth`, `serverAuth`.
    pub usage: Vec<String>,
    pub not_before: String,
    pub not_after: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// `local` for an order in the same process, `server` for the EST server's own certificate,
    /// `user:NAME` or `cert:SERIAL` for a client of the EST server.
    pub requester: String,
}

/// What the log of issued certificates holds.
pub type IssuedEntries = Entries<IssuedEntry>;

/// What a log holds, the oldest first.
#[derive(Debug)]
pub struct Entries<T> {
    pub entries: Vec<T>,
    /// Lines that are none: a run that was killed may leave the beginning of one.
    pub unreadable: usize,
    /// Whether the last line is one of those, and has no end.
    pub is_torn: bool,
}

/// `issued.jsonl`.
pub struct IssuedLog {
    path: PathBuf,
    /// Appends of this process one after the other; those of others are kept apart by `O_APPEND`.
    writing: Mutex<()>,
}

impl IssuedLog {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            writing: Mutex::new(()),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when the line is on the disk.
    pub(super) fn append(&self, entry: &IssuedEntry) -> Result<(), ImageError> {
        let line = serde_json::to_string(entry).unwrap_or_default();
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        image::append_line(&self.path, Mode::new(0o600), &line)
    }

    /// Every entry, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<IssuedEntries, CaError> {
        lines(&self.path)
    }
}

/// The objects of a file with one a line; none without the file.
pub(super) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Entries<T>, CaError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(CaError::reading(path, &error)),
    };
    let mut read = Entries {
        entries: Vec::new(),
        unreadable: 0,
        is_torn: false,
    };
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        match serde_json::from_slice(line) {
            Ok(entry) => {
                read.entries.push(entry);
                read.is_torn = false;
            }
            Err(_) => {
                read.unreadable += 1;
                read.is_torn = !text.ends_with(b"\n");
            }
        }
    }
    Ok(read)
}
