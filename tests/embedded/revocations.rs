//! The log of revocations and the list that is made of it.

use std::fs;
use std::path::Path;

use certbake::authority::Reason;
use certbake::authority::embedded::{CaDirectory, CaError, RevokeError};
use certbake::pki::crl::Crl;
use certbake::pki::{Certificate, pem};

use crate::support::{NOW, TERMS, key, new_ca, received, request};

fn issued(ca: &CaDirectory) -> Certificate {
    let request = received(request(&key()).der());
    ca.issue(&request, &TERMS).unwrap().certificate
}

fn revoke(ca: &CaDirectory, certificate: &Certificate) -> Result<(), RevokeError> {
    ca.revoke(certificate, Reason::Superseded, NOW).map(drop)
}

/// The number of the list, and how many are on it.
fn list(ca: &CaDirectory) -> (String, usize) {
    let text = fs::read(ca.path().join("ca.crl")).unwrap();
    let [pem::Block::Crl(der)] = &pem::decode(&text).unwrap()[..] else {
        panic!("not one list");
    };
    let list = Crl::from_der(der).unwrap();
    (list.number.unwrap(), list.revoked)
}

fn log(ca: &CaDirectory) -> std::path::PathBuf {
    Path::join(ca.path(), "revoked.jsonl")
}

#[test]
fn no_list_is_made_while_a_line_does_not_tell_what_it_revokes() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let (first, second) = (issued(&ca), issued(&ca));
    revoke(&ca, &first).unwrap();
    let whole = fs::read_to_string(log(&ca)).unwrap();
    let serial = &first.facts().serial;
    for damaged in [
        whole.replace('{', "?"),
        whole.replace(&serial[..], "no number"),
        whole.replace(&serial[..], ""),
        whole.replace("2026-06-01", "9999-12-32"),
        whole.replace("2026-06-01T12:00:00Z", "9999-12-31T23:00:00-12:00"),
    ] {
        assert_ne!(damaged, whole);
        fs::write(log(&ca), &damaged).unwrap();
        let error = revoke(&ca, &second).unwrap_err();
        let RevokeError::Ca(CaError::Revocations { damaged: 1, .. }) = &error else {
            panic!("{error}");
        };
        assert!(ca.revoked().is_err());
        assert_eq!(fs::read_to_string(log(&ca)).unwrap(), damaged);
        assert_eq!(list(&ca), ("1".to_owned(), 1));
    }
}

#[test]
fn a_revocation_that_was_killed_is_dropped_and_spoils_no_other() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let certificates = [issued(&ca), issued(&ca), issued(&ca)];
    revoke(&ca, &certificates[0]).unwrap();
    let whole = fs::read_to_string(log(&ca)).unwrap();
    fs::write(log(&ca), format!("{whole}{}", &whole[..40])).unwrap();
    assert_eq!(ca.revoked().unwrap().len(), 1);
    for certificate in &certificates[1..] {
        revoke(&ca, certificate).unwrap();
    }
    assert_eq!(ca.revoked().unwrap().len(), 3);
    assert_eq!(list(&ca), ("3".to_owned(), 3));
}

#[test]
fn each_list_has_a_higher_number_and_none_is_made_where_nothing_changed() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let (first, second) = (issued(&ca), issued(&ca));
    revoke(&ca, &first).unwrap();
    let text = fs::read(ca.path().join("ca.crl")).unwrap();
    revoke(&ca, &first).unwrap();
    assert_eq!(fs::read(ca.path().join("ca.crl")).unwrap(), text);
    revoke(&ca, &second).unwrap();
    assert_eq!(list(&ca), ("2".to_owned(), 2));
    // The log of a copy that is older than the list.
    let lines = fs::read_to_string(log(&ca)).unwrap();
    fs::write(log(&ca), lines.split_inclusive('\n').next().unwrap()).unwrap();
    revoke(&ca, &first).unwrap();
    assert_eq!(list(&ca), ("3".to_owned(), 1));
    // What stands there is no list.
    fs::write(ca.path().join("ca.crl"), "").unwrap();
    revoke(&ca, &second).unwrap();
    assert_eq!(list(&ca), ("2".to_owned(), 2));
}
