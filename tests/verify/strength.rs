//! Keys and signatures that are too weak.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::{Anchors, Certificate, Chain, pem};
use certbake::verify::{self, Evidence, Policy};

use super::lab::{Authority, P192, P256, RSA_SHA1, RSA_SHA256, altered};
use super::scene::{Scene, codes, only};

/// Self-signed, with an RSA key of 1024 bits: no library here makes one. `openssl req -x509 -newkey rsa:1024`.
const RSA_1024: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBoDCCAQkCFGz3kpS2WbUioBXfD/3fDJ2KYnz3MA0GCSqGSIb3DQEBCwUAMA8x\n\
DTALBgNVBAMMBHdlYWswHhcNMjYxMTI2MDkwMTUzWhcNMzYxMTIzMDkwMTUzWjAP\n\
MQ0wCwYDVQQDDAR3ZWFrMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDtw9LS\n\
1+suLA1ZDIlYlZMOyQJZ2tP2s+Y1OAOf+W7ZT3irKRX0sYSjh5lXF5iY7Mo95GNX\n\
isreij1Y6xAjtXyL7r4UA09t6UZ+qbb1axuJO8FWO5/dQhbOptLIiEzb3mGTfUGG\n\
Nu6Oj6zEdZL0DMnklgVHtGmtQNA723+NpaYAmQIDAQABMA0GCSqGSIb3DQEBCwUA\n\
A4GBANfhhVsNN3JBGCqNgN9AbTYpzPuqMr1KJNACZnkjBSi3jvcHo1xs2P1kXHWP\n\
Iyg9TfFbPh5IwvoP913fcHazz4sK6/EOQm6rCTv1f9kTlo9yHe11x1WXYUR5Ytg6\n\
I2nZCDm9vgcISXLd7BqNpjIlRvVB4L2Q0GYVQEH1I1fezPOs\n\
-----END CERTIFICATE-----\n\
";

#[test]
fn an_rsa_key_of_1024_bits_is_refused() {
    let der = pem::certificates(RSA_1024.as_bytes()).unwrap().remove(0);
    let chain = Chain::above(Certificate::from_der(der).unwrap(), Vec::new());
    let at = chain.leaf.window().not_before;
    let verdict = verify::credential(&Evidence::new(at, &chain), &Policy::default());
    let finding = only(&verdict, "weak-key", Severity::Error);
    assert!(finding.summary.ends_with("RSA 1024"), "{}", finding.summary);
}

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
