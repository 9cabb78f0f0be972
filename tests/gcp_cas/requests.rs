//! What an order is made of.

use certbake::authority::AuthorityError;
use serde_json::{Value, json};

use crate::fake::{Cas, POOL, failure, lab_with, parameter};
use crate::support::contract::{CANARY, PATIENCE, Protocol, credential, open, order};
use crate::support::{FakeServer, Lab, Reply};

#[test]
fn an_order_fits_the_proto_and_names_template_labels_and_ca() {
    let (lab, server, opened) = lab_with(
        |_, _| None,
        &[],
        |_, table| {
            let more = toml::toml! {
                certificate_authority = "one"
                certificate_template = "mtls"
                [labels]
                image = "web"
            };
            table.extend(more);
        },
    );
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, [lab.root()]);
    assert_eq!(issued.certificates.len(), 2);
    let asked = &server.asked()[0];
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["lifetime"], "3600s");
    assert_eq!(
        body["certificateTemplate"],
        "projects/images/locations/europe-west1/certificateTemplates/mtls"
    );
    assert_eq!(body["labels"], json!({"image": "web"}));
    assert_eq!(
        parameter(asked, "issuingCertificateAuthorityId").unwrap(),
        "one"
    );
    assert!(
        parameter(asked, "certificateId")
            .unwrap()
            .starts_with("app-")
    );
    assert_eq!(
        asked.header("authorization").unwrap(),
        format!("Bearer {CANARY}")
    );
    // Pinned anchors decide: the pool's own roots are not asked for.
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn all_attempts_of_an_order_have_its_request_id_and_another_order_has_another() {
    let mut orders = 0;
    let (_lab, server, opened) = lab_with(
        move |_, asked| {
            Cas.ordered(asked)?;
            orders += 1;
            match orders {
                1 => Some(Reply::Close),
                2 => Some(failure(503, "UNAVAILABLE", "later")),
                3 => Some(Reply::status(429)),
                _ => None,
            }
        },
        &[],
        |_, _| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let ids: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| asked.path.clone())
        .collect();
    assert_eq!(ids.len(), 5);
    assert!(ids[..4].iter().all(|id| *id == ids[0]));
    assert_ne!(ids[3], ids[4]);
    let id = parameter(&server.asked()[0], "requestId").unwrap();
    assert_eq!(id.len(), 36);
}

#[test]
fn without_pinned_anchors_the_pools_roots_are_fetched() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::http(move |asked| match Cas.ordered(asked) {
        // A chain that leaves the root out.
        Some(request) => Cas.issued(&[serving.sign(&request), serving.issuing()]),
        None => Cas.aside(&serving, asked),
    });
    let (_file, source) = credential();
    let mut table = Cas.settings(&server, &source);
    table.insert(
        "url".to_owned(),
        format!("http://{}", server.address()).into(),
    );
    let opened = open("gcp-cas", table, &[]);
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, [lab.root()]);
    assert_eq!(server.asked()[1].path, format!("{POOL}:fetchCaCerts"));
}

#[test]
fn an_order_without_a_lifetime_is_not_sent() {
    let (_lab, server, opened) = lab_with(|_, _| None, &[], |_, _| {});
    let (_key, mut order) = order(PATIENCE);
    order.ttl = None;
    let error = opened.authority.issue(&order).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "ca-ttl-needed");
    assert!(server.asked().is_empty());
}
