//! The records in an image: which identities have one, and what it says.

use super::LARGEST_FILE;
use crate::finding::{Code, Finding};
use crate::image::{ImageError, ImagePath, ImageRoot, Places};
use crate::record::{self, DIRECTORY, Record, RecordError};

const UNREADABLE: Code = Code::new("record-unreadable");

/// The identities that have a record.
pub fn listed(image: &ImageRoot) -> Result<Vec<String>, ImageError> {
    let directory: ImagePath = DIRECTORY.parse().expect("a constant absolute path");
    let names = image.list(&directory)?;
    let identities = names.iter().filter_map(|name| name.strip_suffix(".json"));
    let identities =
        identities.filter(|identity| !identity.starts_with('.') && *identity != record::RESERVED);
    Ok(identities.map(str::to_owned).collect())
}

/// # Errors
/// Why the record of `identity` cannot be read.
pub fn read(image: &mut Places<'_>, identity: &str) -> Result<Record, Box<Finding>> {
    let path: ImagePath = record::path(identity)
        .parse()
        .map_err(|error| unreadable(identity, &format!("{error}")))?;
    let (bytes, _) = image
        .read_and_examine(&path, LARGEST_FILE)
        .map_err(|error| Box::new(error.finding()))?;
    let record = record::parse(&bytes).map_err(|error| not_a_record(identity, &error))?;
    // A copied or renamed record is that of its new name: no two of them are one identity.
    Ok(Record {
        identity: identity.to_owned(),
        ..record
    })
}

fn not_a_record(identity: &str, error: &RecordError) -> Box<Finding> {
    let mut finding = unreadable(identity, &error.to_string());
    finding.line = error.line();
    if matches!(error, RecordError::Empty | RecordError::Cut { .. }) {
        finding.hint = "something emptied it or cut it off: rebuild the image".to_owned();
    }
    finding
}

pub fn unreadable(identity: &str, reason: &str) -> Box<Finding> {
    let finding = Finding::error(UNREADABLE, format!("reading the record of {identity}: {reason}"))
        .in_file(record::path(identity))
        .fact("reason", reason)
        .hint("it was changed, or written by a newer certbake: rebuild the image, or check it with that version");
    Box::new(finding)
}
