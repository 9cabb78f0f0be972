//! What a certificate may be used for.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::Usage;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa};

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
fn a_certificate_for_every_usage_is_told_of_with_who_takes_it_and_who_does_not() {
    let scene =
        Scene::with_leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    let finding = only(&scene.judge(), "usage-missing", Severity::Error);
    assert!(
        finding.summary.ends_with("does not name clientAuth: its extended key usage is anyExtendedKeyUsage; Go and Java take anyExtendedKeyUsage for it, OpenSSL and rustls do not"),
        "{}",
        finding.summary
    );
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

/// Netscape's certificate type with these bits, the first one highest.
pub fn netscape_type(bits: u8) -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 16, 840, 1, 113_730, 1, 1], vec![3, 2, 0, bits])
}

#[test]
fn a_certificate_type_of_netscape_s_that_is_not_of_the_usage_is_refused() {
    let of = |bits| Scene::with_leaf(|params| params.custom_extensions = vec![netscape_type(bits)]);
    for (bits, said) in [
        (0x40, "server"),
        (0x20 | 0x04, "email, sslCA"),
        (0, "empty"),
    ] {
        let verdict = of(bits).judge();
        let finding = only(&verdict, "usage-missing", Severity::Error);
        let end = format!("for a TLS client: its Netscape certificate type (nsCertType) is {said}");
        assert!(finding.summary.ends_with(&end), "{}", finding.summary);
        assert_eq!(finding.facts["wanted"], "client");
        assert_eq!(verdict.outcome(), Outcome::Flawed);
    }
    for bits in [0x80, 0xc0, 0x80 | 0x01] {
        assert_eq!(codes(&of(bits).judge()), [""; 0], "{bits:x}");
    }
    let server = |bits| {
        Scene::with_leaf(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.custom_extensions = vec![netscape_type(bits)];
        })
    };
    assert_eq!(codes(&server(0x40).found(Usage::Server)), [""; 0]);
    only(
        &server(0x80).found(Usage::Server),
        "usage-missing",
        Severity::Error,
    );
}
