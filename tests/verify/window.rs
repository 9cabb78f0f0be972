//! The window against the clock and the floor.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::{Anchors, Floor};
use certbake::span::Span;
use time::Duration;

use super::lab::{Authority, NOW, window};
use super::scene::{DAY, Scene, codes, days, only};

#[test]
fn a_window_below_the_floor_says_by_how_much_and_what_to_change() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 13 * DAY));
    scene.ttl = None;
    let verdict = scene.judge();
    let finding = only(&verdict, "window-below-floor", Severity::Error);
    assert_eq!(verdict.outcome(), Outcome::Window);
    assert_eq!(
        finding.summary,
        "the certificate \"app-server\" expires in 13d, 8d short of the floor of 21d"
    );
    assert_eq!(finding.facts["short_by_seconds"], 8 * 86_400);
    assert!(
        finding.hint.contains("ask for a ttl above 21d"),
        "{}",
        finding.hint
    );
    assert!(!verdict.summary.floor.unwrap().holds);
}

#[test]
fn a_ttl_that_is_itself_below_the_floor_is_named_as_what_to_change() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 7 * DAY));
    scene.ttl = Some(days(7));
    let finding = only(&scene.judge(), "window-below-floor", Severity::Error);
    assert!(
        finding.hint.contains("it is 7d, and the build needs 21d"),
        "{}",
        finding.hint
    );
}

#[test]
fn an_intermediate_that_ends_first_limits_the_window_and_is_named() {
    let scene = Scene::with_intermediate(window(-DAY, 5 * DAY));
    let verdict = scene.judge();
    assert_eq!(codes(&verdict), ["window-below-floor", "issuer-ends-first"]);
    let finding = &verdict.findings[0];
    assert!(
        finding
            .summary
            .starts_with("the intermediate \"Lab Issuing\" expires in 5d"),
        "{}",
        finding.summary
    );
    assert!(
        finding
            .hint
            .contains("renew the intermediate \"Lab Issuing\""),
        "{}",
        finding.hint
    );
    assert_eq!(finding.facts["limited_by_depth"], 1);
    let mut by_share = Scene::with_intermediate(window(-DAY, 5 * DAY));
    by_share.policy.floor = Some("50%".parse().unwrap());
    let summary = &by_share.judge().findings[0].summary;
    assert!(
        summary.contains("50% of the certificate's lifetime, "),
        "{summary}"
    );
    assert_eq!(verdict.findings[1].severity, Severity::Note);
    assert_eq!(verdict.outcome(), Outcome::Window);
}

/// As a CA leaves it that cuts what it issues down to its own end.
#[test]
fn of_links_that_end_together_the_intermediate_is_what_limits() {
    let root = Authority::root("Lab Root");
    let issuing = root.intermediate_with("Lab Issuing", window(-DAY, 5 * DAY));
    let scene = Scene::of(root, issuing, window(Duration::ZERO, 5 * DAY));
    let verdict = scene.judge();
    assert_eq!(
        codes(&verdict),
        ["window-below-floor", "lifetime-shortened"]
    );
    for finding in &verdict.findings {
        let what = "renew the intermediate \"Lab Issuing\" at the CA: no ttl can outlast it";
        assert!(finding.hint.starts_with(what), "{}", finding.hint);
    }
    assert_eq!(verdict.findings[0].facts["limited_by"], "Lab Issuing");
}

#[test]
fn a_floor_of_stated_facts_is_printed_as_their_sum() {
    let mut scene = Scene::right();
    scene.policy.floor = Some(Floor::Sum(vec![
        ("image_max_age".into(), days(30)),
        ("rollout".into(), days(1)),
    ]));
    let finding = only(&scene.judge(), "window-below-floor", Severity::Error);
    assert!(
        finding
            .summary
            .ends_with("1d short of the floor of image_max_age 30d + rollout 1d = 31d"),
        "{}",
        finding.summary
    );
    assert_eq!(finding.facts["sum"]["rollout_seconds"], 86_400);
}

#[test]
fn a_floor_in_percent_is_of_the_leaf_s_own_lifetime() {
    let mut scene = Scene::with_leaf(window(-15 * DAY, 15 * DAY));
    scene.policy.floor = Some("66%".parse().unwrap());
    let finding = only(&scene.judge(), "window-below-floor", Severity::Error);
    assert!(
        finding.summary.contains("66% of its lifetime, 19d 19h"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("raise the limit"), "{}", finding.hint);
    // No other lifetime would help.
    scene.policy.floor = Some("100%".parse().unwrap());
    let finding = only(&scene.judge(), "window-below-floor", Severity::Error);
    assert!(
        finding.hint.starts_with("lower the floor"),
        "{}",
        finding.hint
    );
    scene.policy.floor = Some("50%".parse().unwrap());
    assert_eq!(scene.judge().outcome(), Outcome::Ok);
}

#[test]
fn an_expired_link_is_named_with_how_long_ago_and_nothing_else_is_said_of_it() {
    let mut scene = Scene::with_leaf(window(-30 * DAY, -3 * DAY));
    scene.ttl = None;
    let verdict = scene.judge();
    let finding = only(&verdict, "expired", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate \"app-server\" expired 3d ago"
    );
    assert_eq!(verdict.outcome(), Outcome::Window);

    let scene = Scene::with_intermediate(window(-30 * DAY, -DAY));
    let verdict = scene.judge();
    assert_eq!(codes(&verdict), ["expired", "issuer-ends-first"]);
    assert!(
        verdict.findings[0]
            .summary
            .contains("the intermediate \"Lab Issuing\" expired 1d ago")
    );
}

#[test]
fn an_expired_anchor_is_refused_because_openssl_and_go_refuse_it() {
    let root = Authority::root_with("Old Root", window(-3650 * DAY, -DAY));
    let issuing = root.intermediate("Lab Issuing");
    let finding = only(
        &Scene::of(root, issuing, |_| {}).judge(),
        "expired",
        Severity::Error,
    );
    assert_eq!(finding.summary, "the anchor \"Old Root\" expired 1d ago");
}

#[test]
fn an_anchor_that_ends_before_the_floor_or_without_one_before_the_window_is_warned_of() {
    let root = Authority::root_with("Lab Root", window(-3650 * DAY, 5 * DAY));
    let issuing = root.intermediate("Lab Issuing");
    let mut scene = Scene::of(root, issuing, |_| {});
    let verdict = scene.judge();
    let finding = only(&verdict, "anchor-ends-first", Severity::Warning);
    assert_eq!(
        finding.summary,
        "the anchor \"Lab Root\" expires in 5d, 16d short of the floor of 21d"
    );
    assert_eq!(finding.facts["not_after"], "2026-06-06T12:00:00Z");
    assert_eq!(finding.facts["needed_until"], "2026-06-22T12:00:00Z");
    assert!(
        finding.hint.contains("root renewed, and pin the new one"),
        "{}",
        finding.hint
    );
    // The window itself is what it was.
    assert_eq!(verdict.outcome(), Outcome::Ok);
    assert_eq!(verdict.summary.not_after, NOW + 30 * DAY);

    scene.policy.floor = None;
    let finding = only(&scene.judge(), "anchor-ends-first", Severity::Warning);
    assert_eq!(
        finding.summary,
        "the anchor \"Lab Root\" expires in 5d, 25d before what is issued below it"
    );
    scene.policy.floor = Some("5d".parse().unwrap());
    assert_eq!(codes(&scene.judge()), [""; 0]);
}

#[test]
fn a_certificate_that_is_pinned_itself_is_not_told_of_as_a_root() {
    let mut scene = Scene::with_leaf(window(-DAY, 5 * DAY));
    scene.ttl = None;
    scene.anchors = Anchors::new(vec![scene.leaf.certificate.clone()]);
    assert!(!codes(&scene.judge()).contains(&"anchor-ends-first"));
}

#[test]
fn a_certificate_that_starts_later_is_refused_beyond_the_tolerance_and_warned_of_within_it() {
    let mut scene = Scene::with_leaf(window(Duration::seconds(20), 30 * DAY));
    let verdict = scene.judge();
    let finding = only(&verdict, "not-yet-valid", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate \"app-server\" is not valid yet: it becomes valid in 20s"
    );
    assert_eq!(verdict.outcome(), Outcome::Window);

    scene.policy.not_before_tolerance = Span::seconds(30);
    let verdict = scene.judge();
    only(&verdict, "not-yet-valid", Severity::Warning);
    assert_eq!(verdict.outcome(), Outcome::Ok);
}

#[test]
fn a_certificate_that_starts_within_the_tolerance_must_lead_to_the_anchors_all_the_same() {
    let mut scene = Scene::with_leaf(window(Duration::seconds(20), 30 * DAY));
    scene.policy.not_before_tolerance = Span::seconds(30);
    scene.anchors = Anchors::new(vec![Authority::root("Other Root").certificate]);
    let verdict = scene.judge();
    assert_eq!(codes(&verdict), ["not-yet-valid", "chain-incomplete"]);
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn of_a_root_and_its_renewal_the_one_that_is_valid_counts_in_whatever_order_they_come() {
    let old = Authority::root_with("Lab Root", window(-3650 * DAY, -DAY));
    let issuing = old.intermediate("Lab Issuing");
    let mut scene = Scene::of(old, issuing, |_| {});
    let old = scene.root.certificate.clone();
    let renewed = scene.root.crossed(&scene.root, |_| {});
    for anchors in [[old.clone(), renewed.clone()], [renewed, old]] {
        scene.anchors = Anchors::new(anchors.to_vec());
        assert_eq!(codes(&scene.judge()), [""; 0]);
    }
}
