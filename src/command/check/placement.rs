//! A file in an image against what its record says of it: mode, owner, content.

use crate::finding::{Code, Finding};
use crate::image::Metadata;
use crate::pki::digest;
use crate::record::RecordedPlacement;

pub(super) const CHANGED: Code = Code::new("placement-changed");
const MODE: Code = Code::new("placement-mode");
const OWNER: Code = Code::new("placement-owner");

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
            .hint(
                "a later build step replaced it: run `certbake provision` again, after that step",
            ),
        );
    }
    findings
        .into_iter()
        .map(|finding| finding.in_file(path).fact("what", what))
        .collect()
}
