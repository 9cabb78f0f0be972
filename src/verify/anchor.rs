//! Does the root last as long as what hangs from it: path validation does not look at its dates
//! (RFC 5280 section 6.1.1), so the effective window leaves it out, but OpenSSL and Go refuse a chain to
//! an expired root.

use time::OffsetDateTime;

use super::case::without_anchors;
use super::window::{CERTIFICATES, floor_in_words};
use super::{Case, Check, Link};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::Phase;
use crate::span::Span;

/// The anchor lasts until the floor or, without one, as long as the effective window.
pub(super) const ENDS_FIRST: Check = Check {
    code: Code::new("anchor-ends-first"),
    outcome: Outcome::Window,
    not_made: |case| without_anchors(case).or_else(|| without_path(case)),
    run: ends_first,
};

fn without_path(case: &Case<'_>) -> Option<&'static str> {
    let found = case.anchor().is_some();
    (!found).then_some("no path to an anchor was found")
}

/// A certificate that is pinned itself has its window held against the floor already, and of an anchor that
/// has ended `expired` speaks.
fn ends_first(case: &Case<'_>) -> Vec<Finding> {
    let Some(anchor) = case.anchor().filter(|anchor| *anchor != case.leaf()) else {
        return Vec::new();
    };
    let end = anchor.window().not_after;
    let Some(needed) = needed_until(case).filter(|needed| end < *needed) else {
        return Vec::new();
    };
    let Phase::Open(left) = anchor.window().phase(case.now) else {
        return Vec::new();
    };
    let short = Span::from(needed - end);
    let against = match (&case.policy.floor, case.required()) {
        (Some(floor), Some(required)) => format!(
            "short of the floor of {}",
            floor_in_words(floor, CERTIFICATES, required)
        ),
        _ => "before what is issued below it".to_owned(),
    };
    let link = Link::Anchor(anchor);
    let left = Span::from(left);
    vec![
        Finding::warning(
            ENDS_FIRST.code,
            format!("{link} expires in {left}, {short} {against}"),
        )
        .instant("not_after", end)
        .instant("needed_until", needed)
        .fact("short_by_seconds", short.as_seconds())
        .fact("subject", anchor.facts().subject.as_str())
        .hint("have the CA's root renewed, and pin the new one here and on the peers before the old one ends: OpenSSL and Go refuse a chain to an expired root"),
    ]
}

/// `None` where the floor is beyond all dates, which `window-below-floor` says.
fn needed_until(case: &Case<'_>) -> Option<OffsetDateTime> {
    match case.required() {
        Some(required) => case.now.checked_add(required.duration()),
        None => Some(case.window.window.not_after),
    }
}
