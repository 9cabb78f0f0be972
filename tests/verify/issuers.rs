//! Issuers that rustls takes and that OpenSSL or Go does not.

use certbake::pki::Anchors;
use rcgen::{CertificateParams, CustomExtension, IsCa};

use super::peers::{refused, under_root};
use super::scene::{Scene, codes};

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
