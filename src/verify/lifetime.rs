//! Was the lifetime granted that was asked for: authorities cut lifetimes silently.

use time::Duration;

use super::{Case, Check, Link, OnShortened, Policy, window};
use crate::finding::{Code, Finding, Severity};
use crate::outcome::Outcome;
use crate::span::Span;

/// Certificates count whole seconds, both ends included, and some authorities whole minutes: a
/// difference of this much is rounding, not a decision.
const ROUNDING: Duration = Duration::MINUTE;

/// The lifetime granted is the lifetime asked for.
pub(super) const SHORTENED: Check = Check {
    code: Code::new("lifetime-shortened"),
    outcome: Outcome::Window,
    not_made: no_ttl_asked,
    run: shortened,
};

/// The lifetime granted is not above max_validity.
pub(super) const TOO_LONG: Check = Check {
    code: Code::new("lifetime-too-long"),
    outcome: Outcome::Flawed,
    not_made: |case| {
        case.policy
            .max_validity
            .is_none()
            .then_some("no max_validity is set")
    },
    run: too_long,
};

/// What was granted, counted from the later of notBefore and the authority's own now: backdating
/// (30 seconds to an hour is usual) is no use to anybody.
fn granted(case: &Case<'_>) -> Duration {
    let window = case.leaf().window();
    let offset = case.evidence.clock_offset.unwrap_or_default();
    let now = case.now.saturating_add(offset);
    window.not_after - window.not_before.max(now)
}

fn no_ttl_asked(case: &Case<'_>) -> Option<&'static str> {
    let asked = case.evidence.asked.and_then(|asked| asked.ttl);
    asked.is_none().then_some("no lifetime was asked for")
}

fn shortened(case: &Case<'_>) -> Vec<Finding> {
    let Some(asked) = case.evidence.asked.and_then(|asked| asked.ttl) else {
        return Vec::new();
    };
    let granted = granted(case);
    let whole = case.leaf().window().lifetime();
    // An authority that backdates may count the lifetime from the notBefore it chose.
    let counted_from_not_before = (whole - asked.duration()).abs() <= ROUNDING;
    if counted_from_not_before || granted + ROUNDING >= asked.duration() {
        return Vec::new();
    }
    let severity = match case.policy.on_shortened {
        OnShortened::Fail => Severity::Error,
        OnShortened::Warn => Severity::Warning,
    };
    let granted = Span::from(granted);
    vec![
        Finding::new(
            SHORTENED.code,
            severity,
            format!("the CA granted {granted} of the {asked} asked for"),
        )
        .fact("asked_seconds", asked.as_seconds())
        .fact("granted_seconds", granted.as_seconds())
        .instant("not_after", case.leaf().window().not_after)
        .hint(format!(
            "{}, or ask for a ttl of at most {granted}{}",
            what_to_raise(case),
            match case.policy.on_shortened {
                OnShortened::Fail =>
                    "; on_shortened = \"warn\" accepts less as long as the floor holds",
                OnShortened::Warn => "",
            }
        )),
    ]
}

fn what_to_raise(case: &Case<'_>) -> String {
    match window::limiting_link(case) {
        Link::Intermediate(issuer)
            if issuer.window().not_after == case.leaf().window().not_after =>
        {
            window::renew(issuer)
        }
        _ => "raise the limit at the CA (its role, profile or provisioner)".to_owned(),
    }
}

/// An order would be shortened to `most`, where that is not accepted.
pub(super) fn limit(
    most: Span,
    asked: Option<Span>,
    policy: &Policy,
    cure: &str,
) -> Option<Finding> {
    let asked = asked?;
    if policy.on_shortened == OnShortened::Warn || most.duration() + ROUNDING >= asked.duration() {
        return None;
    }
    Some(
        Finding::error(
            SHORTENED.code,
            format!("the CA would grant {most} of the {asked} asked for"),
        )
        .fact("asked_seconds", asked.as_seconds())
        .fact("granted_seconds", most.as_seconds())
        .hint(format!(
            "nothing was requested: {cure}, or ask for a ttl of at most {most}; on_shortened = \"warn\" accepts less as long as the floor holds"
        )),
    )
}

fn too_long(case: &Case<'_>) -> Vec<Finding> {
    let Some(most) = case.policy.max_validity else {
        return Vec::new();
    };
    let granted = granted(case);
    if granted <= most.duration() + ROUNDING {
        return Vec::new();
    }
    let granted = Span::from(granted);
    vec![
        Finding::error(
            TOO_LONG.code,
            format!("the certificate is valid for {granted}, more than the {most} allowed"),
        )
        .fact("granted_seconds", granted.as_seconds())
        .fact("allowed_seconds", most.as_seconds())
        .instant("not_after", case.leaf().window().not_after)
        .hint("ask for a shorter ttl, or have the CA limit the lifetime; max_validity is the most this build accepts"),
    ]
}
