//! Orders and their waits, limits that are known before, revocation.

use std::time::Duration;

use certbake::authority::{AuthorityError, Depth, Reason};
use serde_json::json;

use crate::fake::{AwsPca, body, described, exception, opened, operation, scripted};
use crate::support::contract::{self, PATIENCE, Protocol, Run};
use crate::support::{Lab, Reply};

#[test]
fn an_order_states_template_algorithm_and_an_absolute_end() {
    let run = Run::new(&AwsPca, PATIENCE, |lab, request, _| {
        AwsPca.issued(&[lab.sign(request), lab.issuing(), lab.root()])
    });
    let issued = run.outcome.as_ref().unwrap();
    assert_eq!(
        issued.certificates.len(),
        2,
        "the root is no part of the chain"
    );
    assert_eq!(issued.anchors, [run.lab.root()]);
    let orders = run.orders(&AwsPca);
    let order = body(&orders[0]);
    assert_eq!(order["SigningAlgorithm"], "SHA256WITHECDSA");
    assert_eq!(
        order["TemplateArn"],
        "arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"
    );
    assert_eq!(order["Validity"]["Type"], "ABSOLUTE");
    let end = order["Validity"]["Value"].as_i64().unwrap();
    let hence = end - time::OffsetDateTime::now_utc().unix_timestamp();
    assert!((3500..=3600).contains(&hence), "{hence}");
    assert!(order["IdempotencyToken"].as_str().unwrap().len() <= 36);
    let authorization = orders[0].header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
    assert!(authorization.contains("/eu-central-1/acm-pca/aws4_request"));
}

#[test]
fn a_certificate_that_is_not_signed_yet_is_waited_for() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "GetCertificate", |lab, asked, times| {
        if times < 3 {
            return exception(400, "RequestInProgressException", "not yet");
        }
        AwsPca.aside(lab, asked)
    });
    let (_key, order) = contract::order(PATIENCE);
    contract::told();
    opened(&server, &lab, |_| {})
        .authority
        .issue(&order)
        .unwrap();
    assert_eq!(contract::told(), ["it has not signed yet"; 2]);
}

#[test]
fn an_order_that_is_never_signed_ends_with_the_deadline() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "GetCertificate", |_, _, _| {
        exception(400, "RequestInProgressException", "not yet")
    });
    let (_key, order) = contract::order(Duration::from_secs(2));
    match opened(&server, &lab, |_| {}).authority.issue(&order) {
        Err(AuthorityError::Unreachable(finding)) => {
            assert_eq!(finding.code.as_str(), "ca-pending")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn throttling_is_waited_out_under_the_same_token() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "IssueCertificate", |lab, asked, times| {
        if times == 1 {
            return exception(400, "ThrottlingException", "Rate exceeded");
        }
        let request = AwsPca.ordered(asked).unwrap();
        AwsPca.issued(&[lab.sign(&request), lab.issuing()])
    });
    let (_key, order) = contract::order(PATIENCE);
    opened(&server, &lab, |_| {})
        .authority
        .issue(&order)
        .unwrap();
    let tokens: Vec<_> = server
        .asked()
        .iter()
        .filter(|asked| operation(asked) == "IssueCertificate")
        .map(|asked| body(asked)["IdempotencyToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

/// The certificate is there already: giving up would spend it.
#[test]
fn whatever_else_is_asked_waits_throttling_out_too() {
    for (operation, status, name) in [
        ("GetCertificate", 400, "ThrottlingException"),
        ("GetCertificate", 500, "InternalFailure"),
        ("DescribeCertificateAuthority", 400, "ThrottlingException"),
        ("IssueCertificate", 500, "InternalFailure"),
    ] {
        let lab = Lab::new("Lab");
        let server = scripted(&lab, operation, move |lab, asked, times| {
            if times == 1 {
                return exception(status, name, "not now");
            }
            match AwsPca.ordered(asked) {
                Some(request) => AwsPca.issued(&[lab.sign(&request), lab.issuing()]),
                None => AwsPca.aside(lab, asked),
            }
        });
        let (_key, order) = contract::order(PATIENCE);
        let issued = opened(&server, &lab, |_| {}).authority.issue(&order);
        assert!(issued.is_ok(), "{operation} {name}: {issued:?}");
    }
}

#[test]
fn without_a_ttl_nothing_is_asked() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "", |_, _, _| Reply::Close);
    let (_key, mut order) = contract::order(PATIENCE);
    order.ttl = None;
    let opened = opened(&server, &lab, |_| {});
    match opened.preflight.unwrap().preflight(&order, Depth::Order) {
        Err(AuthorityError::Settings(finding)) => {
            assert_eq!(finding.code.as_str(), "ca-ttl-needed")
        }
        other => panic!("{other:?}"),
    }
    assert!(server.asked().is_empty());
}

#[test]
fn limits_of_the_ca_are_known_before_the_order() {
    for (change, code) in [
        (json!({ "Status": "DISABLED" }), "aws-ca-state"),
        (json!({ "NotAfter": 1_700_000_000 }), "ttl-not-allowed"),
        (
            json!({ "UsageMode": "SHORT_LIVED_CERTIFICATE" }),
            "ttl-not-allowed",
        ),
    ] {
        let lab = Lab::new("Lab");
        let server = scripted(&lab, "DescribeCertificateAuthority", move |_, _, _| {
            described(|ca| {
                for (key, value) in change.as_object().unwrap() {
                    ca[key] = value.clone();
                }
            })
        });
        let (_key, mut order) = contract::order(PATIENCE);
        order.ttl = Some("8d".parse().unwrap());
        let preflight = opened(&server, &lab, |_| {}).preflight.unwrap();
        let findings = preflight.preflight(&order, Depth::Order).unwrap();
        assert_eq!(contract::codes(&findings), [code]);
        assert!(findings[0].is_error());
    }
}

#[test]
fn with_an_algorithm_in_the_settings_the_ca_is_not_described() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "DescribeCertificateAuthority", |_, _, _| {
        exception(400, "AccessDeniedException", "not you")
    });
    let opened = opened(&server, &lab, |table| {
        table.insert("signing_algorithm".to_owned(), "sha384withrsa".into());
    });
    let (_key, order) = contract::order(PATIENCE);
    opened.authority.issue(&order).unwrap();
    let order = server
        .asked()
        .iter()
        .find(|asked| operation(asked) == "IssueCertificate")
        .map(body)
        .unwrap();
    assert_eq!(order["SigningAlgorithm"], "SHA384WITHRSA");
}

#[test]
fn a_certificate_is_revoked_by_its_serial_and_twice_is_no_error() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "RevokeCertificate", |_, _, times| match times {
        1 => Reply::ok("").header("content-type", "application/x-amz-json-1.1"),
        _ => exception(400, "RequestAlreadyProcessedException", "already revoked"),
    });
    let certificate = lab.client("app").certificate();
    let revoke = opened(&server, &lab, |_| {}).revoke.unwrap();
    for _ in 0..2 {
        revoke
            .revoke(&contract::revocation(&certificate, Reason::KeyCompromise))
            .unwrap();
    }
    let asked = body(&server.asked()[0]);
    assert_eq!(asked["RevocationReason"], "KEY_COMPROMISE");
    assert_eq!(asked["CertificateSerial"], certificate.facts().serial);
}

#[test]
fn a_ca_that_is_being_changed_revokes_a_moment_later_and_a_serial_that_it_has_not_is_no_missing_ca()
{
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "RevokeCertificate", |_, _, times| match times {
        1 => exception(400, "ConcurrentModificationException", "ongoing"),
        2 => Reply::ok("").header("content-type", "application/x-amz-json-1.1"),
        _ => exception(400, "ResourceNotFoundException", "no such serial"),
    });
    let certificate = lab.client("app").certificate();
    let revocation = || contract::revocation(&certificate, Reason::KeyCompromise);
    let revoke = opened(&server, &lab, |_| {}).revoke.unwrap();
    revoke.revoke(&revocation()).unwrap();
    assert_eq!(server.asked().len(), 2);
    match revoke.revoke(&revocation()) {
        Err(AuthorityError::Refused(finding)) => {
            assert!(finding.hint.contains("serial number"), "{}", finding.hint);
        }
        other => panic!("{other:?}"),
    }
}
