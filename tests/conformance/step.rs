//! Smallstep's step-ca.

use crate::servers::assert_openssl_verifies;
use crate::servers::step::{PROVISIONER, StepCa};

/// The fixture itself: Smallstep's client gets a certificate, and gets another after a restart.
#[test]
fn step_enrolls_at_step_ca() {
    let Some(mut ca) = StepCa::start() else {
        return;
    };
    let password = ca.password.to_str().unwrap().to_owned();
    let chain = ca.directory().join("app.crt");
    let key = ca.directory().join("app.key");

    for _ in 0..2 {
        let login = ["--provisioner", PROVISIONER, "--password-file", &password];
        let files = ["app", chain.to_str().unwrap(), key.to_str().unwrap()];
        ca.step(&[&["ca", "certificate", "--force"][..], &login, &files].concat());
        assert_openssl_verifies(&chain, &ca.root);
        ca.serve();
    }
}
