//! Waits that end with the deadline.

use certbake::pki::pem;

use crate::support::{FakeServer, Lab, Reply};

#[test]
fn a_long_wait_is_told_on_standard_error_with_its_reason() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| {
        Reply::status(503).header("retry-after", "2")
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rootfs")).unwrap();
    std::fs::write(
        dir.path().join("ca.pem"),
        pem::encode("CERTIFICATE", &lab.root()),
    )
    .unwrap();
    let config = format!(
        "[ca.lab]\nkind = 'est'\nurl = '{}'\nanchors = 'ca.pem'\n\
         [identity.app]\ncommon_name = 'app'\ndeadline = '3s'\n\
         [identity.app.placements]\nfull_chain = '/crt'\nprivate_key = '/key'\n",
        server.origin()
    );
    std::fs::write(dir.path().join("certbake.toml"), config).unwrap();
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(["provision", "--root", "rootfs", "--report", "json"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    let place = server.address();
    let expected = format!("waiting 2 s for {place} (answered 503), then attempt 2");
    assert!(told.contains(&expected), "{told}");
    assert_eq!(ended.status.code(), Some(6), "{told}");
}
