//! Renewal, revocation and preflight by program.

use std::path::Path;

use certbake::authority::{Ability, CATALOGUE, Current, Reason};
use certbake::pki::{PrivateKey, pem};

use crate::support::contract::{PATIENCE, order, revocation};
use crate::workshop::{ASK, Workshop, leaf, refused, write_script};

#[test]
fn it_can_do_what_its_row_says() {
    let shop = Workshop::new("");
    let opened = shop.open_with(|table| {
        table.insert("revoke".to_owned(), vec!["./revoke"].into());
    });
    assert!(opened.renew.is_some() && opened.preflight.is_some() && opened.revoke.is_some());
    assert!(shop.open().revoke.is_none());
    let entry = CATALOGUE.iter().find(|entry| entry.kind == "exec").unwrap();
    assert_eq!(
        entry.abilities,
        [Ability::Renew, Ability::Preflight, Ability::Revoke]
    );
}

#[test]
fn a_renewal_tells_the_current_certificate_and_never_its_key() {
    let shop = Workshop::new(&format!(
        "env >seen; echo \"$CERTBAKE_CURRENT_CERTIFICATE\" >current; {ASK}"
    ));
    let present = shop.lab.client("app");
    let current_key = PrivateKey::from_der(&present.key).unwrap();
    let (key, order) = order(PATIENCE);
    let current = Current {
        chain: &present.chain,
        key: &current_key,
    };
    let issued = shop.open().renew.unwrap().renew(&order, &current).unwrap();
    assert_eq!(leaf(&issued).facts().spki, key.spki());
    let seen = shop.read("seen");
    assert!(seen.contains("CERTBAKE_OPERATION=renew"), "{seen}");
    let chain = pem::certificates(shop.read("current").as_bytes()).unwrap();
    assert_eq!(chain, present.chain);
    assert!(!seen.contains("PRIVATE KEY"), "{seen}");
}

#[test]
fn a_revocation_gives_the_certificate_its_serial_and_the_reason() {
    let shop = Workshop::new("");
    write_script(
        Path::new(&shop.path("revoke")),
        "cat >revoked; echo $CERTBAKE_OPERATION $CERTBAKE_SERIAL $CERTBAKE_REASON >>revoked\n\
         [ $CERTBAKE_REASON = superseded ] || { echo not by you >&2; exit 1; }",
    );
    let opened = shop.open_with(|table| {
        table.insert("revoke".to_owned(), vec!["./revoke"].into());
    });
    let certificate = shop.lab.client("app").certificate();
    let revoke = opened.revoke.unwrap();
    revoke
        .revoke(&revocation(&certificate, Reason::Superseded))
        .unwrap();
    let serial = certificate.facts().serial.to_ascii_uppercase();
    assert_eq!(
        shop.read("revoked"),
        format!("{}revoke {serial} superseded\n", certificate.pem())
    );
    let error = revoke
        .revoke(&revocation(&certificate, Reason::KeyCompromise))
        .unwrap_err();
    assert!(refused(error).summary.ends_with("not by you"));
}
