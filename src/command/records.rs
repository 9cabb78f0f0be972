//! The records in an image: which identities have one, and what it says.

use super::LARGEST_FILE;
use crate::finding::{Code, Finding};
use crate::image::{ImageError, ImagePath, ImageRoot, Places};
use crate::record::{self, DIRECTORY, Record};

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
    let record: Record =
        serde_json::from_slice(&bytes).map_err(|error| not_whole(identity, &bytes, &error))?;
    match record.schema {
        // A copied or renamed record is that of its new name: no two of them are one identity.
        1 => Ok(Record {
            identity: identity.to_owned(),
            ..record
        }),
        other => Err(unreadable(
            identity,
            &format!("its schema is {other}, and this certbake supports only 1"),
        )),
    }
}

/// A record that is not one: something emptied it, cut it off or changed it.
fn not_whole(identity: &str, bytes: &[u8], error: &serde_json::Error) -> Box<Finding> {
    let cut = error.is_eof();
    let reason = match cut {
        true if bytes.trim_ascii().is_empty() => "it is empty".to_owned(),
        true => format!("it ends too soon, in line {}", error.line()),
        false => error.to_string(),
    };
    let mut finding = unreadable(identity, &reason);
    finding.line = Some(error.line());
    if cut {
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
