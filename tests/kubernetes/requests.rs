//! What is asked for, under which name, and that it is made once.

use certbake::authority::AuthorityError;
use certbake::pki::KeyAlgorithm;
use serde_json::{Value, json};

use crate::fake::{
    Kubernetes, REQUESTS, answer, body, der, lab_with, order_with, standing, status, well,
};
use crate::support::Reply;
use crate::support::contract::{CANARY, PATIENCE, Protocol, order};

#[test]
fn an_order_is_a_request_as_the_published_types_have_it() {
    let (_lab, server, opened) = lab_with(well, |_| {});
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    // The cluster vouches for no root of somebody else's signer.
    assert_eq!((issued.certificates.len(), issued.anchors.len()), (2, 0));
    let asked = &server.asked()[0];
    assert_eq!(
        asked.header("authorization").unwrap(),
        format!("Bearer {CANARY}")
    );
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let mut body = body(asked);
    let name = body["metadata"]["name"].take();
    let name = name.as_str().unwrap();
    assert!(name.starts_with("certbake-app-"), "{name}");
    body["spec"]["request"].take();
    assert_eq!(
        body,
        json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": null},
            "spec": {
                "request": null,
                "signerName": "example.com/images",
                "usages": ["digital signature", "client auth"],
                "expirationSeconds": 3600,
            },
        })
    );
}

#[test]
fn usages_are_those_of_the_key_or_those_of_the_settings() {
    let (_lab, server, opened) = lab_with(well, |_| {});
    let order = order_with(KeyAlgorithm::Rsa2048, None, 3600);
    opened.authority.issue(&order).unwrap();
    assert_eq!(
        body(&server.asked()[0])["spec"]["usages"],
        json!(["digital signature", "key encipherment", "client auth"])
    );
    let (_lab, server, opened) = lab_with(well, |table| {
        table.insert("usages".to_owned(), vec!["client auth"].into());
    });
    opened
        .authority
        .issue(&order_with(KeyAlgorithm::EcdsaP256, None, 3600))
        .unwrap();
    assert_eq!(
        body(&server.asked()[0])["spec"]["usages"],
        json!(["client auth"])
    );
}

#[test]
fn what_kubernetes_never_takes_is_told_before_it_is_asked() {
    let (_lab, server, opened) = lab_with(well, |table| {
        table.insert(
            "signer_name".to_owned(),
            "kubernetes.io/kube-apiserver-client".into(),
        );
    });
    let error = opened
        .authority
        .issue(&order_with(KeyAlgorithm::EcdsaP256, None, 599))
        .unwrap_err();
    assert_eq!(error.into_finding().code.as_str(), "ca-ttl-too-short");
    let masters = order_with(KeyAlgorithm::EcdsaP256, Some("system:masters"), 3600);
    let error = opened.authority.issue(&masters).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(error.to_string().contains("system:masters"), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn an_order_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let mut posts = 0;
    let mut request = Value::Null;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| {
            if Kubernetes.ordered(asked).is_some() {
                posts += 1;
                request = body(asked)["spec"]["request"].clone();
                return match posts {
                    1 => Reply::Close,
                    _ => status(409, "AlreadyExists", "already exists"),
                };
            }
            let leaf = lab.sign(&der(&request).unwrap());
            answer(
                200,
                &standing(request.as_str().unwrap(), &[], &[leaf, lab.issuing()]),
            )
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    let name = body(&asked[0])["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(body(&asked[1])["metadata"]["name"], name);
    assert_eq!(asked[2].path, format!("{REQUESTS}/{name}"));
}

#[test]
fn a_name_that_a_stranger_has_is_given_up_for_another() {
    let mut posts = 0;
    let (_lab, server, opened) = lab_with(
        move |lab, asked| match Kubernetes.ordered(asked) {
            Some(_) if posts == 0 => {
                posts += 1;
                status(409, "AlreadyExists", "already exists")
            }
            Some(_) => well(lab, asked),
            None => answer(
                200,
                &standing("c3RyYW5nZXI=", &[], &lab.client("stranger").chain),
            ),
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let asked = server.asked();
    assert_ne!(
        body(&asked[0])["metadata"]["name"],
        body(&asked[2])["metadata"]["name"]
    );
}
