//! Through the binary.

use crate::fake::{Cfssl, KEY, failure, sign};
use crate::support::baking::Baked;
use crate::support::contract::Protocol;
use crate::support::{FakeServer, Lab};

#[test]
fn a_certificate_lands_and_no_key_is_printed() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Cfssl.ordered(asked) {
        Some(request) => sign(&serving, &request),
        None => Cfssl.aside(&serving, asked),
    });
    let baked = Baked::provision("cfssl", &Cfssl.settings(&server, ""), &lab.anchors(), &[]);
    baked.is_good(&[KEY]);
}

#[test]
fn a_wrong_key_ends_with_5_and_a_sentence() {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| match Cfssl.ordered(asked) {
        Some(_) => failure(400, 400, "invalid token"),
        None => Cfssl.aside(&serving, asked),
    });
    let baked = Baked::provision("cfssl", &Cfssl.settings(&server, ""), &lab.anchors(), &[]);
    assert_eq!(baked.code, 5, "{}", baked.printed);
    assert!(baked.printed.contains("invalid token"), "{}", baked.printed);
}
