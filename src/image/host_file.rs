//! Files beside an image that others read: reports, and copies of records. Directories that are missing
//! are made, and what may be the only copy of a certificate or key is not replaced.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::ImageError;
use super::mode::Mode;
use super::plain::{can_place, make_dirs, place_file};
use crate::pki::{ber, pem};

/// Where a PEM block would have begun (RFC 7468 lets text come before it).
const LOOKED_THROUGH: u64 = 64 * 1024;

/// Why a file beside an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum HostFileError {
    #[error("it names no file")]
    NoName,
    #[error("it ends in /, so it names a directory")]
    NamesDirectory,
    #[error("it would overwrite a certificate or a key")]
    HoldsCredential,
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Whether [`write_host_file`] could; nothing is tried.
///
/// # Errors
/// Why not.
pub fn can_write_host_file(path: &Path) -> Result<(), HostFileError> {
    let (directory, name) = split(path)?;
    can_place(directory, name)?;
    keeps_credential(path)
}

/// Creates or replaces a file as a whole, with mode 0644.
///
/// # Errors
/// Directories may have been made by then; nothing else is changed.
pub fn write_host_file(path: &Path, bytes: &[u8]) -> Result<(), HostFileError> {
    let (directory, name) = split(path)?;
    keeps_credential(path)?;
    make_dirs(directory)?;
    Ok(place_file(directory, name, Mode::new(0o644), bytes)?)
}

fn split(path: &Path) -> Result<(&Path, &str), HostFileError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let directory = path.parent().unwrap_or(Path::new("/"));
    // Without this, `out/` would make a file called out.
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(HostFileError::NamesDirectory);
    }
    Ok((directory, name.ok_or(HostFileError::NoName)?))
}

/// Refuses to replace a file that holds PEM, which a record does only within its JSON, or is DER (a
/// certificate, a key, a PKCS#12 store). What may not be read cannot be known.
fn keeps_credential(path: &Path) -> Result<(), HostFileError> {
    let mut start = Vec::new();
    let found = std::fs::metadata(path).ok().filter(|found| found.is_file());
    let read = |file: File| file.take(LOOKED_THROUGH).read_to_end(&mut start);
    let Some(length) = found.map(|found| found.len()) else {
        return Ok(());
    };
    if File::open(path).and_then(read).is_err() {
        return Ok(());
    }
    if pem::begins_a_block(&start) || ber::is_whole_sequence(&start, length) {
        return Err(HostFileError::HoldsCredential);
    }
    Ok(())
}
