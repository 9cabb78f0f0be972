//! Does the authority's clock agree with ours: if one of the two is wrong, every length of time
//! measured here is wrong with it.

use super::{Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::span::Span;

pub(super) const OFFSET: Check = Check {
    code: Code::new("clock-offset"),
    summary: "the authority's clock and this machine's agree",
    outcome: Outcome::Window,
    run: offset,
};

fn offset(case: &Case<'_>) -> Vec<Finding> {
    let (Some(offset), Some(most)) = (case.evidence.clock_offset, case.policy.max_clock_offset)
    else {
        return Vec::new();
    };
    if offset.abs() <= most.duration() {
        return Vec::new();
    }
    let direction = if offset.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    vec![
        Finding::error(
            OFFSET.code,
            format!(
                "the authority's clock is {} {direction} this machine's, more than the {most} allowed",
                Span::from(offset.abs())
            ),
        )
        .fact("offset_seconds", offset.whole_seconds())
        .fact("allowed_seconds", most.as_seconds())
        .instant("here", case.now)
        .instant("authority", case.now + offset)
        .hint("set this machine's clock (NTP), or have the authority's set; max_clock_offset allows for more, and then the floor is that much less certain"),
    ]
}
