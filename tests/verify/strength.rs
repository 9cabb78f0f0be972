//! Keys and signatures that are too weak.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::{Anchors, Chain};

use super::lab::{Authority, P192, P256, RSA_SHA1, RSA_SHA256, altered};
use super::scene::{Scene, codes, only};

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
