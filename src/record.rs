//! The record of what was baked: it stands in the image and, when asked, beside it. It holds no
//! secret; the digest of a file that holds a private key says nothing of a key of 256 random bits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pki::AltName;
use crate::pki::key::KeyAlgorithm;
use crate::pki::path::Usage;

/// Where records stand in an image: `/var/lib/certbake/<identity>.json`.
pub const DIRECTORY: &str = "/var/lib/certbake";

/// What no identity may be called: the journal of a landing stands beside the records.
pub const RESERVED: &str = "journal";

/// The journal's file.
pub const JOURNAL: &str = "journal.json";

/// Where the record of an identity stands in an image.
pub fn path(identity: &str) -> String {
    format!("{DIRECTORY}/{identity}.json")
}

/// Bytes that are not a record that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("it is empty")]
    Empty,
    #[error("it ends too soon, in line {line}")]
    Cut { line: usize },
    #[error("{0}")]
    Malformed(serde_json::Error),
    #[error("its schema is {schema}, and this certbake supports only 1")]
    Newer { schema: u32 },
}

impl RecordError {
    /// From 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Empty => Some(1),
            Self::Cut { line } => Some(*line),
            Self::Malformed(error) => Some(error.line()),
            Self::Newer { .. } => None,
        }
    }
}

/// # Errors
/// [`RecordError`]
pub fn parse(bytes: &[u8]) -> Result<Record, RecordError> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| {
        if bytes.trim_ascii().is_empty() {
            RecordError::Empty
        } else if error.is_eof() {
            RecordError::Cut { line: error.line() }
        } else {
            RecordError::Malformed(error)
        }
    })?;
    match record.schema {
        1 => Ok(record),
        schema => Err(RecordError::Newer { schema }),
    }
}

/// One baked identity. Times are RFC 3339 UTC; durations are whole seconds.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Record {
    /// 1; fields are added, never renamed.
    pub schema: u32,
    pub identity: String,
    /// The version of certbake that baked it.
    pub certbake: String,
    /// When it was baked; `SOURCE_DATE_EPOCH` where that is set.
    pub baked_at: String,
    pub certificate: RecordedCertificate,
    pub window: RecordedWindow,
    /// Lifetime asked for, seconds; absent when the authority decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_lifetime_seconds: Option<i64>,
    /// Lifetime granted, seconds.
    pub granted_lifetime_seconds: i64,
    pub authority: RecordedAuthority,
    pub placements: Vec<RecordedPlacement>,
    /// Facts of the build, from the environment: `packer_build_name`, `git_commit`, …
    pub build: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RecordedCertificate {
    pub subject: String,
    pub issuer: String,
    /// Hexadecimal.
    pub serial: String,
    /// `dns:…`, `ip:…`, `uri:…`, `email:…`
    #[schemars(with = "Vec<String>")]
    pub names: Vec<AltName>,
    pub usage: Usage,
    pub key: KeyAlgorithm,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// SHA-256 of the public key, base64 (RFC 7469 section 2.4).
    pub spki_pin: String,
    pub not_before: String,
    pub not_after: String,
    /// The certificate itself, PEM: what a revocation needs. Absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
}

/// The window in which leaf and intermediates are all valid.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RecordedWindow {
    pub not_before: String,
    pub not_after: String,
    pub limited_by: String,
    /// The floor it was held against, seconds; absent when the build set none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_seconds: Option<u32>,
    /// The floor as it was stated: `21d`, `66%`, `image_max_age 30d + rollout 1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// When the window falls below the floor: rebuild the image before.
    pub rebuild_by: String,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RecordedAuthority {
    pub kind: String,
    pub name: String,
    pub place: String,
}

#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RecordedPlacement {
    pub what: String,
    pub path: String,
    /// Octal.
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
}
