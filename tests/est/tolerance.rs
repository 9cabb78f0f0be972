//! What servers in the wild do differently.

use certbake::pki::{Certificate, pem};
use data_encoding::{BASE64, BASE64_MIME};

use crate::fake::{Est, message, sign};
use crate::support::contract::{PATIENCE, Protocol, Run, credential, open, order};
use crate::support::{FakeServer, Lab, Reply};

#[test]
fn every_wrapping_of_the_answer_is_opened_whatever_its_content_type() {
    type Wrap = fn(Vec<u8>) -> Vec<u8>;
    let wrappings: [(&str, Wrap); 6] = [
        ("one line", |m| BASE64.encode(&m).into_bytes()),
        ("lines of 76", |m| BASE64_MIME.encode(&m).into_bytes()),
        ("DER", |m| m),
        ("PEM", |m| pem::encode("PKCS7", &m).into_bytes()),
        ("PEM under a certificate's label", |m| {
            pem::encode("CERTIFICATE", &m).into_bytes()
        }),
        ("blank lines around", |m| {
            format!("\r\n{}\r\n\r\n", BASE64.encode(&m)).into_bytes()
        }),
    ];
    for (name, wrap) in wrappings {
        let run = Run::new(&Est, PATIENCE, move |lab, request, _| {
            Reply::ok(wrap(message(&[lab.sign(request)])))
                .header("content-type", "application/octet-stream")
        });
        let issued = run
            .outcome
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(issued.certificates.len(), 2, "{name}");
    }
}

#[test]
fn a_compressed_answer_is_called_what_it_is() {
    let run = Run::new(&Est, PATIENCE, |_, _, _| {
        Reply::ok("\u{1f}\u{8b}").header("content-encoding", "gzip")
    });
    let finding = run.unusable();
    assert_eq!(finding.facts["content_encoding"], "gzip");
    assert!(
        finding.hint.starts_with("it is compressed"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_certificate_without_its_message_is_taken_too() {
    type Wrap = fn(&[u8]) -> Vec<u8>;
    let wrappings: [Wrap; 3] = [
        |der| der.to_vec(),
        |der| pem::encode("CERTIFICATE", der).into_bytes(),
        |der| BASE64.encode(der).into_bytes(),
    ];
    for wrap in wrappings {
        let run = Run::new(&Est, PATIENCE, move |lab, request, _| {
            Reply::ok(wrap(&lab.sign(request)))
        });
        run.outcome.unwrap();
    }
}

#[test]
fn the_leaf_is_the_one_for_our_key_and_of_two_the_later() {
    let run = Run::new(&Est, PATIENCE, |lab, request, _| {
        let others = lab.client("somebody else").chain;
        Est.issued(&[others[0].clone(), lab.sign(request), lab.issuing()])
    });
    let issued = run.outcome.unwrap();
    let leaf = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    assert_eq!(leaf.facts().spki, run.key.spki());
}

/// RFC 7030 section 4.1.3. The lab's root twice, each time with another key.
#[test]
fn keys_of_a_ca_that_its_other_key_signed_are_no_roots() {
    let made = |issuer: Option<&rcgen::Issuer<'_, &rcgen::KeyPair>>, key: &rcgen::KeyPair| {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Lab");
        let made = match issuer {
            None => params.self_signed(key),
            Some(issuer) => params.signed_by(key, issuer),
        };
        made.unwrap().der().to_vec()
    };
    let issuer = |key| {
        let mut params = rcgen::CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Lab");
        rcgen::Issuer::new(params, key)
    };
    let keys = [0, 1].map(|_| rcgen::KeyPair::generate().unwrap());
    let [old, new] = &keys;
    let roots = [made(None, old), made(None, new)];
    let crossed = [made(Some(&issuer(new)), old), made(Some(&issuer(old)), new)];
    let all = [crossed.as_slice(), &roots].concat();
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Est.ordered(asked) {
        Some(request) => sign(&serving, &request),
        None => Est.issued(&all),
    });
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, roots);
}

#[test]
fn cacerts_behind_the_login_are_asked_for_with_it() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| {
        if asked.header("authorization").is_none() {
            return Reply::status(401).header("www-authenticate", "Basic realm=\"est\"");
        }
        match Est.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => Est.aside(&serving, asked),
        }
    });
    let (_file, source) = credential();
    let opened = open("est", Est.settings(&server, &source), &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
}
