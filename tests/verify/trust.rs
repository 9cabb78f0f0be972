//! The key, and the chain: complete, in order, unrevoked, no longer than peers allow, and led to the anchors.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::{Anchors, Certificate, Chain, pem};
use time::Duration;

use super::lab::{Authority, NOW, window};
use super::scene::{DAY, Scene, codes, only};

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
fn an_issuer_whose_name_only_reads_the_same_is_not_said_to_be_missing() {
    let mut scene = Scene::right();
    let printable = Authority::root_with("Lab Root", |params| {
        let name = rcgen::DnValue::PrintableString("LAB Root".try_into().unwrap());
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
    });
    scene.anchors = Anchors::new(vec![printable.certificate]);
    let finding = only(&scene.judge(), "chain-incomplete", Severity::Error);
    assert!(
        finding
            .summary
            .contains("\"CN=Lab Root\", which is known, but writes its own name in other octets"),
        "{}",
        finding.summary
    );
    assert!(!finding.hint.contains("pin"), "{}", finding.hint);
}

#[test]
fn where_no_root_is_known_it_is_not_said_to_be_of_another_ca() {
    let mut scene = Scene::right();
    scene.anchors = Anchors::new(Vec::new());
    let verdict = scene.judge();
    let finding = verdict.findings.first().unwrap();
    assert_eq!(finding.code.as_str(), "chain-incomplete");
    assert!(
        finding
            .summary
            .ends_with("which is not in the chain, and no anchors are known")
    );
    assert!(
        finding.hint.starts_with("pin the CA's root"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_chain_to_another_root_of_the_same_name_is_untrusted() {
    let mut scene = Scene::right();
    scene.anchors = Anchors::new(vec![Authority::root("Lab Root").certificate]);
    let verdict = scene.judge();
    let finding = only(&verdict, "chain-untrusted", Severity::Error);
    assert!(
        finding.summary.contains("another CA of the same name"),
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
fn a_revoked_certificate_is_refused_and_a_list_that_does_not_cover_the_chain_is_said_to() {
    let scene = Scene::right();
    let judge = |lists: &[&Vec<u8>]| scene.judge_under(lists);
    let of_root = scene.root.crl(&[], NOW + DAY);
    let nothing = scene.issuing.crl(&[], NOW + DAY);
    let this_one = scene.issuing.crl(&[&scene.leaf.certificate], NOW + DAY);
    assert_eq!(codes(&judge(&[&nothing, &of_root])), [""; 0]);
    let revoked = |lists: &[&Vec<u8>], who: &str, of: &Certificate| {
        let finding = only(&judge(lists), "revoked", Severity::Error);
        assert!(finding.summary.starts_with(who), "{}", finding.summary);
        assert_eq!(finding.facts["revoked_serial"], of.facts().serial);
    };
    let leaf = &scene.leaf.certificate;
    let by_issuing = "the certificate \"app-server\" has been revoked by \"CN=Lab Issuing\"";
    revoked(&[&this_one, &of_root], by_issuing, leaf);
    // A newer list without it is what counts.
    let issuing = &scene.issuing.certificate;
    let that_one = scene.root.crl(&[issuing], NOW + DAY);
    let lifted = scene.issuing.crl_of(&[], NOW - Duration::HOUR, NOW + DAY);
    let by_root = "the intermediate \"Lab Issuing\" has been revoked by \"CN=Lab Root\"";
    revoked(&[&this_one, &that_one, &lifted], by_root, issuing);
    revoked(&[&that_one], by_root, issuing);
    assert_eq!(codes(&judge(&[&this_one, &that_one])), ["revoked"; 2]);
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
        "the chain has 1 intermediate, more than the 0 allowed by --max-depth"
    );
    assert_eq!(verdict.outcome(), Outcome::Flawed);
}

#[test]
fn of_a_leaf_or_an_issuer_and_its_renewal_the_one_that_ends_last_is_meant() {
    let root = Authority::root("Lab Root");
    let issuing = root.intermediate("Lab Issuing");
    let leaf = issuing.leaf();
    let leaves = [
        issuing.renewed(&leaf, window(-9 * DAY, DAY)),
        leaf.certificate.clone(),
    ];
    let issuers = [
        root.crossed(&issuing, window(-9 * DAY, DAY)),
        issuing.certificate.clone(),
    ];
    let came = [leaves, issuers].concat();
    let backwards = came.iter().rev().cloned().collect();
    for came in [came, backwards] {
        let chain = Chain::arrange(came, leaf.key.spki()).unwrap();
        assert_eq!(chain.leaf, leaf.certificate);
        assert_eq!(chain.intermediates[0], issuing.certificate);
        assert_eq!(chain.effective_window().depth, 0);
    }
}
