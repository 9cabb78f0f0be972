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
    let names = format!("subjectAltName=DNS:{common_name}");
    request(
        files,
        name,
        &format!("/CN={common_name}"),
        &["-addext", &names],
    )
}

/// As [`make_request`], for a subject such as `/O=Lab/CN=app` and no other name; the request alone.
pub fn make_request_for(files: &Path, name: &str, subject: &str) -> PathBuf {
    request(files, name, subject, &[]).1
}

fn request(files: &Path, name: &str, subject: &str, more: &[&str]) -> (PathBuf, PathBuf) {
    let (key, request) = (
        file(files, &format!("{name}.key")),
        file(files, &format!("{name}.csr")),
    );
    let asked = ["req", "-new", "-subj", subject];
    let output = ["-keyout", &key, "-out", &request];
    run("openssl", [&asked[..], more, &output, &NEW_KEY].concat());
    (key.into(), request.into())
}

/// Signs a request (PEM) by the CA of [`make_ca`] for client authentication, with the names it asks
/// for: `NAME.pem`, which is returned too.
pub fn sign_request(files: &Path, name: &str, request: &[u8], days: u32) -> Vec<u8> {
    let [csr, extensions, certificate] =
        ["csr", "ext", "pem"].map(|suffix| file(files, &format!("{name}.{suffix}")));
    let (ca, ca_key, days) = (
        file(files, "ca.pem"),
        file(files, "ca.key"),
        days.to_string(),
    );
    std::fs::write(&csr, request).unwrap();
    let terms = "extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\n";
    std::fs::write(&extensions, terms).unwrap();
    let asked = [
        "x509",
        "-req",
        "-in",
        &csr,
        "-copy_extensions",
        "copyall",
        "-extfile",
        &extensions,
    ];
    let by = [
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-days",
        &days,
        "-out",
        &certificate,
    ];
    run("openssl", [&asked[..], &by].concat());
    std::fs::read(&certificate).unwrap()
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
