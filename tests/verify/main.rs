//! The gate: one story for each check, on real certificates.

#![allow(clippy::unwrap_used)]

mod arithmetic;
mod issuers;
mod lab;
mod lifetime;
mod names;
mod openssl;
mod peers;
mod profile;
mod scene;
mod strength;
mod trust;
mod usage;
mod window;

use std::collections::BTreeSet;

use certbake::outcome::Outcome;
use certbake::verify::CHECKS;
use time::Duration;

use lab::{NOW, window};
use scene::{DAY, Scene, codes};

#[test]
fn a_credential_that_is_as_asked_passes_without_a_word() {
    let verdict = Scene::right().judge();
    assert_eq!(codes(&verdict), [""; 0], "{:#?}", verdict.findings);
    assert_eq!(verdict.outcome(), Outcome::Ok);
    let floor = verdict.summary.floor.unwrap();
    assert!(floor.holds);
    assert_eq!(verdict.summary.rebuild_by, Some(NOW + 9 * DAY));
}

#[test]
fn a_window_error_beside_another_error_ends_flawed() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 13 * DAY));
    scene.ttl = None;
    scene.names.clear();
    let verdict = scene.judge();
    assert_eq!(codes(&verdict), ["window-below-floor", "names-unexpected"]);
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn every_check_has_a_story_here_and_a_code_of_its_own() {
    let stories = [
        include_str!("lifetime.rs"),
        include_str!("names.rs"),
        include_str!("profile.rs"),
        include_str!("strength.rs"),
        include_str!("trust.rs"),
        include_str!("usage.rs"),
        include_str!("window.rs"),
    ]
    .concat();
    let mut codes = BTreeSet::new();
    for check in CHECKS {
        let code = check.code.as_str();
        assert!(codes.insert(code), "{code} stands there twice");
        assert!(
            stories.contains(&format!("\"{code}\"")),
            "{code} has no story"
        );
        assert!(
            matches!(check.outcome, Outcome::Window | Outcome::Flawed),
            "{code}"
        );
    }
}
