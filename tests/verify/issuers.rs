//! Issuers and certificates that rustls takes and that OpenSSL or Go does not, and what it takes not.

use certbake::finding::Severity;
use certbake::pki::Anchors;
use rcgen::{CertificateParams, CustomExtension, IsCa};

use super::lab::NOW;
use super::peers::{not_conforming, refused, under_root};
use super::scene::{DAY, Scene, codes, only};

#[test]
fn an_anchor_that_says_nothing_of_being_an_authority_is_refused() {
    let scene = under_root(|params| {
        params.is_ca = IsCa::NoCa;
        params.key_usages.clear();
        params.use_authority_key_identifier_extension = false;
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0])];
    });
    let verdict = scene.judge();
    let refusal = verdict.findings.iter().find(|finding| finding.is_error());
    let summary = &refusal.unwrap().summary;
    assert!(
        summary.contains("the anchor \"Lab Root\": it has neither basic constraints nor"),
        "{summary}"
    );
}

#[test]
fn an_issuer_that_is_not_the_one_identified_is_refused_unless_a_twin_of_it_is() {
    let other_identifier = |params: &mut CertificateParams| {
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1, 2, 3]);
        params.use_authority_key_identifier_extension = false;
    };
    let mut scene = Scene::right();
    let root = scene.root.certificate.clone();
    let renewed = scene.root.crossed(&scene.root, other_identifier);
    scene.anchors = Anchors::new(vec![renewed.clone()]);
    refused(
        &scene,
        "chain-untrusted",
        "OpenSSL refuses the intermediate \"Lab Issuing\": its authority key identifier contradicts the anchor \"Lab Root\"",
    );
    scene.anchors = Anchors::new(vec![renewed, root]);
    assert_eq!(codes(&scene.judge()), [""; 0]);
}

#[test]
fn a_critical_extension_that_rustls_does_not_know_is_named_with_the_certificate_that_has_it() {
    let scene = Scene::with_intermediate(|params| {
        // policyConstraints { requireExplicitPolicy 0 }
        let mut policies =
            CustomExtension::from_oid_content(&[2, 5, 29, 36], vec![0x30, 3, 0x80, 1, 0]);
        policies.set_criticality(true);
        params.custom_extensions = vec![policies];
    });
    refused(
        &scene,
        "chain-untrusted",
        "the intermediate \"Lab Issuing\" has the critical extension 2.5.29.36 (policy constraints), which rustls does not support",
    );
}

#[test]
fn a_list_with_an_unknown_critical_extension_is_not_said_to_be_badly_encoded() {
    let scene = Scene::right();
    let mut list = scene.issuing.partial_crl(NOW + DAY);
    // Its issuing distribution point, 2.5.29.28, as something that nobody knows.
    let point = [6, 3, 0x55, 0x1d, 28];
    let at = list.windows(5).position(|part| part == point).unwrap();
    list[at + 4] = 120;
    let finding = only(
        &scene.judge_under(&[&list]),
        "revocation-unknown",
        Severity::Error,
    );
    assert!(
        finding
            .summary
            .ends_with("it has a critical extension that rustls does not support"),
        "{}",
        finding.summary
    );
}

#[test]
fn what_openssl_and_go_cannot_read_is_refused_though_rustls_does_not_look_at_it() {
    let unreadable = Scene::with_leaf(|params| {
        params.key_usages.clear();
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            &[2, 5, 29, 15],
            vec![0xff],
        )];
    });
    refused(
        &unreadable,
        "not-conforming",
        "it has a key usage or a key identifier that cannot be read",
    );
    let number = not_conforming(
        &mut Scene::right(),
        b"\x0c\x0aapp-server",
        b"\x02\x0aapp-server",
    );
    assert!(number.is_error(), "{number:?}");
    assert!(
        number.summary.contains("a value that is no text"),
        "{}",
        number.summary
    );
}

#[test]
fn what_go_alone_cannot_read_is_warned_of() {
    let printable = not_conforming(
        &mut Scene::right(),
        b"\x0c\x0aapp-server",
        b"\x13\x0aapp_server",
    );
    assert!(!printable.is_error(), "{printable:?}");
    assert!(
        printable.summary.contains("marked as PrintableString"),
        "{}",
        printable.summary
    );
    let names = |content: &[u8]| {
        let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], content.to_vec());
        Scene::with_leaf(|params| {
            params.subject_alt_names.clear();
            params.custom_extensions = vec![names];
        })
    };
    for content in [&[0x30, 3, 0x87, 1, 10][..], &[0x30, 4, 0x81, 2, 0xc3, 0xbc]] {
        let scene = names(content);
        let chain = scene.chain();
        let verdict = scene.judge_chain(&chain, |evidence| evidence.asked = None);
        let finding = only(&verdict, "not-conforming", Severity::Warning);
        assert!(
            finding.summary.contains("that Go refuses"),
            "{}",
            finding.summary
        );
    }
}

#[test]
fn a_newer_list_by_another_key_of_the_issuer_s_name_does_not_hide_the_issuer_s_own() {
    let scene = Scene::right();
    let rekeyed = scene.root.intermediate("Lab Issuing");
    let own = scene
        .issuing
        .crl_of(&[&scene.leaf.certificate], NOW - DAY * 2, NOW + DAY);
    let other = rekeyed.crl_of(&[], NOW - DAY, NOW + DAY);
    for lists in [[&own, &other], [&other, &own]] {
        only(&scene.judge_under(&lists), "revoked", Severity::Error);
    }
}
