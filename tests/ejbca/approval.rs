//! Orders that an administrator has to approve.

use std::time::Duration;

use certbake::authority::AuthorityError;
use certbake::pki::pem;
use data_encoding::BASE64;
use serde_json::json;

use crate::fake::{API, Ejbca, answer, body, cas, error, lab_with};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, Protocol, order, told};

fn waiting(link_only: bool) -> Reply {
    let mut body = json!({
        "status_code": 202,
        "info_message": "The request with ID 41 is waiting for approval",
        "link": "https://ca/ejbca/ejbca-rest-api/v1/certificate/41/finalize",
    });
    if !link_only {
        body["request_id"] = 41.into();
    }
    answer(202, &body)
}

/// A finalised enrolment comes without its chain, which the CA hands out itself.
#[test]
fn an_order_that_waits_for_approval_is_finalised_once_approved_and_gets_its_chain() {
    for link_only in [false, true] {
        let mut request = Vec::new();
        let mut asked_after = 0;
        let (_lab, server, opened) = lab_with(
            move |lab, asked| {
                if let Some(der) = Ejbca.ordered(asked) {
                    request = der;
                    return waiting(link_only);
                }
                match asked.path.strip_prefix(API).unwrap() {
                    "/v1/certificate/41/finalize" => {
                        asked_after += 1;
                        if asked_after < 3 {
                            return waiting(link_only);
                        }
                        answer(
                            201,
                            &json!({
                                "certificate": BASE64.encode(&lab.sign(&request)),
                                "serial_number": "12",
                                "response_format": "DER",
                            }),
                        )
                    }
                    "/v1/ca/CN=Lab%20Issuing,O=Lab%5C,%20Inc%2FEU/certificate/download" => {
                        Reply::ok(
                            pem::encode("CERTIFICATE", &lab.issuing())
                                + &pem::encode("CERTIFICATE", &lab.root()),
                        )
                    }
                    "/v1/ca" => cas(),
                    other => panic!("{other}"),
                }
            },
            |_| {},
        );
        told();
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(told(), ["an approval is awaited"; 3]);
        assert_eq!(issued.certificates.len(), 2);
        let asked = server.asked();
        let order = body(&asked[0]);
        let finalize = body(&asked[1]);
        assert_eq!(finalize["password"], order["password"]);
        assert_eq!(finalize["response_format"], "DER");
    }
}

#[test]
fn an_approval_that_does_not_come_ends_with_the_deadline() {
    let (_lab, _server, opened) = lab_with(|_, _| waiting(false), |_| {});
    let error = opened
        .authority
        .issue(&order(Duration::from_secs(2)).1)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-pending");
    assert_eq!(finding.facts["request_id"], 41);
}

#[test]
fn a_rejection_and_a_wait_without_a_number_are_told() {
    let (_lab, _server, opened) = lab_with(
        |_, asked| match Ejbca.ordered(asked) {
            Some(_) => waiting(false),
            None => error(400, "Request with Id '41' has been rejected"),
        },
        |_| {},
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(error.to_string().contains("has been rejected"), "{error}");
    let (_lab, _server, opened) = lab_with(
        |_, _| answer(202, &json!({"info_message": "later"})),
        |_| {},
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
}
