//! Does the authority's clock agree with ours: if one of the two is wrong, every duration
//! measured here is wrong with it.

use time::{Duration, OffsetDateTime};

use super::{Case, Check, Policy};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::span::Span;

/// The authority's clock and this machine's agree.
pub(super) const OFFSET: Check = Check {
    code: Code::new("clock-offset"),
    outcome: Outcome::Window,
    not_made: nothing_to_compare,
    run: offset,
};

fn nothing_to_compare(case: &Case<'_>) -> Option<&'static str> {
    if case.evidence.clock_offset.is_none() {
        return Some("the CA's time is not known");
    }
    let most = case.policy.max_clock_offset;
    most.is_none().then_some("no max_clock_offset is set")
}

fn offset(case: &Case<'_>) -> Vec<Finding> {
    case.evidence
        .clock_offset
        .and_then(|offset| beyond(offset, case.policy, case.now))
        .into_iter()
        .collect()
}

/// An offset that is greater than the policy allows.
pub(super) fn beyond(offset: Duration, policy: &Policy, now: OffsetDateTime) -> Option<Finding> {
    let most = policy.max_clock_offset?;
    if offset.abs() <= most.duration() {
        return None;
    }
    let direction = if offset.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    Some(
        Finding::error(
            OFFSET.code,
            format!(
                "the CA's clock is {} {direction} this machine's, more than the {most} allowed",
                Span::from(offset.abs())
            ),
        )
        .fact("offset_seconds", offset.whole_seconds())
        .fact("allowed_seconds", most.as_seconds())
        .instant("here", now)
        .instant("authority", now.saturating_add(offset))
        .hint("correct this machine's clock (NTP), or have the CA's corrected; a larger max_clock_offset accepts the difference, and the floor is then that much less certain"),
    )
}
