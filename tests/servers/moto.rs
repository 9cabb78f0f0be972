//! Moto's server: AWS over plain HTTP, in memory, with any access key. Its ACM-PCA signs with a real
//! key, and ignores the validity and the usage that it is asked for.

use std::path::Path;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Running, curl, free_port, program};

pub const REGION: &str = "eu-central-1";

/// A running `moto_server`; dropping it stops it.
pub struct Moto {
    /// `http://127.0.0.1:PORT`, the endpoint of every service.
    pub url: String,
    pub running: Running,
    directory: TempDir,
}

/// A private CA that signs.
pub struct PrivateCa {
    pub arn: String,
    /// Its certificate, which is a root, PEM.
    pub certificate: String,
}

impl Moto {
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start() -> Option<Self> {
        let server = program("moto_server")?;
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let port_text = port.to_string();
        let arguments = ["-H", "127.0.0.1", "-p", &port_text];
        let running = Running::start(&server, arguments, port, &directory.path().join("moto.log"));
        Some(Self {
            url: format!("http://127.0.0.1:{port}"),
            running,
            directory,
        })
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// One operation of ACM-PCA, such as `GetCertificate`. Moto reads the service and the region out of
    /// the signature, and does not check it.
    pub fn ask(&self, operation: &str, body: &Value) -> Value {
        let target = format!("X-Amz-Target: ACMPrivateCA.{operation}");
        let signature = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=test/20261125/{REGION}/acm-pca/aws4_request, \
             SignedHeaders=host, Signature=none"
        );
        let headers = ["--header", &target, "--header", &signature];
        let content = ["--header", "Content-Type: application/x-amz-json-1.1"];
        curl::json(
            &self.url,
            None,
            &[&headers[..], &content].concat(),
            Some(body),
        )
    }

    /// Makes an active private CA with an EC key: a root that signs itself, as AWS's guide has it.
    pub fn private_ca(&self) -> PrivateCa {
        let created = self.ask(
            "CreateCertificateAuthority",
            &json!({
                "CertificateAuthorityType": "ROOT",
                "CertificateAuthorityConfiguration": {
                    "KeyAlgorithm": "EC_prime256v1",
                    "SigningAlgorithm": "SHA256WITHECDSA",
                    "Subject": { "CommonName": "Lab Private CA" },
                },
            }),
        );
        let arn = text(&created["CertificateAuthorityArn"]);
        let request = self.ask(
            "GetCertificateAuthorityCsr",
            &json!({ "CertificateAuthorityArn": arn }),
        );
        let signed = self.ask(
            "IssueCertificate",
            &json!({
                "CertificateAuthorityArn": arn,
                "Csr": BASE64.encode(text(&request["Csr"]).as_bytes()),
                "SigningAlgorithm": "SHA256WITHECDSA",
                "TemplateArn": "arn:aws:acm-pca:::template/RootCACertificate/V1",
                "Validity": { "Type": "YEARS", "Value": 10 },
            }),
        );
        let place =
            json!({ "CertificateAuthorityArn": arn, "CertificateArn": signed["CertificateArn"] });
        let certificate = text(&self.ask("GetCertificate", &place)["Certificate"]);
        self.ask(
            "ImportCertificateAuthorityCertificate",
            &json!({ "CertificateAuthorityArn": arn, "Certificate": BASE64.encode(certificate.as_bytes()) }),
        );
        PrivateCa { arn, certificate }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
