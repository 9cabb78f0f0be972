//! Certs-only messages against OpenSSL, both ways.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use certbake::pki::{Certificate, KeyAlgorithm, PrivateKey, pem, pkcs7};

/// A self-signed certificate with this name, and its key.
fn certificate(name: &str) -> (Certificate, PrivateKey) {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    (Certificate::from_der(der).unwrap(), key)
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn what_openssl_packs_is_read() {
    let (one, _) = certificate("one.internal");
    let (two, _) = certificate("two.internal");
    let pem = one.pem() + &two.pem();
    for form in ["PEM", "DER"] {
        let packed = openssl(
            &[
                "crl2pkcs7",
                "-nocrl",
                "-certfile",
                "/dev/stdin",
                "-outform",
                form,
            ],
            pem.as_bytes(),
        );
        let read = pkcs7::from_any(&packed).unwrap();
        assert_eq!(read, [one.der(), two.der()], "{form}");
    }
}

#[test]
fn openssl_reads_what_is_packed_here() {
    let (one, _) = certificate("one.internal");
    let (two, _) = certificate("two.internal");
    let packed = pkcs7::certs_only(&[one.der(), two.der()]);
    let text = openssl(&["pkcs7", "-inform", "DER", "-print_certs"], &packed);
    let read = pem::certificates(&text).unwrap();
    assert_eq!(read, [one.der(), two.der()]);
}

/// Streaming makes OpenSSL write indefinite lengths, constructed octet strings and a signature.
#[test]
fn a_signed_message_with_indefinite_lengths_gives_its_certificates() {
    let (one, key) = certificate("one.internal");
    let folder = tempfile::tempdir().unwrap();
    let signer = folder.path().join("signer.pem");
    let pem = pem::encode("PRIVATE KEY", key.expose_pkcs8()) + &one.pem();
    std::fs::write(&signer, pem).unwrap();
    let signer = signer.to_str().unwrap();
    let message = openssl(
        &[
            "cms",
            "-sign",
            "-nodetach",
            "-stream",
            "-outform",
            "DER",
            "-signer",
            signer,
        ],
        b"text",
    );
    assert_eq!(message[1], 0x80, "an indefinite length");
    assert_eq!(pkcs7::from_any(&message).unwrap(), [one.der()]);
}
