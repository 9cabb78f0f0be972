//! A file in an image against what its record says of it, and the record against the configuration:
//! mode, owner, content.

use super::Wanted;
use crate::finding::{Code, Finding};
use crate::image::{ImageError, ImageRoot, Metadata, Owner};
use crate::pki::digest;
use crate::record::RecordedPlacement;
use crate::verify::CONFIGURATION_CHANGED;

pub(super) const CHANGED: Code = Code::new("placement-changed");
const MODE: Code = Code::new("placement-mode");
const OWNER: Code = Code::new("placement-owner");
const NAMES_CHANGED: &str = "the configuration, or the number that the image gives to the name, has changed since the image was built: run `certbake provision` again, or change it back";
const NOT_PLACED: Code = Code::new("placement-missing");

const REPLACED: &str =
    "a later build step replaced it: run `certbake provision` again, after that step";

/// Why a file that was placed cannot be read: its path was fit for it then.
pub(super) fn unread(error: &ImageError) -> Finding {
    let finding = error.finding();
    match error {
        ImageError::NotAFile { .. }
        | ImageError::NotADirectory { .. }
        | ImageError::TooLarge { .. } => finding.hint(REPLACED),
        _ => finding,
    }
}

pub(super) fn compare(
    placement: &RecordedPlacement,
    found: &Metadata,
    bytes: &[u8],
) -> Vec<Finding> {
    let path = placement.path.as_str();
    let what = placement.what.as_str();
    let mut findings = Vec::new();
    let mode = found.mode.to_string();
    if mode != placement.mode {
        findings.push(
            Finding::error(MODE, format!("the mode of {path} is {mode}; it was placed with {}", placement.mode))
                .fact("mode", mode)
                .fact("recorded_mode", placement.mode.as_str())
                .hint("a later build step changed it: restore it with chmod, or run that step before certbake"),
        );
    }
    if (found.uid, found.gid) != (placement.uid, placement.gid) {
        findings.push(
            Finding::error(
                OWNER,
                format!(
                    "{path} belongs to {}:{}; it was placed for {}:{}",
                    found.uid, found.gid, placement.uid, placement.gid
                ),
            )
            .fact("uid", found.uid)
            .fact("gid", found.gid)
            .fact("recorded_uid", placement.uid)
            .fact("recorded_gid", placement.gid)
            .hint("a later build step changed it: restore it with chown, or run that step before certbake"),
        );
    }
    let sha256 = digest::sha256_hex(bytes);
    if placement.sha256 != sha256 {
        findings.push(
            Finding::error(
                CHANGED,
                format!("{path} has changed since it was placed as {what}"),
            )
            .fact("recorded_sha256", placement.sha256.as_str())
            .fact("sha256", sha256)
            .hint(REPLACED),
        );
    }
    findings
        .into_iter()
        .map(|finding| finding.in_file(path).fact("what", what))
        .collect()
}

/// What the configuration places and the record does not know.
pub(super) fn missing(wanted: &Wanted) -> Finding {
    let Wanted { what, path, .. } = wanted;
    Finding::error(NOT_PLACED, format!("the {what} was not placed at {path}"))
        .in_file(path.as_str())
        .fact("what", what.as_str())
        .hint(CONFIGURATION_CHANGED)
}

/// Mode and owner as the configuration states them by now, against those of the landing. A name that
/// the image does not know has no number to compare; the next run refuses it.
pub(super) fn otherwise(
    image: &ImageRoot,
    wanted: &Wanted,
    recorded: &RecordedPlacement,
) -> Vec<Finding> {
    let path = &wanted.path;
    let mut findings = Vec::new();
    if let Some(mode) = wanted.mode.map(|mode| mode.to_string())
        && mode != recorded.mode
    {
        let placed = &recorded.mode;
        findings.push(
            Finding::error(
                MODE,
                format!("{path} was placed with mode {placed}; the configuration states {mode}"),
            )
            .fact("recorded_mode", placed.as_str())
            .fact("stated_mode", mode)
            .hint(CONFIGURATION_CHANGED),
        );
    }
    let stated = |owner: &Owner, number: Option<u32>| number.filter(|_| *owner != Owner::Running);
    let uid = stated(&wanted.owner, image.uid(path, &wanted.owner).ok());
    let gid = stated(&wanted.group, image.gid(path, &wanted.group).ok());
    let (uid, gid) = (uid.unwrap_or(recorded.uid), gid.unwrap_or(recorded.gid));
    if (uid, gid) != (recorded.uid, recorded.gid) {
        findings.push(
            Finding::error(
                OWNER,
                format!(
                    "{path} was placed for {}:{}; the configuration states {uid}:{gid}",
                    recorded.uid, recorded.gid
                ),
            )
            .fact("recorded_uid", recorded.uid)
            .fact("recorded_gid", recorded.gid)
            .fact("stated_uid", uid)
            .fact("stated_gid", gid)
            .hint(match (&wanted.owner, &wanted.group) {
                (Owner::Name(_), _) | (_, Owner::Name(_)) => NAMES_CHANGED,
                _ => CONFIGURATION_CHANGED,
            }),
        );
    }
    let told = |finding: Finding| {
        finding
            .in_file(path.as_str())
            .fact("what", wanted.what.as_str())
    };
    findings.into_iter().map(told).collect()
}
