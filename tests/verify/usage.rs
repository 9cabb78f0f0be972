//! What a certificate may be used for.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::Usage;
use rcgen::{ExtendedKeyUsagePurpose, IsCa};

use super::scene::{Scene, codes, only};

#[test]
fn a_certificate_for_servers_alone_does_not_pass_for_a_client_s() {
    let scene = Scene::with_leaf(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    let verdict = scene.judge();
    let finding = only(&verdict, "usage-missing", Severity::Error);
    assert!(
        finding
            .summary
            .contains("does not allow clientAuth: its extended key usage is serverAuth"),
        "{}",
        finding.summary
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn an_intermediate_that_forbids_the_usage_is_named() {
    let scene = Scene::with_intermediate(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    let finding = only(&scene.judge(), "usage-missing", Severity::Error);
    assert!(
        finding.summary.contains("the intermediate \"Lab Issuing\""),
        "{}",
        finding.summary
    );
}

#[test]
fn a_certificate_without_usages_is_not_what_was_asked_for_and_is_warned_of_elsewhere() {
    let mut scene = Scene::with_leaf(|params| params.extended_key_usages.clear());
    only(&scene.judge(), "usage-missing", Severity::Error);

    scene.policy.usage = Some(Usage::Client);
    let verdict = scene.judge_chain(&scene.chain(), |evidence| evidence.asked = None);
    only(&verdict, "usage-missing", Severity::Warning);
    assert_eq!(verdict.outcome(), Outcome::Ok);
}

#[test]
fn an_authority_s_certificate_does_not_pass_for_a_client_s() {
    let scene =
        Scene::with_leaf(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let verdict = scene.judge();
    assert!(
        codes(&verdict).contains(&"leaf-is-ca"),
        "{:#?}",
        verdict.findings
    );
    assert!(!codes(&verdict).contains(&"chain-untrusted"), "said once");
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}
