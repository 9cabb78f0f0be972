//! The gate: one story for each check, on real certificates.

#![allow(clippy::unwrap_used)]

mod arithmetic;
mod lab;
mod peers;

use std::collections::BTreeSet;

use certbake::finding::{Finding, Severity};
use certbake::outcome::Outcome;
use certbake::pki::{AltName, Anchors, Certificate, Chain, Floor, Subject, Usage, pem};
use certbake::span::Span;
use certbake::verify::{self, Asked, CHECKS, Evidence, OnShortened, Policy, Verdict};
use lab::{Authority, Leaf, NOW, altered, dns, window};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, SanType};
use time::Duration;

const DAY: Duration = Duration::DAY;

/// A root, an intermediate and a leaf, and what was asked for.
struct Scene {
    root: Authority,
    anchors: Anchors,
    issuing: Authority,
    leaf: Leaf,
    subject: Subject,
    names: Vec<AltName>,
    ttl: Option<Span>,
    policy: Policy,
    clock_offset: Option<Duration>,
}

impl Scene {
    /// In which everything is as it should be.
    fn right() -> Self {
        Self::with_leaf(|_| {})
    }

    fn with_leaf(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Authority::root("Lab Root");
        let issuing = root.intermediate("Lab Issuing");
        Self::of(root, issuing, change)
    }

    fn with_intermediate(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Authority::root("Lab Root");
        let issuing = root.intermediate_with("Lab Issuing", change);
        Self::of(root, issuing, |_| {})
    }

    fn of(
        root: Authority,
        issuing: Authority,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        Self {
            leaf: issuing.leaf_with(change),
            anchors: Anchors::new(vec![root.certificate.clone()]),
            root,
            issuing,
            subject: Subject {
                common_name: Some("app-server".to_owned()),
                ..Subject::default()
            },
            names: vec![AltName::dns("app.internal").unwrap()],
            ttl: Some(days(30)),
            policy: Policy {
                floor: Some("21d".parse().unwrap()),
                ..Policy::default()
            },
            clock_offset: None,
        }
    }

    fn chain(&self) -> Chain {
        Chain::above(
            self.leaf.certificate.clone(),
            vec![self.issuing.certificate.clone()],
        )
    }

    fn judge(&self) -> Verdict {
        self.judge_chain(&self.chain(), |_| {})
    }

    /// Without an order, as something that is found to be this.
    fn found(&self, usage: Usage) -> Verdict {
        let policy = Policy {
            usage: Some(usage),
            ..self.policy.clone()
        };
        let chain = self.chain();
        let evidence = Evidence {
            anchors: Some(&self.anchors),
            ..Evidence::new(NOW, &chain)
        };
        verify::credential(&evidence, &policy)
    }

    /// Under these revocation lists, in their order; nothing was asked.
    fn judge_under(&self, lists: &[&Vec<u8>]) -> Verdict {
        let lists: Vec<_> = lists.iter().copied().cloned().collect();
        let chain = self.chain();
        let mut evidence = Evidence::new(NOW, &chain);
        evidence.anchors = Some(&self.anchors);
        evidence.crls = &lists;
        verify::credential(&evidence, &self.policy)
    }

    fn judge_chain<'a>(
        &'a self,
        chain: &'a Chain,
        change: impl FnOnce(&mut Evidence<'a>),
    ) -> Verdict {
        let mut evidence = Evidence {
            anchors: Some(&self.anchors),
            key: Some(self.leaf.key.spki()),
            asked: Some(Asked {
                subject: &self.subject,
                names: &self.names,
                usage: Usage::Client,
                ttl: self.ttl,
            }),
            clock_offset: self.clock_offset,
            ..Evidence::new(NOW, chain)
        };
        change(&mut evidence);
        verify::credential(&evidence, &self.policy)
    }
}

fn days(count: i64) -> Span {
    Span::seconds(count * 86_400)
}

fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

/// The one finding of a verdict that ends like this.
#[track_caller]
fn only(verdict: &Verdict, code: &str, severity: Severity) -> Finding {
    assert_eq!(codes(verdict), [code], "{:#?}", verdict.findings);
    let finding = verdict.findings[0].clone();
    assert_eq!(finding.severity, severity, "{}", finding.summary);
    assert!(!finding.hint.is_empty() && !finding.facts.is_empty());
    finding
}

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
fn a_window_below_the_floor_says_by_how_much_and_what_to_change() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 13 * DAY));
    scene.ttl = None;
    let verdict = scene.judge();
    let finding = only(&verdict, "window-below-floor", Severity::Error);
    assert_eq!(verdict.outcome(), Outcome::Window);
    assert_eq!(
        finding.summary,
        "the certificate \"app-server\" ends the window in 13d, 8d short of the floor of 21d"
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
            .starts_with("the intermediate \"Lab Issuing\" ends the window in 5d"),
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
    assert_eq!(verdict.findings[1].severity, Severity::Note);
    assert_eq!(verdict.outcome(), Outcome::Window);
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
fn a_certificate_that_starts_later_is_refused_beyond_the_tolerance_and_warned_of_within_it() {
    let mut scene = Scene::with_leaf(window(Duration::seconds(20), 30 * DAY));
    let verdict = scene.judge();
    let finding = only(&verdict, "not-yet-valid", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate \"app-server\" is not valid yet: it starts in 20s"
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
fn a_shortened_lifetime_fails_or_warns_as_the_policy_says() {
    let mut scene = Scene::with_leaf(window(Duration::ZERO, 25 * DAY));
    let verdict = scene.judge();
    let finding = only(&verdict, "lifetime-shortened", Severity::Error);
    assert_eq!(
        finding.summary,
        "the authority granted 25d of the 30d asked for"
    );
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

#[test]
fn a_certificate_for_another_key_is_refused_with_both_pins() {
    let scene = Scene::right();
    let other = scene.issuing.leaf();
    let verdict = scene.judge_chain(&scene.chain(), |evidence| {
        evidence.key = Some(other.key.spki())
    });
    let finding = only(&verdict, "key-mismatch", Severity::Error);
    assert_eq!(
        finding.facts["certificate_spki_pin"],
        scene.leaf.certificate.spki_pin()
    );
    assert_ne!(
        finding.facts["key_spki_pin"],
        finding.facts["certificate_spki_pin"]
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn a_missing_intermediate_is_named() {
    let scene = Scene::right();
    let alone = Chain::above(scene.leaf.certificate.clone(), Vec::new());
    let finding = only(
        &scene.judge_chain(&alone, |_| {}),
        "chain-incomplete",
        Severity::Error,
    );
    assert_eq!(finding.facts["missing_issuer"], "CN=Lab Issuing");
    assert_eq!(finding.facts["anchors"][0], "CN=Lab Root");
}

#[test]
fn a_chain_to_another_root_of_the_same_name_is_untrusted() {
    let mut scene = Scene::right();
    scene.anchors = Anchors::new(vec![Authority::root("Lab Root").certificate]);
    let verdict = scene.judge();
    let finding = only(&verdict, "chain-untrusted", Severity::Error);
    assert!(
        finding
            .summary
            .contains("another authority of the same name"),
        "{}",
        finding.summary
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn a_root_that_comes_with_the_chain_is_not_trusted_for_having_come() {
    let mut scene = Scene::right();
    let chain = Chain::above(
        scene.leaf.certificate.clone(),
        vec![
            scene.issuing.certificate.clone(),
            scene.root.certificate.clone(),
        ],
    );
    scene.anchors = Anchors::new(vec![Authority::root("Pinned Root").certificate]);
    let verdict = scene.judge_chain(&chain, |_| {});
    only(&verdict, "chain-untrusted", Severity::Error);
}

#[test]
fn a_bundle_out_of_order_is_warned_of_and_still_verified() {
    let scene = Scene::right();
    let second = scene.issuing.intermediate("Lab Second");
    let leaf = second.leaf();
    let bundle = [
        leaf.certificate.clone(),
        scene.issuing.certificate.clone(),
        second.certificate.clone(),
    ];
    let chain = Chain::above(leaf.certificate.clone(), bundle[1..].to_vec());
    let verdict = scene.judge_chain(&chain, |evidence| {
        evidence.bundle = Some(&bundle);
        evidence.key = Some(leaf.key.spki());
    });
    let finding = only(&verdict, "chain-misordered", Severity::Warning);
    assert_eq!(finding.facts["expected"][1], "Lab Second");
    assert_eq!(verdict.outcome(), Outcome::Ok);
}

#[test]
fn a_chain_that_was_arranged_wrong_is_noticed_in_what_is_written_of_it() {
    let scene = Scene::right();
    let second = scene.issuing.intermediate("Lab Second");
    let leaf = second.leaf();
    let issuers = [second.certificate, scene.issuing.certificate.clone()];
    for (intermediates, said) in [
        (issuers.to_vec(), 0),
        (issuers.iter().rev().cloned().collect(), 1),
    ] {
        let chain = Chain {
            leaf: leaf.certificate.clone(),
            intermediates,
            roots: Vec::new(),
        };
        let written: Vec<_> = pem::certificates(chain.pem().as_bytes())
            .unwrap()
            .into_iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        let verdict = scene.judge_chain(&chain, |evidence| {
            evidence.bundle = Some(&written);
            evidence.key = Some(leaf.key.spki());
        });
        assert_eq!(codes(&verdict), vec!["chain-misordered"; said]);
    }
}

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
fn a_name_that_was_asked_for_and_did_not_come_is_named() {
    let mut scene = Scene::right();
    scene.names.push(AltName::ip("10.0.0.7").unwrap());
    scene.subject.organization = Some("Lab".to_owned());
    let verdict = scene.judge();
    let finding = only(&verdict, "names-missing", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate lacks O=Lab and ip:10.0.0.7, which were asked for"
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn a_name_that_nobody_asked_for_is_refused_and_an_echo_of_the_common_name_is_explained() {
    let scene = Scene::with_leaf(|params| params.subject_alt_names.push(dns("app-server")));
    let finding = only(&scene.judge(), "names-unexpected", Severity::Error);
    assert_eq!(
        finding.summary,
        "the certificate carries dns:app-server, which nobody asked for"
    );
    assert!(
        finding.hint.contains("repeats the common name"),
        "{}",
        finding.hint
    );

    let scene = Scene::with_leaf(|params| params.subject_alt_names.push(dns("*.internal")));
    let finding = only(&scene.judge(), "names-unexpected", Severity::Error);
    assert_eq!(finding.facts["unexpected"][0], "dns:*.internal");
}

#[test]
fn a_name_that_the_authority_makes_the_common_name_is_explained() {
    let mut scene = Scene::with_leaf(|params| {
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "app.internal");
    });
    scene.subject.common_name = None;
    let finding = only(&scene.judge(), "names-unexpected", Severity::Error);
    assert_eq!(finding.facts["unexpected"][0], "CN=app.internal");
    assert!(
        finding.hint.contains("ask for that (common_name)"),
        "{}",
        finding.hint
    );
}

#[test]
fn another_common_name_is_missing_and_unexpected_at_once() {
    let mut scene = Scene::right();
    scene.subject.common_name = Some("db-server".to_owned());
    assert_eq!(codes(&scene.judge()), ["names-missing", "names-unexpected"]);
}

#[test]
fn an_attribute_that_the_authority_adds_to_the_subject_is_only_warned_of() {
    let scene = Scene::with_leaf(|params| {
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Lab")
    });
    let verdict = scene.judge();
    let finding = only(&verdict, "names-unexpected", Severity::Warning);
    assert_eq!(finding.facts["unexpected"][0], "O=Lab");
    assert_eq!(verdict.outcome(), Outcome::Ok);
}

#[test]
fn a_name_that_peers_look_for_is_matched_as_they_match_it() {
    let mut scene =
        Scene::with_leaf(|params| params.subject_alt_names = vec![dns("*.app.internal")]);
    scene.names = vec![AltName::dns("*.app.internal").unwrap()];
    scene.policy.peer_names = vec![AltName::dns("one.app.internal").unwrap()];
    assert_eq!(codes(&scene.judge()), [""; 0]);
    scene.policy.peer_names = vec![AltName::dns("one.two.app.internal").unwrap()];
    let finding = only(&scene.judge(), "name-mismatch", Severity::Error);
    assert!(
        finding
            .summary
            .contains("not valid for dns:one.two.app.internal: it carries dns:*.app.internal"),
        "{}",
        finding.summary
    );
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

/// The DER of the object identifiers, with their tags.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P192: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01];

#[test]
fn a_key_on_a_curve_that_peers_refuse_is_refused() {
    let scene = Scene::right();
    let weak = altered(&scene.leaf.certificate, P256, P192);
    let chain = Chain::above(weak.clone(), vec![scene.issuing.certificate.clone()]);
    let verdict = scene.judge_chain(&chain, |evidence| {
        evidence.anchors = None;
        evidence.key = None;
    });
    let finding = only(&verdict, "weak-key", Severity::Error);
    assert!(
        finding.summary.contains("ECDSA 1.2.840.10045.3.1.1"),
        "{}",
        finding.summary
    );
}

/// sha256WithRSAEncryption and sha1WithRSAEncryption.
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const RSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];

#[test]
fn a_signature_with_sha1_is_refused_below_the_root_and_said_once() {
    let root = Authority::rsa_root("Lab Root");
    let issuing = root.intermediate("Lab Issuing");
    let mut scene = Scene::of(root, issuing, |_| {});
    scene.anchors = Anchors::new(vec![altered(&scene.root.certificate, RSA_SHA256, RSA_SHA1)]);
    assert_eq!(
        codes(&scene.judge()),
        [""; 0],
        "nobody looks at a root's own signature"
    );

    scene.issuing.certificate = altered(&scene.issuing.certificate, RSA_SHA256, RSA_SHA1);
    let verdict = scene.judge();
    let finding = only(&verdict, "weak-signature", Severity::Error);
    assert!(
        finding
            .summary
            .contains("the intermediate \"Lab Issuing\" is signed with sha1WithRSAEncryption"),
        "{}",
        finding.summary
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn a_revoked_certificate_is_refused_and_a_list_that_does_not_cover_the_chain_is_said_to() {
    let scene = Scene::right();
    let judge = |lists: &[&Vec<u8>]| scene.judge_under(lists);
    let of_root = scene.root.crl(&[], NOW + DAY);
    let nothing = scene.issuing.crl(&[], NOW + DAY);
    let this_one = scene.issuing.crl(&[&scene.leaf.certificate], NOW + DAY);
    assert_eq!(codes(&judge(&[&nothing, &of_root])), [""; 0]);
    only(&judge(&[&this_one, &of_root]), "revoked", Severity::Error);
    only(&judge(&[&nothing]), "revocation-unknown", Severity::Warning);

    let old = scene.issuing.crl(&[], NOW - Duration::HOUR);
    let finding = only(
        &judge(&[&old, &of_root]),
        "revocation-unknown",
        Severity::Error,
    );
    assert!(
        finding.summary.contains("it has expired"),
        "{}",
        finding.summary
    );
}

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
        let advice = "have it among the alternative names too";
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
fn a_chain_longer_than_peers_allow_is_refused_when_the_limit_is_known() {
    let mut scene = Scene::right();
    assert_eq!(codes(&scene.judge()), [""; 0]);
    scene.policy.max_depth = Some(1);
    assert_eq!(codes(&scene.judge()), [""; 0]);
    scene.policy.max_depth = Some(0);
    let verdict = scene.judge();
    let finding = only(&verdict, "chain-too-long", Severity::Error);
    assert_eq!(
        finding.summary,
        "the chain has 1 intermediate, and 0 may be there (--max-depth)"
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
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
    let stories = include_str!("main.rs");
    let mut codes = BTreeSet::new();
    for check in CHECKS {
        let code = check.code.as_str();
        assert!(codes.insert(code), "{code} stands there twice");
        assert!(
            stories.contains(&format!("\"{code}\"")),
            "{code} has no story"
        );
        assert!(
            !check.summary.is_empty() && !check.summary.ends_with('.'),
            "{code}"
        );
        assert!(
            matches!(check.outcome, Outcome::Window | Outcome::Flawed),
            "{code}"
        );
    }
}
