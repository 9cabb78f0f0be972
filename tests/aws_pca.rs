//! AWS Private CA against a scripted endpoint: the contract, and every exception of its table.

#![cfg(feature = "aws")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Depth, Opened, Reason};
use certbake::pki::pem;
use data_encoding::BASE64;
use serde_json::{Value, json};
use support::baking::Baked;
use support::contract::{self, CANARY, PATIENCE, Protocol, Run};
use support::{Asked, FakeServer, Lab, Reply};

const CA: &str = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0a1b-2c";

struct AwsPca;

/// The operation, from `X-Amz-Target: ACMPrivateCA.<Op>`.
fn operation(asked: &Asked) -> &str {
    asked
        .header("x-amz-target")
        .and_then(|target| target.strip_prefix("ACMPrivateCA."))
        .unwrap_or_default()
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn answer(value: &Value) -> Reply {
    Reply::ok(value.to_string()).header("content-type", "application/x-amz-json-1.1")
}

fn exception(status: u16, name: &str, message: &str) -> Reply {
    Reply::status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .body(json!({ "__type": name, "message": message }).to_string())
}

fn described(change: impl FnOnce(&mut Value)) -> Reply {
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
fn arn_of(certificates: &[Vec<u8>]) -> String {
    let ders: Vec<String> = certificates
        .iter()
        .map(|der| data_encoding::HEXLOWER.encode(der))
        .collect();
    format!("{CA}/certificate/{}", ders.join("+"))
}

fn certificates_of(arn: &str) -> Vec<String> {
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

contract!(&AwsPca);

fn opened(server: &FakeServer, lab: &Lab, change: impl FnOnce(&mut toml::Table)) -> Opened {
    let (file, source) = contract::credential();
    let mut table = AwsPca.settings(server, &source);
    change(&mut table);
    let opened = contract::open("aws-pca", table, &lab.anchors());
    // Read when the session opens, which is later.
    std::mem::forget(file);
    opened
}

/// A server that answers this operation by the script and everything else as it should.
fn scripted(
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

#[test]
fn an_order_states_template_algorithm_and_an_absolute_end() {
    let run = Run::new(&AwsPca, PATIENCE, |lab, request, _| {
        AwsPca.issued(&[lab.sign(request), lab.issuing(), lab.root()])
    });
    let issued = run.outcome.as_ref().unwrap();
    assert_eq!(
        issued.certificates.len(),
        2,
        "the root is no part of the chain"
    );
    assert_eq!(issued.anchors, [run.lab.root()]);
    let orders = run.orders(&AwsPca);
    let order = body(&orders[0]);
    assert_eq!(order["SigningAlgorithm"], "SHA256WITHECDSA");
    assert_eq!(
        order["TemplateArn"],
        "arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"
    );
    assert_eq!(order["Validity"]["Type"], "ABSOLUTE");
    let end = order["Validity"]["Value"].as_i64().unwrap();
    let hence = end - time::OffsetDateTime::now_utc().unix_timestamp();
    assert!((3500..=3600).contains(&hence), "{hence}");
    assert!(order["IdempotencyToken"].as_str().unwrap().len() <= 36);
    let authorization = orders[0].header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
    assert!(authorization.contains("/eu-central-1/acm-pca/aws4_request"));
}

#[test]
fn a_certificate_that_is_not_signed_yet_is_waited_for() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "GetCertificate", |lab, asked, times| {
        if times < 3 {
            return exception(400, "RequestInProgressException", "not yet");
        }
        AwsPca.aside(lab, asked)
    });
    let (_key, order) = contract::order(PATIENCE);
    contract::told();
    opened(&server, &lab, |_| {})
        .authority
        .issue(&order)
        .unwrap();
    assert_eq!(contract::told(), ["it has not signed yet"; 2]);
}

#[test]
fn an_order_that_is_never_signed_ends_with_the_deadline() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "GetCertificate", |_, _, _| {
        exception(400, "RequestInProgressException", "not yet")
    });
    let (_key, order) = contract::order(Duration::from_secs(2));
    match opened(&server, &lab, |_| {}).authority.issue(&order) {
        Err(AuthorityError::Unreachable(finding)) => {
            assert_eq!(finding.code.as_str(), "ca-pending")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn throttling_is_waited_out_under_the_same_token() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "IssueCertificate", |lab, asked, times| {
        if times == 1 {
            return exception(400, "ThrottlingException", "Rate exceeded");
        }
        let request = AwsPca.ordered(asked).unwrap();
        AwsPca.issued(&[lab.sign(&request), lab.issuing()])
    });
    let (_key, order) = contract::order(PATIENCE);
    opened(&server, &lab, |_| {})
        .authority
        .issue(&order)
        .unwrap();
    let tokens: Vec<_> = server
        .asked()
        .iter()
        .filter(|asked| operation(asked) == "IssueCertificate")
        .map(|asked| body(asked)["IdempotencyToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

#[test]
fn every_exception_is_told_in_words() {
    for (name, code, word) in [
        (
            "AccessDeniedException",
            "ca-login-refused",
            "acm-pca:IssueCertificate",
        ),
        (
            "UnrecognizedClientException",
            "ca-login-refused",
            "access key",
        ),
        ("InvalidSignatureException", "ca-login-refused", "clock"),
        ("ExpiredTokenException", "ca-login-refused", "expired"),
        (
            "ResourceNotFoundException",
            "ca-refused",
            "certificate_authority",
        ),
        ("InvalidStateException", "ca-refused", "disabled"),
        ("LimitExceededException", "ca-refused", "quota"),
        ("MalformedCSRException", "ca-refused", "subject"),
        ("InvalidArgsException", "ca-refused", "template"),
        ("ValidationException", "ca-refused", "template"),
        ("SomethingNewException", "ca-refused", "own words"),
    ] {
        let run = Run::new(&AwsPca, PATIENCE, move |_, _, _| {
            exception(400, name, "because of reasons")
        });
        assert_eq!(run.orders(&AwsPca).len(), 1, "{name} was asked again");
        let finding = run.refused();
        assert_eq!(finding.code.as_str(), code, "{name}");
        assert!(finding.summary.contains(name), "{}", finding.summary);
        assert!(finding.summary.contains("because of reasons"));
        assert!(finding.hint.contains(word), "{name}: {}", finding.hint);
    }
}

#[test]
fn without_a_ttl_nothing_is_asked() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "", |_, _, _| Reply::Close);
    let (_key, mut order) = contract::order(PATIENCE);
    order.ttl = None;
    let opened = opened(&server, &lab, |_| {});
    match opened.preflight.unwrap().preflight(&order, Depth::Order) {
        Err(AuthorityError::Settings(finding)) => {
            assert_eq!(finding.code.as_str(), "ca-ttl-needed")
        }
        other => panic!("{other:?}"),
    }
    assert!(server.asked().is_empty());
}

#[test]
fn limits_of_the_ca_are_known_before_the_order() {
    for (change, code) in [
        (json!({ "Status": "DISABLED" }), "aws-ca-state"),
        (json!({ "NotAfter": 1_700_000_000 }), "ttl-not-allowed"),
        (
            json!({ "UsageMode": "SHORT_LIVED_CERTIFICATE" }),
            "ttl-not-allowed",
        ),
    ] {
        let lab = Lab::new("Lab");
        let server = scripted(&lab, "DescribeCertificateAuthority", move |_, _, _| {
            described(|ca| {
                for (key, value) in change.as_object().unwrap() {
                    ca[key] = value.clone();
                }
            })
        });
        let (_key, mut order) = contract::order(PATIENCE);
        order.ttl = Some("8d".parse().unwrap());
        let preflight = opened(&server, &lab, |_| {}).preflight.unwrap();
        let findings = preflight.preflight(&order, Depth::Order).unwrap();
        assert_eq!(contract::codes(&findings), [code]);
        assert!(findings[0].is_error());
    }
}

#[test]
fn with_an_algorithm_in_the_settings_the_ca_is_not_described() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "DescribeCertificateAuthority", |_, _, _| {
        exception(400, "AccessDeniedException", "not you")
    });
    let opened = opened(&server, &lab, |table| {
        table.insert("signing_algorithm".to_owned(), "sha384withrsa".into());
    });
    let (_key, order) = contract::order(PATIENCE);
    opened.authority.issue(&order).unwrap();
    let order = server
        .asked()
        .iter()
        .find(|asked| operation(asked) == "IssueCertificate")
        .map(body)
        .unwrap();
    assert_eq!(order["SigningAlgorithm"], "SHA384WITHRSA");
}

#[test]
fn a_certificate_is_revoked_by_its_serial_and_twice_is_no_error() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "RevokeCertificate", |_, _, times| match times {
        1 => Reply::ok("").header("content-type", "application/x-amz-json-1.1"),
        _ => exception(400, "RequestAlreadyProcessedException", "already revoked"),
    });
    let certificate = lab.client("app").certificate();
    let revoke = opened(&server, &lab, |_| {}).revoke.unwrap();
    for _ in 0..2 {
        revoke
            .revoke(&contract::revocation(&certificate, Reason::KeyCompromise))
            .unwrap();
    }
    let asked = body(&server.asked()[0]);
    assert_eq!(asked["RevocationReason"], "KEY_COMPROMISE");
    assert_eq!(asked["CertificateSerial"], certificate.facts().serial);
}

#[test]
fn a_program_that_never_gives_credentials_takes_no_longer_than_the_deadline() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let mut table = AwsPca.settings(&server, "");
    table.retain(|key, _| !key.contains("access_key"));
    let profiles = tempfile::NamedTempFile::new().unwrap();
    let slow = "[profile slow]\ncredential_process = sleep 20\n";
    std::fs::write(profiles.path(), slow).unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_CONFIG_FILE", profiles.path().to_str().unwrap()),
        ("AWS_PROFILE", "slow"),
        ("CERTBAKE_DEADLINE", "1s"),
    ];
    let started = Instant::now();
    let baked = Baked::provision("aws-pca", &table, &lab.anchors(), &variables);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(baked.code, 6, "{}", baked.printed);
    let finding = &baked.report["findings"][0];
    assert_eq!(finding["code"], "aws-credentials");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.ends_with("came by the deadline"), "{summary}");
    assert!(server.asked().is_empty());
}

#[test]
fn a_container_gives_its_credentials_in_the_clear_at_its_own_address() {
    let lab = Lab::new("Lab");
    let server = scripted(&lab, "", |_, _, _| Reply::Close);
    let container = FakeServer::http(|_| {
        Reply::ok(
            json!({
                "AccessKeyId": "AKIDCONTAINER",
                "SecretAccessKey": CANARY,
                "Token": "lent",
                "Expiration": "2100-01-01T00:00:00Z",
            })
            .to_string(),
        )
    });
    let mut table = AwsPca.settings(&server, "");
    table.retain(|key, _| !key.contains("access_key"));
    let place = format!("http://{}/credentials", container.address());
    let variables = [
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", place.as_str()),
    ];
    let baked = Baked::provision("aws-pca", &table, &lab.anchors(), &variables);
    baked.is_good(&[CANARY]);
    let authorization = server.asked()[0]
        .header("authorization")
        .unwrap()
        .to_owned();
    assert!(authorization.contains("AKIDCONTAINER"), "{authorization}");
}

#[test]
fn a_secret_that_aws_echoes_is_not_repeated() {
    let run = Run::new(&AwsPca, PATIENCE, |_, _, _| {
        exception(
            400,
            "ValidationException",
            &format!("secret {CANARY} is bad"),
        )
    });
    let finding = run.refused();
    assert!(
        finding.summary.contains("[withheld]"),
        "{}",
        finding.summary
    );
}
