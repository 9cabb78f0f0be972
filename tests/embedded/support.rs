//! A CA in a directory, the authority on it, and requests by certbake and by OpenSSL.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certbake::authority::embedded::{CaDirectory, NewCa, Terms};
use certbake::authority::{CATALOGUE, Issued, Opened, Order, Settings};
use certbake::finding::Finding;
use certbake::pki::path::validate;
use certbake::pki::{
    AltName, Anchors, Certificate, Credential, KeyAlgorithm, PrivateKey, ReceivedRequest,
    SigningRequest, Subject, Usage,
};
use certbake::span::Span;
use time::OffsetDateTime;
use time::macros::datetime;

pub const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

pub fn days(count: i64) -> Span {
    Span::seconds(count * 86_400)
}

pub fn open(dir: &Path, settings: &str) -> Opened {
    let mut table: toml::Table = settings.parse().unwrap();
    table.insert("dir".into(), dir.display().to_string().into());
    let entry = CATALOGUE.iter().find(|e| e.kind == "embedded").unwrap();
    let settings = Settings {
        name: "lab",
        table,
        anchors: &[],
        directory: Path::new("/nowhere"),
        now: NOW,
        environment: &|_| None,
        on_wait: None,
    };
    (entry.open)(&settings).unwrap()
}

pub fn order(key: &PrivateKey, ttl: Option<Span>) -> Order {
    Order {
        request: request(key),
        ttl,
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

pub fn request(key: &PrivateKey) -> SigningRequest {
    let subject = Subject {
        common_name: Some("app-server".into()),
        organization: Some("Lab".into()),
        ..Subject::default()
    };
    let names = vec![
        AltName::dns("app.internal").unwrap(),
        AltName::ip("10.0.0.7").unwrap(),
        AltName::uri("spiffe://lab/app").unwrap(),
        AltName::email("ops@app.internal").unwrap(),
    ];
    SigningRequest::new(key, subject, names, Usage::Client).unwrap()
}

pub fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

pub fn leaf(issued: &Issued, key: PrivateKey) -> Certificate {
    let roots = issued.anchors.iter().cloned();
    let roots = roots.map(|der| Certificate::from_der(der).unwrap());
    let anchors = Anchors::new(roots.collect());
    let credential = Credential::assemble(Arc::new(key), &issued.certificates, anchors).unwrap();
    let chain = credential.chain();
    validate(
        &chain.leaf,
        &chain.intermediates,
        credential.anchors(),
        NOW,
        Usage::Client,
    )
    .unwrap();
    chain.leaf.clone()
}

pub fn codes(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

pub const TERMS: Terms<'_> = Terms {
    now: NOW,
    ttl: Span::seconds(86_400),
    max_ttl: Span::seconds(86_400),
    requester: "local",
};

pub fn received(der: &[u8]) -> ReceivedRequest {
    ReceivedRequest::from_der(der).unwrap()
}

pub fn assert_leads_to_root(certificate: &Certificate, ca: &CaDirectory) {
    let anchors = Anchors::new(vec![ca.root().clone()]);
    let intermediates = [ca.intermediate().clone()];
    validate(certificate, &intermediates, &anchors, NOW, Usage::Client).unwrap();
}

pub fn new_ca(above: &tempfile::TempDir) -> CaDirectory {
    CaDirectory::open_or_make(&above.path().join("ca"), &NewCa::default(), NOW).unwrap()
}

/// What OpenSSL makes of these arguments to `openssl req`, with a fresh P-256 key.
pub fn openssl_request(arguments: &[&str]) -> Vec<u8> {
    openssl(
        &[
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            arguments,
        ]
        .concat(),
    )
}

pub fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(["req", "-new", "-nodes", "-keyout", "/dev/null"])
        .args(["-outform", "DER"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    output.stdout
}
