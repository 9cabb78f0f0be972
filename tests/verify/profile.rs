//! What strict peers refuse, and linters of public authorities.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::Usage;
use rcgen::{DnType, ExtendedKeyUsagePurpose, SanType};

use super::lab::dns;
use super::scene::{Scene, codes, only};

#[test]
fn a_chain_that_only_strict_peers_refuse_is_warned_of_and_refused_when_that_is_wanted() {
    let mut scene =
        Scene::with_leaf(|params| params.use_authority_key_identifier_extension = false);
    let verdict = scene.judge();
    let finding = only(&verdict, "not-conforming", Severity::Warning);
    assert!(
        finding
            .summary
            .contains("it has no authority key identifier"),
        "{}",
        finding.summary
    );
    assert_eq!(verdict.outcome(), Outcome::Ok);
    scene.policy.strict = true;
    let verdict = scene.judge();
    only(&verdict, "not-conforming", Severity::Error);
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn what_only_linters_of_public_authorities_refuse_in_a_server_is_noted_and_refused_when_that_is_wanted()
 {
    let named = |common_name: &'static str, names: &[&str], usage: ExtendedKeyUsagePurpose| {
        let names: Vec<_> = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => dns(name),
            })
            .collect();
        let mut scene = Scene::with_leaf(move |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            params.subject_alt_names = names;
            params.extended_key_usages = vec![usage];
        });
        scene.policy.strict = true;
        scene
    };
    let server = |common_name, names: &[&str]| {
        let scene = named(common_name, names, ExtendedKeyUsagePurpose::ServerAuth);
        scene.found(Usage::Server)
    };
    for (common_name, names) in [
        ("old.internal", &["app.internal"][..]),
        ("App.internal", &["app.internal"]),
        ("10.0.0.07", &["10.0.0.7"]),
        ("app.internal", &["*.app.internal"]),
    ] {
        let verdict = server(common_name, names);
        let finding = only(&verdict, "not-baseline", Severity::Error);
        let said = "a common name that looks like a host name";
        assert!(finding.summary.contains(said), "{}", finding.summary);
        let advice = "add the name to the subject alternative names too";
        assert!(finding.hint.contains(advice), "{}", finding.hint);
        assert_eq!(verdict.outcome(), Outcome::Flawed);
    }
    for (common_name, names) in [
        ("app.internal", &["app.internal", "10.0.0.7"][..]),
        ("10.0.0.7", &["app.internal", "10.0.0.7"]),
        ("app-server", &["app.internal"]),
    ] {
        assert_eq!(codes(&server(common_name, names)), [""; 0], "{common_name}");
    }

    let mut lenient = named(
        "old.internal",
        &["app.internal"],
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    lenient.policy.strict = false;
    let verdict = lenient.found(Usage::Server);
    only(&verdict, "not-baseline", Severity::Note);
    assert_eq!(verdict.outcome(), Outcome::Ok);
    // The rules are about servers: a client's common name is its own affair.
    let client = named(
        "old.internal",
        &["app.internal"],
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    assert_eq!(codes(&client.found(Usage::Client)), [""; 0]);
}

#[test]
fn a_usage_for_everything_beside_the_one_wanted_is_refused_of_servers_by_linters_alone() {
    let found = |wanted: ExtendedKeyUsagePurpose, usage: Usage| {
        let mut scene = Scene::with_leaf(move |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any, wanted];
        });
        scene.policy.strict = true;
        scene.found(usage)
    };
    let client = found(ExtendedKeyUsagePurpose::ClientAuth, Usage::Client);
    assert_eq!(codes(&client), [""; 0]);
    let server = found(ExtendedKeyUsagePurpose::ServerAuth, Usage::Server);
    let finding = only(&server, "not-baseline", Severity::Error);
    let said = "it has anyExtendedKeyUsage among its extended key usages";
    assert!(finding.summary.contains(said), "{}", finding.summary);
}
