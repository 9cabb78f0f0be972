//! GlobalSign's EST server.

use crate::servers::est::{self, EstServer};
use crate::servers::{program, run};

/// The fixture itself: GlobalSign's client gets a certificate from GlobalSign's server.
#[test]
fn estclient_enrolls_at_estserver() {
    let Some(server) = EstServer::start(30) else {
        return;
    };
    let estclient = program("estclient").unwrap();
    let directory = server.directory();
    let (key, request) = (directory.join("client.key"), directory.join("client.csr"));
    let new_key = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let request_for = [
        "-subj",
        "/CN=app",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        request.to_str().unwrap(),
    ];
    run("openssl", new_key.into_iter().chain(request_for));

    let issued = directory.join("client.pem");
    let asked = [
        "enroll",
        "-server",
        &server.authority,
        "-explicit",
        server.anchors.to_str().unwrap(),
    ];
    let login = ["-user", est::USER, "-pass", est::PASSWORD];
    let files = [
        "-csr",
        request.to_str().unwrap(),
        "-out",
        issued.to_str().unwrap(),
    ];
    run(estclient, asked.into_iter().chain(login).chain(files));

    let verified = run(
        "openssl",
        [
            "verify",
            "-CAfile",
            server.anchors.to_str().unwrap(),
            issued.to_str().unwrap(),
        ],
    );
    assert!(String::from_utf8_lossy(&verified).ends_with("client.pem: OK\n"));
}
