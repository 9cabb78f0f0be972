//! AWS Private CA as the scripts speak it, and the authority on it.

use certbake::authority::Opened;
use certbake::pki::pem;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::contract::{self, Protocol};
use crate::support::{Asked, FakeServer, Lab, Reply};

pub const CA: &str = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0a1b-2c";

pub struct AwsPca;

/// The operation, from `X-Amz-Target: ACMPrivateCA.<Op>`.
pub fn operation(asked: &Asked) -> &str {
    asked
        .header("x-amz-target")
        .and_then(|target| target.strip_prefix("ACMPrivateCA."))
        .unwrap_or_default()
}

pub fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

pub fn answer(value: &Value) -> Reply {
    Reply::ok(value.to_string()).header("content-type", "application/x-amz-json-1.1")
}

pub fn exception(status: u16, name: &str, message: &str) -> Reply {
    Reply::status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(json!({ "__type": name, "message": message }).to_string())
}

pub fn described(change: impl FnOnce(&mut Value)) -> Reply {
    let mut ca = json!({
        "Arn": CA,
        "Status": "ACTIVE",
        "UsageMode": "GENERAL_PURPOSE",
        "NotAfter": 4_000_000_000_u64,
        "CertificateAuthorityConfiguration": {
            "KeyAlgorithm": "EC_prime256v1",
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Subject": { "CommonName": "Lab Issuing" },
        },
    });
    change(&mut ca);
    answer(&json!({ "CertificateAuthority": ca }))
}

/// An ARN in which the fake finds again what it is to hand out.
pub fn arn_of(certificates: &[Vec<u8>]) -> String {
    let ders: Vec<String> = certificates
        .iter()
        .map(|der| data_encoding::HEXLOWER.encode(der))
        .collect();
    format!("{CA}/certificate/{}", ders.join("+"))
}

pub fn certificates_of(arn: &str) -> Vec<String> {
    arn.rsplit('/')
        .next()
        .unwrap()
        .split('+')
        .map(|hex| {
            let der = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            pem::encode("CERTIFICATE", &der)
        })
        .collect()
}

impl Protocol for AwsPca {
    fn kind(&self) -> &'static str {
        "aws-pca"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        [
            ("url", server.origin()),
            ("certificate_authority", CA.to_owned()),
            ("access_key_id", "AKIAEXAMPLE".to_owned()),
            ("secret_access_key", credential.to_owned()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        if operation(asked) != "IssueCertificate" {
            return None;
        }
        let csr = BASE64
            .decode(body(asked)["Csr"].as_str().unwrap().as_bytes())
            .unwrap();
        let blocks = pem::decode(&csr).unwrap();
        blocks.into_iter().find_map(|block| match block {
            pem::Block::Request(der) => Some(der),
            _ => None,
        })
    }

    fn aside(&self, _: &Lab, asked: &Asked) -> Reply {
        match operation(asked) {
            "DescribeCertificateAuthority" => described(|_| {}),
            "GetCertificate" => {
                let asked = body(asked);
                let pems = certificates_of(asked["CertificateArn"].as_str().unwrap());
                answer(&json!({ "Certificate": pems[0], "CertificateChain": pems[1..].concat() }))
            }
            "RevokeCertificate" => Reply::ok(""),
            other => exception(400, "UnknownOperationException", other),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        answer(&json!({ "CertificateArn": arn_of(certificates) }))
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        exception(status, "AccessDeniedException", words)
    }

    // The idempotency token makes the second order the same as the first.
    fn repeats_a_lost_order(&self) -> bool {
        true
    }
}

pub fn opened(server: &FakeServer, lab: &Lab, change: impl FnOnce(&mut toml::Table)) -> Opened {
    let (file, source) = contract::credential();
    let mut table = AwsPca.settings(server, &source);
    change(&mut table);
    let opened = contract::open("aws-pca", table, &lab.anchors());
    // Read when the session opens, which is later.
    std::mem::forget(file);
    opened
}

/// A server that answers this operation by the script and everything else as it should.
pub fn scripted(
    lab: &Lab,
    name: &'static str,
    mut script: impl FnMut(&Lab, &Asked, usize) -> Reply + Send + 'static,
) -> FakeServer {
    let serving = lab.clone();
    let mut times = 0;
    FakeServer::https(&lab.server(), move |asked| {
        if operation(asked) == name {
            times += 1;
            return script(&serving, asked, times);
        }
        match AwsPca.ordered(asked) {
            Some(request) => {
                AwsPca.issued(&[serving.sign(&request), serving.issuing(), serving.root()])
            }
            None => AwsPca.aside(&serving, asked),
        }
    })
}
