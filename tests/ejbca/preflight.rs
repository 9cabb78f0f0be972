//! What is seen before anything is ordered.

use certbake::authority::{AuthorityError, Depth};
use serde_json::json;

use crate::fake::{answer, cas, error, lab_with};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, order};

fn foresee(
    reply: Reply,
    name: &'static str,
    depth: Depth,
) -> Result<Vec<certbake::finding::Finding>, AuthorityError> {
    let (_lab, _server, opened) = lab_with(
        move |_, _| reply.clone(),
        |table| {
            table.insert("certificate_authority".to_owned(), name.into());
        },
    );
    opened
        .preflight
        .unwrap()
        .preflight(&order(PATIENCE).1, depth)
}

#[test]
fn a_ca_that_is_there_and_lasts_is_told_to_doctor_alone() {
    assert_eq!(foresee(cas(), "Lab Issuing", Depth::Order).unwrap(), []);
    let found = foresee(cas(), "Lab Issuing", Depth::Whole).unwrap();
    assert_eq!(found[0].code.as_str(), "ca-answers");
    assert_eq!(found[0].facts["login"], "a token");
}

#[test]
fn a_ca_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
    let error = foresee(cas(), "Lab Isuing", Depth::Whole).unwrap_err();
    let finding = error.into_finding();
    assert!(
        finding.summary.contains("no CA \"Lab Isuing\""),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.contains("did you mean \"Lab Issuing\"?"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_ca_that_ends_before_the_certificate_would_is_a_warning() {
    let soon = time::OffsetDateTime::now_utc() + time::Duration::MINUTE * 10;
    let list = answer(
        200,
        &json!({"certificate_authorities": [{
            "name": "Lab Issuing",
            "subject_dn": "CN=Lab Issuing",
            "expiration_date": certbake::finding::rfc3339(soon),
        }]}),
    );
    let found = foresee(list, "Lab Issuing", Depth::Order).unwrap();
    assert_eq!(found[0].code.as_str(), "ca-ends-first");
}

#[test]
fn a_login_that_may_not_list_cas_is_told_by_doctor_alone() {
    let denied = || error(403, "not authorized to resource /ca");
    assert_eq!(foresee(denied(), "Lab Issuing", Depth::Order).unwrap(), []);
    let error = foresee(denied(), "Lab Issuing", Depth::Whole).unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "ca-login-refused");
}
