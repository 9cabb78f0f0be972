//! Moto's ACM-PCA.

use std::fs;

use data_encoding::BASE64;
use serde_json::json;

use crate::servers::moto::Moto;
use crate::servers::{assert_openssl_verifies, tls};

/// The fixture itself: a certificate by plain requests, since no client of AWS's is installed.
#[test]
fn moto_issues_from_a_private_ca() {
    let Some(moto) = Moto::start() else { return };
    let ca = moto.private_ca();
    let (_, request) = tls::make_request(moto.directory(), "app", "app.example");

    let request = fs::read(request).unwrap();
    let issued = moto.ask(
        "IssueCertificate",
        &json!({
            "CertificateAuthorityArn": ca.arn,
            "Csr": BASE64.encode(&request),
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Validity": { "Type": "DAYS", "Value": 3 },
        }),
    );
    let place =
        json!({ "CertificateAuthorityArn": ca.arn, "CertificateArn": issued["CertificateArn"] });
    let answer = moto.ask("GetCertificate", &place);

    let (chain, anchors) = (
        moto.directory().join("app.pem"),
        moto.directory().join("root.pem"),
    );
    fs::write(&chain, answer["Certificate"].as_str().unwrap()).unwrap();
    fs::write(&anchors, &ca.certificate).unwrap();
    assert_openssl_verifies(&chain, &anchors);
}
