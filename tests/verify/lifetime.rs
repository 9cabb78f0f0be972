//! The lifetime that was granted, and the clock that it is counted by.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::span::Span;
use certbake::verify::OnShortened;
use time::Duration;

use super::lab::window;
use super::scene::{DAY, Scene, codes, days, only};

#[test]
fn a_shortened_lifetime_fails_or_warns_as_the_policy_says() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 25 * DAY));
    let verdict = scene.judge();
    let finding = only(&verdict, "lifetime-shortened", Severity::Error);
    assert_eq!(finding.summary, "the CA granted 25d of the 30d asked for");
    assert_eq!(verdict.outcome(), Outcome::Window);

    scene.policy.on_shortened = OnShortened::Warn;
    let verdict = scene.judge();
    only(&verdict, "lifetime-shortened", Severity::Warning);
    assert_eq!(verdict.outcome(), Outcome::Ok);
}

#[test]
fn backdating_is_not_shortening_however_the_authority_counts() {
    let hour = Duration::HOUR;
    for (start, end) in [
        // Counted from the request, and backdated by an hour.
        (-hour, 30 * DAY),
        // Counted from the notBefore that was backdated.
        (-hour, 30 * DAY - hour),
        // Both ends included.
        (Duration::ZERO, 30 * DAY - Duration::SECOND),
    ] {
        let verdict = Scene::with_leaf(window(start, end)).judge();
        assert_eq!(codes(&verdict), [""; 0], "{start} to {end}");
    }
    let cut = Scene::with_leaf(window(-hour, 30 * DAY - hour - hour)).judge();
    only(&cut, "lifetime-shortened", Severity::Error);
}

#[test]
fn a_clock_that_is_known_to_be_off_does_not_count_as_shortening() {
    let mut scene = Scene::with_leaf(window(
        -Duration::minutes(15),
        30 * DAY - Duration::minutes(5),
    ));
    only(&scene.judge(), "lifetime-shortened", Severity::Error);
    scene.clock_offset = Some(-Duration::minutes(5));
    assert_eq!(codes(&scene.judge()), [""; 0]);
}

#[test]
fn a_lifetime_above_max_validity_is_refused() {
    let mut scene = Scene::with_leaf(window(-Duration::MINUTE, 3650 * DAY));
    scene.policy.max_validity = Some(days(90));
    let verdict = scene.judge();
    let finding = only(&verdict, "lifetime-too-long", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate is valid for 3650d, more than the 90d allowed"
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
    scene.policy.max_validity = Some(days(3650));
    assert_eq!(codes(&scene.judge()), [""; 0], "backdating does not count");
}

#[test]
fn a_clock_that_differs_from_the_authority_s_is_refused_in_both_directions() {
    let mut scene = Scene::right();
    scene.policy.max_clock_offset = Some(Span::seconds(300));
    for (offset, words) in [
        (Duration::minutes(-6), "6m behind this"),
        (Duration::minutes(6), "6m ahead of this"),
    ] {
        scene.clock_offset = Some(offset);
        let verdict = scene.judge();
        assert_eq!(verdict.outcome(), Outcome::Window);
        let finding = verdict
            .findings
            .iter()
            .find(|finding| finding.code.as_str() == "clock-offset")
            .unwrap();
        assert!(finding.summary.contains(words), "{}", finding.summary);
    }
    scene.clock_offset = Some(Duration::minutes(5));
    assert!(!codes(&scene.judge()).contains(&"clock-offset"));
}
