//! What OpenSSL, Go and Java refuse by default, and path validation here would let through; and what
//! it refuses, in words that are true.

use certbake::finding::{Finding, Severity};
use certbake::outcome::Outcome;
use certbake::pki::{AltName, Anchors, Certificate, Chain, Floor, Usage};
use certbake::verify::{self, Evidence, Policy};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints,
};
use time::Duration;

use super::lab::{self, Authority, NOW, P192, P256, RSA_SHA256, altered, dns, window};
use super::scene::{DAY, Scene, codes, days, only};

pub fn refused(scene: &Scene, code: &str, words: &str) {
    let verdict = scene.judge();
    let finding = only(&verdict, code, Severity::Error);
    assert!(finding.summary.contains(words), "{}", finding.summary);
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

pub fn under_root(change: impl FnOnce(&mut CertificateParams)) -> Scene {
    let root = Authority::root_with("Lab Root", change);
    let issuing = root.intermediate("Lab Issuing");
    Scene::of(root, issuing, |_| {})
}

#[test]
fn a_client_whose_key_usage_does_not_let_it_sign_is_refused() {
    let mut scene =
        Scene::with_leaf(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    refused(
        &scene,
        "usage-missing",
        "does not allow digitalSignature, which a TLS client needs to prove itself: its key usage is keyEncipherment",
    );
    scene.leaf = scene.issuing.leaf_with(|params| params.key_usages.clear());
    assert_eq!(codes(&scene.judge()), [""; 0], "without the extension");
}

#[test]
fn a_server_s_key_may_decrypt_alone() {
    let scene = Scene::with_leaf(|params| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(codes(&scene.found(Usage::Server)), [""; 0]);
}

#[test]
fn an_issuer_that_may_not_sign_certificates_is_refused() {
    let no_signing = |params: &mut CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    };
    for (scene, link) in [
        (
            Scene::with_intermediate(no_signing),
            "the intermediate \"Lab Issuing\"",
        ),
        (under_root(no_signing), "the anchor \"Lab Root\""),
    ] {
        refused(
            &scene,
            "not-conforming",
            &format!(
                "OpenSSL and Go refuse {link}: it is a CA certificate whose key usage does not allow signing"
            ),
        );
    }
}

#[test]
fn an_anchor_is_held_to_what_it_says_of_itself() {
    let usages = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    refused(
        &under_root(usages),
        "usage-missing",
        "the anchor \"Lab Root\" does not allow clientAuth",
    );
    let no_depth = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    };
    refused(
        &under_root(no_depth),
        "chain-untrusted",
        "the anchor \"Lab Root\" permits 0 intermediates below it (path length), and the chain has 1",
    );
    let unknown = |params: &mut CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    };
    refused(
        &under_root(unknown),
        "not-conforming",
        "the anchor \"Lab Root\": it has an unknown critical extension",
    );
}

#[test]
fn an_anchor_that_denies_being_an_authority_is_refused() {
    let scene = under_root(|params| params.is_ca = IsCa::ExplicitNoCa);
    let verdict = scene.judge();
    let refusal = verdict.findings.iter().find(|finding| finding.is_error());
    let summary = &refusal.unwrap().summary;
    assert!(
        summary.contains("it is not a CA certificate by its basic constraints"),
        "{summary}"
    );
}

#[test]
fn a_certificate_that_is_pinned_itself_is_met_once() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "app-server");
    window(-DAY * 2, -DAY)(&mut params);
    let key = lab::key(&rcgen::PKCS_ECDSA_P256_SHA256);
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let chain = Chain::above(Certificate::from_der(der).unwrap(), Vec::new());
    let anchors = Anchors::new(vec![chain.leaf.clone()]);
    let mut evidence = Evidence::new(NOW - DAY * 2, &chain);
    evidence.anchors = Some(&anchors);
    let verdict = verify::credential(&evidence, &Policy::default());
    assert_eq!(codes(&verdict), [""; 0]);
}

#[test]
fn constraints_on_names_that_rustls_does_not_weigh_are_not_blamed_on_the_names() {
    let constrain = |subtree: GeneralSubtree| {
        Scene::with_intermediate(move |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![subtree],
                excluded_subtrees: Vec::new(),
            });
        })
    };
    let mut directory = DistinguishedName::new();
    directory.push(DnType::CommonName, "app-server");
    refused(
        &constrain(GeneralSubtree::DirectoryName(directory)),
        "chain-untrusted",
        "the intermediate \"Lab Issuing\" has name constraints on directory names, which rustls does not evaluate",
    );
    refused(
        &constrain(GeneralSubtree::DnsName("elsewhere.example".to_owned())),
        "chain-untrusted",
        "does not permit its names",
    );
}

#[test]
fn the_reasons_of_path_validation_are_words_and_not_numbers() {
    let mut deep = vec![Authority::root("Lab Root")];
    for depth in 1..=7 {
        let next = deep[depth - 1].intermediate(&format!("Lab Issuing {depth}"));
        deep.push(next);
    }
    let leaf = deep[7].leaf().certificate;
    let others = deep[1..].iter().map(|it| it.certificate.clone()).collect();
    let chain = Chain::above(leaf, others);
    let anchors = Anchors::new(vec![deep[0].certificate.clone()]);
    let mut evidence = Evidence::new(NOW, &chain);
    evidence.anchors = Some(&anchors);
    let verdict = verify::credential(&evidence, &Policy::default());
    let finding = only(&verdict, "chain-untrusted", Severity::Error);
    assert!(
        finding.summary.contains("more than six intermediates"),
        "{}",
        finding.summary
    );

    let backwards = Scene::with_leaf(window(-DAY, -DAY * 2));
    let first = Scene::with_leaf(window(DAY * 9, DAY * 8));
    for scene in [backwards, first] {
        let findings = scene.judge().findings;
        let said = |it: &Finding| it.summary.contains("notAfter is before its notBefore");
        assert!(findings.iter().any(said), "{findings:?}");
    }

    let root = Authority::rsa_root("Lab Root");
    let issuing = root.intermediate("Lab Issuing");
    let mut scene = Scene::of(root, issuing, |_| {});
    let sha224 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0e];
    scene.issuing.certificate = altered(&scene.issuing.certificate, RSA_SHA256, &sha224);
    let finding = only(&scene.judge(), "chain-untrusted", Severity::Error);
    assert!(
        finding
            .summary
            .contains("the intermediate \"Lab Issuing\" is signed with 1.2.840.113549.1.1.14"),
        "{}",
        finding.summary
    );
    assert_eq!(
        finding.facts.get("reason"),
        Some(&"UnsupportedSignatureAlgorithmContext".into())
    );
}

#[test]
fn an_anchor_with_a_weak_key_is_named_where_its_signatures_do_not_count() {
    let root = Authority::root("Lab Root");
    let weak = altered(&root.certificate, P256, P192);
    let issuing = root.intermediate("Lab Issuing");
    let mut scene = Scene::of(root, issuing, |_| {});
    scene.anchors = Anchors::new(vec![weak]);
    let verdict = scene.judge();
    let finding = only(&verdict, "weak-key", Severity::Error);
    assert!(
        finding.summary.contains("the anchor \"Lab Root\""),
        "{}",
        finding.summary
    );
}

#[test]
fn of_cross_signed_issuers_the_one_that_ends_last_is_taken_in_whatever_order_they_come() {
    let lab = Authority::root("Lab Root");
    let other = Authority::root("Other Root");
    let issuing = lab.intermediate("Lab Issuing");
    let crossed = other.crossed(&issuing, window(-DAY, DAY * 3));
    let leaf = issuing.leaf().certificate;
    let anchors = Anchors::new(vec![lab.certificate.clone(), other.certificate.clone()]);
    for others in [
        [issuing.certificate.clone(), crossed.clone()],
        [crossed, issuing.certificate.clone()],
    ] {
        let bundle: Vec<_> = std::iter::once(leaf.clone())
            .chain(others.clone())
            .collect();
        let chain = Chain::above(leaf.clone(), others.to_vec());
        let mut evidence = Evidence::new(NOW, &chain);
        evidence.anchors = Some(&anchors);
        evidence.bundle = Some(&bundle);
        let policy = Policy {
            floor: Some(Floor::Absolute(days(20))),
            ..Policy::default()
        };
        assert_eq!(codes(&verify::credential(&evidence, &policy)), [""; 0]);
    }
}

#[test]
fn of_two_lists_of_an_issuer_the_newer_counts_in_whatever_order_they_come() {
    let scene = Scene::right();
    let judge = |lists: &[&Vec<u8>]| scene.judge_under(lists);
    let of_root = scene.root.crl(&[], NOW + DAY);
    let old = scene.issuing.crl(&[], NOW + DAY);
    let revoked = [&scene.leaf.certificate];
    let new = scene
        .issuing
        .crl_of(&revoked, NOW - Duration::HOUR, NOW + DAY);
    for lists in [[&old, &new, &of_root], [&new, &old, &of_root]] {
        only(&judge(&lists), "revoked", Severity::Error);
    }

    let ahead = scene.issuing.crl_of(&[], NOW + Duration::HOUR, NOW + DAY);
    let finding = only(
        &judge(&[&ahead, &of_root]),
        "revocation-unknown",
        Severity::Warning,
    );
    assert!(
        finding
            .summary
            .contains("its thisUpdate is 1h in the future"),
        "{}",
        finding.summary
    );

    let broken = vec![0x30, 0x03, 0x02, 0x01, 0x01];
    let finding = only(
        &judge(&[&old, &of_root, &broken]),
        "revocation-unknown",
        Severity::Error,
    );
    assert!(
        finding.summary.contains("it is not encoded as RFC 5280"),
        "{}",
        finding.summary
    );
}

/// What is said of the leaf beside its broken signature, when octets of it are replaced.
pub fn not_conforming(scene: &mut Scene, from: &[u8], to: &[u8]) -> Finding {
    scene.leaf.certificate = altered(&scene.leaf.certificate, from, to);
    let findings = scene.judge().findings;
    let said = findings
        .into_iter()
        .find(|it| it.code.as_str() == "not-conforming");
    said.unwrap()
}

#[test]
fn a_serial_number_and_a_name_that_openssl_and_go_cannot_read_are_refused() {
    let serial = |params: &mut CertificateParams| {
        params.serial_number = Some(vec![0x7a, 1, 2, 3].into());
    };
    let padded = not_conforming(
        &mut Scene::with_leaf(serial),
        &[2, 4, 0x7a, 1, 2, 3],
        &[2, 4, 0, 1, 2, 3],
    );
    let garbled = not_conforming(&mut Scene::right(), b"app-server", b"app-s\xffrver");
    for (finding, words) in [
        (padded, "a serial number with more octets than DER allows"),
        (garbled, "a name marked as UTF-8 that is not valid UTF-8"),
    ] {
        assert!(finding.is_error(), "{finding:?}");
        assert!(finding.summary.contains(words), "{}", finding.summary);
    }

    let negative = not_conforming(
        &mut Scene::with_leaf(serial),
        &[2, 4, 0x7a, 1, 2, 3],
        &[2, 4, 0x9a, 1, 2, 3],
    );
    assert!(!negative.is_error(), "{negative:?}");
    assert!(
        negative.summary.contains("zero, negative, or longer"),
        "{}",
        negative.summary
    );
}

#[test]
fn what_openssl_refuses_with_x509_strict_is_warned_of() {
    let warned = |scene: &Scene, words: &str| {
        let verdict = scene.judge_chain(&scene.chain(), |evidence| evidence.asked = None);
        let finding = only(&verdict, "not-conforming", Severity::Warning);
        assert!(finding.summary.contains(words), "{}", finding.summary);
    };
    warned(
        &Scene::with_intermediate(|params| params.key_usages.clear()),
        "the intermediate \"Lab Issuing\": it is a CA certificate and has no key usage",
    );
    warned(
        &under_root(|params| params.key_usages.clear()),
        "the anchor \"Lab Root\": it is a CA certificate and has no key usage",
    );
    let extension = |oid: &[u64], content: &[u8]| {
        let extension = CustomExtension::from_oid_content(oid, content.to_vec());
        Scene::with_leaf(move |params| {
            params.subject_alt_names.clear();
            params.custom_extensions = vec![extension];
        })
    };
    warned(
        &extension(&[2, 5, 29, 19], &[0x30, 3, 2, 1, 0]),
        "it is not a CA certificate but has a path length",
    );
    warned(
        &extension(&[2, 5, 29, 17], &[0x30, 0]),
        "it has an empty subject alternative name extension",
    );
    let nameless = Scene::with_leaf(|params| {
        params.subject_alt_names.clear();
        params.distinguished_name = DistinguishedName::new();
    });
    warned(
        &nameless,
        "it has neither a subject nor subject alternative names",
    );
}

#[test]
fn a_name_with_an_asterisk_is_none_that_a_peer_looks_for() {
    let mut scene = Scene::with_leaf(|params| params.subject_alt_names = vec![dns("*.internal")]);
    scene.policy.peer_names = vec![AltName::dns("*.internal").unwrap()];
    let verdict = scene.judge_chain(&scene.chain(), |evidence| evidence.asked = None);
    let finding = only(&verdict, "name-mismatch", Severity::Error);
    assert!(
        finding.summary.ends_with("never for a wildcard"),
        "{}",
        finding.summary
    );
}

#[test]
fn a_certificate_that_was_cut_off_is_said_to_end_too_early() {
    let mut der = Scene::right().leaf.certificate.der().to_vec();
    der.pop();
    let error = Certificate::from_der(der).unwrap_err();
    assert_eq!(error.to_string(), "not a certificate: it is truncated");
}
