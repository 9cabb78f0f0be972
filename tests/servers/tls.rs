//! Keys and certificates that a server needs before it can start, made by OpenSSL. Keys are PKCS#8.

use std::path::{Path, PathBuf};

use super::run;

const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

/// A CA (`ca.pem`, `ca.key`) and a server certificate for loopback that it signed (`server.pem`,
/// `server.key`), all ending `days` from now.
pub fn make_ca(files: &Path, name: &str, days: u32) {
    let (ca, key) = (file(files, "ca.pem"), file(files, "ca.key"));
    let (subject, days_text) = (format!("/CN={name}"), days.to_string());
    let certificate = ["req", "-x509", "-subj", &subject, "-days", &days_text];
    let usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    let output = ["-keyout", &key, "-out", &ca];
    run(
        "openssl",
        [&certificate[..], &usage, &output, &NEW_KEY].concat(),
    );

    let loopback = [
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "extendedKeyUsage=serverAuth",
    ];
    sign(files, "server", "localhost", days, &loopback);
}

/// A client's certificate and key by the CA of [`make_ca`]: `NAME.pem` and `NAME.key`.
pub fn make_client(files: &Path, name: &str, days: u32) -> (PathBuf, PathBuf) {
    let names = format!("subjectAltName=DNS:{name}");
    sign(
        files,
        name,
        name,
        days,
        &[&names, "extendedKeyUsage=clientAuth"],
    );
    (
        files.join(format!("{name}.pem")),
        files.join(format!("{name}.key")),
    )
}

/// A key without password (`NAME.key`) and a request for `common_name` (`NAME.csr`).
pub fn make_request(files: &Path, name: &str, common_name: &str) -> (PathBuf, PathBuf) {
    let (key, request) = (
        file(files, &format!("{name}.key")),
        file(files, &format!("{name}.csr")),
    );
    let (subject, names) = (
        format!("/CN={common_name}"),
        format!("subjectAltName=DNS:{common_name}"),
    );
    let asked = ["req", "-new", "-subj", &subject, "-addext", &names];
    let output = ["-keyout", &key, "-out", &request];
    run("openssl", [&asked[..], &output, &NEW_KEY].concat());
    (key.into(), request.into())
}

fn sign(files: &Path, name: &str, common_name: &str, days: u32, extensions: &[&str]) {
    let (certificate, key) = (
        file(files, &format!("{name}.pem")),
        file(files, &format!("{name}.key")),
    );
    let (ca, ca_key) = (file(files, "ca.pem"), file(files, "ca.key"));
    let (subject, days) = (format!("/CN={common_name}"), days.to_string());
    let mut arguments = vec![
        "req", "-x509", "-subj", &subject, "-days", &days, "-CA", &ca, "-CAkey", &ca_key,
    ];
    for extension in ["basicConstraints=critical,CA:FALSE"]
        .iter()
        .chain(extensions)
    {
        arguments.extend(["-addext", extension]);
    }
    arguments.extend(["-keyout", &key, "-out", &certificate]);
    arguments.extend(NEW_KEY);
    run("openssl", arguments);
}

fn file(files: &Path, name: &str) -> String {
    files.join(name).to_str().unwrap().to_owned()
}
