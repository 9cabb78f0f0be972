//! Let's Encrypt's Pebble.

use crate::servers::assert_openssl_verifies;
use crate::servers::pebble::{EXTERNAL_ACCOUNT, Options, Pebble};
use crate::servers::run_with;

/// The fixture itself: lego, an ACME client, gets a certificate by http-01.
#[test]
fn lego_enrolls_at_pebble() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    lego(&pebble, &[]);
}

/// With every wish of [`Options`]: lego gets along with all but a profile, which it does not know.
#[test]
fn lego_enrolls_at_a_pebble_that_is_hard_to_please() {
    let options = Options {
        rejected_nonces: 20,
        external_account: true,
        profiles: vec![("short", 86_400)],
        intermediates: 2,
    };
    let Some(pebble) = Pebble::start(&options) else {
        return;
    };
    let (id, key) = EXTERNAL_ACCOUNT;
    lego(&pebble, &["--eab", "--kid", id, "--hmac", key]);
}

fn lego(pebble: &Pebble, account: &[&str]) {
    let listen = format!("127.0.0.1:{}", pebble.http_port);
    let environment = [("LEGO_CA_CERTIFICATES", pebble.anchors.to_str().unwrap())];
    let place = [
        "--server",
        &pebble.url,
        "--path",
        pebble.directory().to_str().unwrap(),
    ];
    let asked = [
        "--accept-tos",
        "--email",
        "nobody@app.example",
        "--domains",
        "app.example",
    ];
    let challenge = ["--http", "--http.port", &listen];
    run_with(
        &environment,
        "lego",
        [&place[..], &asked, &challenge, account, &["run"]].concat(),
    );

    let chain = pebble.directory().join("certificates/app.example.crt");
    assert_openssl_verifies(&chain, &pebble.root);
}
