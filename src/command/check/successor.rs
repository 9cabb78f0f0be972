//! Files of an identity that another one has taken since: an identity that was renamed leaves its
//! record behind, and no further run would mend that.

use serde_json::Value;

use super::placement::CHANGED;
use crate::finding::Finding;
use crate::record::Record;

/// Says of each changed file who has placed what stands there, where a record tells.
pub(super) fn name(findings: &mut [Finding], records: &[Record]) {
    for finding in findings.iter_mut().filter(|found| found.code == CHANGED) {
        let (Some(identity), Some(path)) = (&finding.identity, &finding.file) else {
            continue;
        };
        let found = finding.facts.get("sha256").and_then(Value::as_str);
        let placed_it = |record: &&Record| {
            record.identity != *identity
                && record.placements.iter().any(|placement| {
                    placement.path == *path && Some(placement.sha256.as_str()) == found
                })
        };
        let Some(successor) = records.iter().find(placed_it) else {
            continue;
        };
        let successor = &successor.identity;
        let hint = format!(
            "{successor} has been placed there since: if it replaces {identity}, remove the record of {identity} from the image; if not, give each its own paths"
        );
        *finding = finding
            .clone()
            .fact("placed_by", successor.as_str())
            .hint(hint);
    }
}
