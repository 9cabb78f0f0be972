//! Names that were asked for, that came, and that peers look for.

use certbake::finding::Severity;
use certbake::outcome::Outcome;
use certbake::pki::AltName;
use rcgen::string::BmpString;
use rcgen::{DistinguishedName, DnType, DnValue};

use super::lab::dns;
use super::scene::{Scene, codes, only};

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
        "the certificate carries dns:app-server, which was not asked for"
    );
    assert!(
        finding.hint.contains("adds the common name"),
        "{}",
        finding.hint
    );

    let scene = Scene::with_leaf(|params| params.subject_alt_names.push(dns("*.internal")));
    let finding = only(&scene.judge(), "names-unexpected", Severity::Error);
    assert_eq!(finding.facts["unexpected"][0], "dns:*.internal");

    // Beside a name of others', the echo is the lesser fault.
    let scene = Scene::with_leaf(|params| {
        params
            .subject_alt_names
            .extend([dns("app-server"), dns("*.internal")]);
    });
    let finding = only(&scene.judge(), "names-unexpected", Severity::Error);
    assert!(
        finding.summary.ends_with("which were not asked for"),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.contains("take names only from the request"),
        "{}",
        finding.hint
    );
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
fn an_attribute_that_nobody_can_ask_for_is_warned_of_too() {
    let scene = Scene::with_leaf(|params| {
        for (oid, value) in [
            (&[1, 2, 840, 113_549, 1, 9, 1][..], "ops@lab.internal"),
            (&[0, 9, 2342, 19_200_300, 100, 1, 1], "root"),
            (&[0, 9, 2342, 19_200_300, 100, 1, 25], "lab"),
            (&[2, 5, 4, 12], "Chief"),
            (&[2, 5, 4, 46], "q"),
            (&[2, 5, 4, 5], "17"),
            (&[2, 5, 4, 42], "Ada"),
            (&[1, 2, 3, 4], "x"),
        ] {
            let kind = DnType::from_oid(oid);
            params.distinguished_name.push(kind, value);
        }
        // No text that every reader knows: what it says is not lost for that.
        let bmp = BmpString::from_utf16be(vec![0, b'H', 0, b'Q']).unwrap();
        let unit = DnValue::BmpString(bmp);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
    });
    let verdict = scene.judge();
    let finding = only(&verdict, "names-unexpected", Severity::Warning);
    assert_eq!(
        finding.facts["unexpected"],
        serde_json::json!([
            "1.2.3.4=x",
            "DC=lab",
            "OU=#00480051",
            "UID=root",
            "dnQualifier=q",
            "emailAddress=ops@lab.internal",
            "givenName=Ada",
            "serialNumber=17",
            "title=Chief"
        ])
    );
    assert!(finding.hint.contains("leave it out"), "{}", finding.hint);
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
