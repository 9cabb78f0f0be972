//! The validity window against the clock and against the floor.

use time::OffsetDateTime;

use super::case::always;
use super::{Case, Check, Link, Policy};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::{Certificate, Floor, Phase};
use crate::span::Span;

/// No link of the chain has expired.
pub(super) const EXPIRED: Check = Check {
    code: Code::new("expired"),
    outcome: Outcome::Window,
    not_made: always,
    run: expired,
};

/// Every link of the chain is valid already.
pub(super) const NOT_YET_VALID: Check = Check {
    code: Code::new("not-yet-valid"),
    outcome: Outcome::Window,
    not_made: always,
    run: not_yet_valid,
};

/// The effective window is open for as long as the build needs.
pub(super) const BELOW_FLOOR: Check = Check {
    code: Code::new("window-below-floor"),
    outcome: Outcome::Window,
    not_made: no_floor_to_hold,
    run: below_floor,
};

/// No intermediate ends before the certificate it issued.
pub(super) const ISSUER_ENDS_FIRST: Check = Check {
    code: Code::new("issuer-ends-first"),
    outcome: Outcome::Window,
    not_made: always,
    run: issuer_ends_first,
};

/// Some link, the anchor included, is refused for its own dates.
pub(super) fn refuses_a_link(case: &Case<'_>) -> bool {
    let tolerance = case.policy.not_before_tolerance.duration();
    case.links_to_anchor()
        .any(|link| match link.certificate().window().phase(case.now) {
            Phase::Open(_) => false,
            Phase::Ahead(wait) => wait > tolerance,
            Phase::Past(_) => true,
        })
}

/// The anchor counts here, though path validation does not look at its dates (RFC 5280 section
/// 6.1.1): OpenSSL and Go refuse a chain to an expired root.
fn expired(case: &Case<'_>) -> Vec<Finding> {
    case.links_to_anchor()
        .filter_map(|link| match link.certificate().window().phase(case.now) {
            Phase::Past(ago) => Some((link, Span::from(ago))),
            Phase::Ahead(_) | Phase::Open(_) => None,
        })
        .map(|(link, ago)| {
            Finding::error(EXPIRED.code, format!("{link} expired {ago} ago"))
                .instant("not_after", link.certificate().window().not_after)
                .instant("at", case.now)
                .fact("expired_for_seconds", ago.as_seconds())
                .fact("subject", link.certificate().facts().subject.as_str())
                .hint(match link {
                    Link::Leaf(_) => "have a new certificate issued; if this one was issued just now, compare this machine's clock with the CA's",
                    Link::Intermediate(_) => "renew the intermediate at the CA, then have the certificate reissued",
                    Link::Anchor(_) => "pin the CA's current root: OpenSSL and Go refuse a chain to an expired root",
                })
        })
        .collect()
}

fn not_yet_valid(case: &Case<'_>) -> Vec<Finding> {
    let tolerance = case.policy.not_before_tolerance;
    case.links_to_anchor()
        .filter_map(|link| match link.certificate().window().phase(case.now) {
            Phase::Ahead(wait) => Some((link, Span::from(wait))),
            Phase::Past(_) | Phase::Open(_) => None,
        })
        .map(|(link, wait)| {
            let summary = format!("{link} is not valid yet: it becomes valid in {wait}");
            let finding = if wait <= tolerance {
                Finding::warning(NOT_YET_VALID.code, summary)
            } else {
                Finding::error(NOT_YET_VALID.code, summary)
            };
            finding
                .instant("not_before", link.certificate().window().not_before)
                .instant("at", case.now)
                .fact("starts_in_seconds", wait.as_seconds())
                .fact("tolerated_seconds", tolerance.as_seconds())
                .fact("subject", link.certificate().facts().subject.as_str())
                .hint("compare this machine's clock with the CA's; have the CA backdate notBefore by a minute: peers whose clocks run behind refuse such a certificate, some of them as expired")
        })
        .collect()
}

pub(super) const NO_FLOOR: &str = "no floor is set";

fn no_floor_to_hold(case: &Case<'_>) -> Option<&'static str> {
    if case.policy.floor.is_none() {
        return Some(NO_FLOOR);
    }
    // `expired` says so.
    let remaining = case.window.window.remaining(case.now);
    remaining
        .is_negative()
        .then_some("the window has already ended")
}

fn below_floor(case: &Case<'_>) -> Vec<Finding> {
    let (Some(floor), Some(required)) = (&case.policy.floor, case.required()) else {
        return Vec::new();
    };
    let window = &case.window.window;
    let remaining = window.remaining(case.now);
    if remaining >= required.duration() {
        return Vec::new();
    }
    let left = Span::from(remaining);
    let short = Span::from(required.duration() - remaining);
    let limit = limiting_link(case);
    let whose = match limit {
        Link::Leaf(_) => "its",
        Link::Intermediate(_) | Link::Anchor(_) => CERTIFICATES,
    };
    let mut finding = Finding::error(
        BELOW_FLOOR.code,
        format!(
            "{limit} expires in {left}, {short} short of the floor of {}",
            floor_in_words(floor, whose, required)
        ),
    )
    .fact("remaining_seconds", left.as_seconds())
    .fact("required_seconds", required.as_seconds())
    .fact("short_by_seconds", short.as_seconds())
    .fact("floor", floor.to_string())
    .instant("not_after", window.not_after)
    .fact("limited_by", case.window.limited_by.title())
    .fact("limited_by_depth", case.window.depth);
    if let Floor::Sum(parts) = floor {
        let parts = parts
            .iter()
            .map(|(name, span)| (format!("{name}_seconds"), span.as_seconds().into()));
        finding = finding.fact("sum", serde_json::Map::from_iter(parts));
    }
    vec![finding.hint(what_to_change(case, required))]
}

/// A certificate of at most `most` cannot reach the floor.
pub(super) fn limit(
    most: Span,
    asked: Option<Span>,
    policy: &Policy,
    cure: &str,
) -> Option<Finding> {
    let floor = policy.floor.as_ref()?;
    let granted = asked.map_or(most, |asked| asked.min(most));
    let required = floor.required(granted.duration());
    (required > granted).then(|| {
        Finding::error(
            BELOW_FLOOR.code,
            format!(
                "the CA grants {granted} at most, {} short of the floor of {}",
                Span::from(required.duration() - granted.duration()),
                floor_in_words(floor, CERTIFICATES, required)
            ),
        )
        .fact("granted_seconds", granted.as_seconds())
        .fact("required_seconds", required.as_seconds())
        .fact("floor", floor.to_string())
        .fact("floor_from", policy.floor_origin.as_str())
        .hint(format!("nothing was requested: {cure}, or lower the floor"))
    })
}

/// Holds a window that is only known from a record against the clock and the floor.
pub(super) fn recorded(
    not_after: OffsetDateTime,
    limited_by: &str,
    required: Option<Span>,
    now: OffsetDateTime,
) -> Option<Finding> {
    let remaining = not_after - now;
    let finding = if remaining.is_negative() {
        let ago = Span::from(-remaining);
        Finding::error(
            EXPIRED.code,
            format!("\"{limited_by}\" expired {ago} ago, by the record"),
        )
        .fact("expired_for_seconds", ago.as_seconds())
        .hint("rebuild the image with a new certificate")
    } else {
        let required = required.filter(|required| remaining < required.duration())?;
        let (left, short) = (
            Span::from(remaining),
            Span::from(required.duration() - remaining),
        );
        Finding::error(
            BELOW_FLOOR.code,
            format!("\"{limited_by}\" expires in {left}, by the record, {short} short of the floor of {required}"),
        )
        .fact("remaining_seconds", left.as_seconds())
        .fact("required_seconds", required.as_seconds())
        .fact("short_by_seconds", short.as_seconds())
        .hint("rebuild the image, or lower the floor")
    };
    Some(
        finding
            .instant("not_after", not_after)
            .instant("at", now)
            .fact("limited_by", limited_by),
    )
}

/// What lets certificates last beyond an intermediate.
pub(super) fn renew(intermediate: &Certificate) -> String {
    let name = intermediate.title();
    format!("renew the intermediate \"{name}\" at the CA: no ttl can outlast it")
}

/// What ends the window.
pub(super) fn limiting_link<'a>(case: &'a Case<'_>) -> Link<'a> {
    let certificate = &case.window.limited_by;
    if case.window.depth == 0 {
        Link::Leaf(certificate)
    } else {
        Link::Intermediate(certificate)
    }
}

pub(super) const CERTIFICATES: &str = "the certificate's";

/// `21d`, `66% of its lifetime, 19d 19h`, `image_max_age 30d + instance_life 7d = 37d`.
pub(super) fn floor_in_words(floor: &Floor, whose: &str, required: Span) -> String {
    match floor {
        Floor::Absolute(span) => span.to_string(),
        Floor::Percent(percent) => format!("{percent}% of {whose} lifetime, {required}"),
        Floor::Sum(_) => format!("{floor} = {required}"),
    }
}

fn what_to_change(case: &Case<'_>, required: Span) -> String {
    if matches!(case.policy.floor, Some(Floor::Percent(100))) {
        return "lower the floor: a certificate has its whole lifetime left only at its notBefore, and most CAs backdate that".to_owned();
    }
    if let Link::Intermediate(intermediate) = limiting_link(case) {
        return format!("{}; or lower the floor", renew(intermediate));
    }
    let ordered = case
        .evidence
        .asked
        .filter(|_| !case.evidence.asked_afterwards);
    match ordered.map(|asked| asked.ttl) {
        Some(Some(ttl)) if ttl < required => {
            format!("ask for a longer ttl: it is {ttl}, and the build needs {required}")
        }
        Some(Some(ttl)) => format!(
            "the CA granted less than the ttl of {ttl}: raise the limit there (its role, profile or provisioner) to more than {required}, or lower the floor"
        ),
        Some(None) => format!(
            "ask for a ttl above {required}; if the CA alone decides, raise its default; or lower the floor"
        ),
        None => format!(
            "have a certificate issued that is valid for more than {required}, or lower the floor"
        ),
    }
}

fn issuer_ends_first(case: &Case<'_>) -> Vec<Finding> {
    let leaf = case.leaf().window().not_after;
    if case.window.window.not_after == leaf {
        return Vec::new();
    }
    let lost = Span::from(leaf - case.window.window.not_after);
    vec![
        Finding::note(
            ISSUER_ENDS_FIRST.code,
            format!(
                "{} expires {lost} before the certificate below it",
                limiting_link(case)
            ),
        )
        .instant("not_after", case.window.window.not_after)
        .instant("leaf_not_after", leaf)
        .fact("lost_seconds", lost.as_seconds())
        .hint(
            "renew the intermediate at the CA before it cuts short the certificates issued from it",
        ),
    ]
}
