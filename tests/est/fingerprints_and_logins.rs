//! A fingerprint beside a client certificate or a password.

use certbake::outcome::Outcome;
use certbake::pki::digest;

use crate::fake::Est;
use crate::support::contract::{PATIENCE, Protocol, credential, open, order};
use crate::support::{FakeServer, Lab, Reply};

fn hint(server: &FakeServer, lab: &Lab) -> String {
    let (_file, source) = credential();
    let mut table = Est.settings(server, &source);
    let pin = digest::sha256_hex(&lab.root());
    table.insert("trust".to_owned(), pin.into());
    let opened = open("est", table, &[]);
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused, "{error}");
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
    error.into_finding().hint
}

/// Whatever login is configured is not shown before the root has been compared.
#[test]
fn a_server_that_gives_its_root_to_nobody_unknown_is_told_as_such() {
    let lab = Lab::new("Lab");
    let refusing = FakeServer::https(&lab.server(), |_| {
        Reply::status(401).header("www-authenticate", "Basic realm=\"est\"")
    });
    let wanting = FakeServer::mtls(&lab.server(), &lab.anchors(), |_| Reply::status(500));
    for server in [refusing, wanting] {
        let hint = hint(&server, &lab);
        assert!(
            hint.contains("without login") && hint.contains("anchors"),
            "{hint}"
        );
    }
}
