//! Where in an answer the certificates stand.

use certbake::authority::AuthorityError;
use certbake::pki::pkcs7;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::fake::{Api, json_reply, lab_with, pem_of, set, sign};
use crate::support::contract::{PATIENCE, Protocol, order};
use crate::support::{Lab, Reply};

#[test]
fn every_wrapping_is_opened_where_the_pointer_points() {
    type Wrap = fn(&[Vec<u8>]) -> Value;
    let message = |ders: &[Vec<u8>]| {
        let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
        pkcs7::certs_only(&ders)
    };
    let wraps: [(&str, Wrap); 6] = [
        ("one PEM bundle", |ders| {
            json!(ders.iter().map(|der| pem_of(der)).collect::<String>())
        }),
        ("a list of PEM", |ders| {
            json!(ders.iter().map(|der| pem_of(der)).collect::<Vec<_>>())
        }),
        ("a list of base64 DER", |ders| {
            json!(
                ders.iter()
                    .map(|der| BASE64.encode(der))
                    .collect::<Vec<_>>()
            )
        }),
        ("PEM with other line ends", |ders| {
            json!(
                ders.iter()
                    .map(|der| pem_of(der).replace('\n', "\r\n"))
                    .collect::<String>()
            )
        }),
        ("lists in lists", |ders| {
            json!([[pem_of(&ders[0])], [[pem_of(&ders[1])]]])
        }),
        ("base64 of PKCS#7", |ders| {
            let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
            json!(BASE64.encode(&pkcs7::certs_only(&ders)))
        }),
    ];
    let _ = message;
    for (name, wrap) in wraps {
        let (lab, _server, opened) = lab_with(
            move |lab, asked| {
                let leaf = lab.sign(&Api.ordered(asked).unwrap());
                json_reply(
                    200,
                    &json!({"result": [{"pem": wrap(&[leaf, lab.issuing()])}]}),
                )
            },
            |table| {
                table.remove("answer");
                set(table, "answer = { certificate = '/result/0/pem' }");
            },
        );
        let issued = opened.authority.issue(&order(PATIENCE).1);
        let issued = issued.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(issued.certificates[1], lab.issuing(), "{name}");
    }
}

#[test]
fn without_pointers_the_whole_answer_is_the_chain() {
    for as_message in [false, true] {
        let (lab, _server, opened) = lab_with(
            move |lab, asked| {
                let leaf = lab.sign(&Api.ordered(asked).unwrap());
                if as_message {
                    return Reply::ok(pkcs7::certs_only(&[&lab.issuing(), &leaf]));
                }
                Reply::ok(pem_of(&leaf) + &pem_of(&lab.issuing()) + &pem_of(&lab.root()))
            },
            |table| {
                table.remove("answer");
            },
        );
        let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
        assert_eq!(issued.certificates[1], lab.issuing());
        assert_eq!(issued.anchors.is_empty(), as_message);
    }
}

#[test]
fn roots_are_taken_where_they_are_said_to_be() {
    let (lab, _server, opened) = lab_with(
        |lab, asked| {
            let leaf = lab.sign(&Api.ordered(asked).unwrap());
            json_reply(
                200,
                &json!({"data": {"certificate": pem_of(&leaf), "chain": null}, "roots": [pem_of(&lab.root())]}),
            )
        },
        |table| set(table, "answer = { anchors = '/roots' }"),
    );
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, lab.anchors());
}

#[test]
fn a_root_that_comes_twice_is_kept_once() {
    let other = Lab::new("Other").root();
    let (lab, _server, opened) = lab_with(
        move |lab, asked| {
            let leaf = lab.sign(&Api.ordered(asked).unwrap());
            let chain = [lab.issuing(), lab.root(), other.clone()].map(|der| pem_of(&der));
            json_reply(
                200,
                &json!({"data": {"certificate": pem_of(&leaf), "chain": chain}, "roots": [pem_of(&lab.root())]}),
            )
        },
        |table| set(table, "answer = { anchors = '/roots' }"),
    );
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors.len(), 2);
    assert_eq!(issued.anchors[0], lab.root());
}

#[test]
fn a_pointer_to_nothing_is_told() {
    let (_lab, _server, opened) = lab_with(sign, |table| {
        set(table, "answer = { chain = '/data/issuers' }");
    });
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    assert!(
        error.to_string().contains("has no /data/issuers"),
        "{error}"
    );
}
