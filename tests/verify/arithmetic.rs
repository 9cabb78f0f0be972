//! The arithmetic of the gate, for windows and floors that nobody thought of.

use std::sync::LazyLock;

use certbake::outcome::Outcome;
use certbake::pki::{Chain, Floor};
use certbake::span::Span;
use certbake::verify::{self, Evidence, Policy};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

use super::lab::{Authority, NOW, window};

static ROOT: LazyLock<Authority> = LazyLock::new(|| Authority::root("Lab Root"));

/// A chain whose windows open and close this many seconds from [`NOW`], leaf first.
fn chain(windows: &[(i64, i64)]) -> Chain {
    let sized =
        |&(start, end): &(i64, i64)| window(Duration::seconds(start), Duration::seconds(end));
    let (leaf, above) = windows.split_first().unwrap();
    let mut others = Vec::new();
    let mut issuer: Option<Authority> = None;
    for (at, link) in above.iter().enumerate().rev() {
        let next = issuer
            .as_ref()
            .unwrap_or(&ROOT)
            .intermediate_with(&format!("Link {at}"), sized(link));
        others.push(next.certificate.clone());
        issuer = Some(next);
    }
    let leaf = issuer.as_ref().unwrap_or(&ROOT).leaf_with(sized(leaf));
    Chain::above(leaf.certificate, others)
}

fn judge(chain: &Chain, now: OffsetDateTime, floor: Option<Floor>) -> verify::Verdict {
    let policy = Policy {
        floor,
        ..Policy::default()
    };
    verify::credential(&Evidence::new(now, chain), &policy)
}

const DAY: i64 = 86_400;

/// Opens up to ten days from now on either side, and lasts up to forty.
fn a_window() -> impl Strategy<Value = (i64, i64)> {
    (-10 * DAY..10 * DAY, 0..40 * DAY).prop_map(|(start, length)| (start, start + length))
}

fn a_floor() -> impl Strategy<Value = Floor> {
    let span = || (0..30 * DAY).prop_map(Span::seconds);
    prop_oneof![
        span().prop_map(Floor::Absolute),
        (1_u8..=100).prop_map(Floor::Percent),
        prop::collection::vec(span(), 1..4).prop_map(|parts| Floor::Sum(
            parts
                .into_iter()
                .map(|part| ("fact".to_owned(), part))
                .collect()
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The gate passes exactly when every link is open and what is left is at least the floor.
    #[test]
    fn the_gate_passes_exactly_when_the_floor_holds(
        windows in prop::collection::vec(a_window(), 1..4),
        floor in a_floor(),
        after in -5 * DAY..20 * DAY,
        nanosecond in 0..1_000_000_000_i64,
    ) {
        let chain = chain(&windows);
        let verdict = judge(&chain, NOW + Duration::seconds(after) + Duration::nanoseconds(nanosecond), Some(floor.clone()));
        let end = windows.iter().map(|(_, end)| *end).min().unwrap();
        let start = windows.iter().map(|(start, _)| *start).max().unwrap();
        let lifetime = windows[0].1 - windows[0].0;
        let required = match &floor {
            Floor::Absolute(span) => span.as_seconds(),
            Floor::Percent(percent) => lifetime * i64::from(*percent) / 100,
            Floor::Sum(parts) => parts.iter().map(|(_, span)| span.as_seconds()).sum(),
        };
        let holds = start <= after && after <= end && end - after >= required;
        prop_assert_eq!(verdict.outcome() == Outcome::Ok, holds, "{:?}", verdict.findings);
        if !holds {
            prop_assert_eq!(verdict.outcome(), Outcome::Window);
        }
        prop_assert_eq!(verdict.summary.remaining_seconds, end - after);
        prop_assert_eq!(verdict.summary.floor.unwrap().holds, end - after >= required);
    }

    /// What is left never grows as time goes by, so a gate that has failed never passes again.
    #[test]
    fn a_window_only_ever_closes(windows in prop::collection::vec(a_window(), 1..3), floor in a_floor(), step in 1..10 * DAY) {
        let chain = chain(&windows);
        let opened = NOW + Duration::seconds(windows.iter().map(|(start, _)| *start).max().unwrap());
        let first = judge(&chain, opened, Some(floor.clone()));
        let later = judge(&chain, opened + Duration::seconds(step), Some(floor));
        prop_assert!(first.outcome() == Outcome::Ok || later.outcome() != Outcome::Ok);
        prop_assert!(later.summary.remaining_seconds < first.summary.remaining_seconds);
    }

    /// The last moment at which the gate passes is `rebuild_by`; a second later it does not.
    #[test]
    fn rebuild_by_is_the_last_good_second(length in DAY..40 * DAY, floor in 0..DAY) {
        let chain = chain(&[(0, length)]);
        let floor = Some(Floor::Absolute(Span::seconds(floor)));
        let rebuild_by = judge(&chain, NOW, floor.clone()).summary.rebuild_by.unwrap();
        prop_assert_eq!(judge(&chain, rebuild_by, floor.clone()).outcome(), Outcome::Ok);
        prop_assert_eq!(judge(&chain, rebuild_by + Duration::SECOND, floor).outcome(), Outcome::Window);
    }

    /// The link that is named is one that ends the window.
    #[test]
    fn the_limiting_link_is_one_that_ends_first(windows in prop::collection::vec(a_window(), 1..4)) {
        let chain = chain(&windows);
        let summary = judge(&chain, NOW, None).summary;
        let end = windows.iter().map(|(_, end)| *end).min().unwrap();
        prop_assert_eq!(windows[summary.limited_by_depth].1, end);
        prop_assert_eq!(summary.not_after, NOW + Duration::seconds(end));
        let limit = chain.certificates().nth(summary.limited_by_depth).unwrap();
        prop_assert_eq!(&summary.limited_by, &limit.title());
    }
}
