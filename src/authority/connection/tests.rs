//! What the connection's keys may say, and how a wrong one is told.

use super::*;
use std::path::Path;

use crate::pki::pem;

fn read(table: &str, anchors: &[Vec<u8>]) -> Result<Connection, SettingsError> {
    Connection::read(
        &Settings {
            name: "lab",
            table: table.parse().unwrap(),
            anchors,
            directory: Path::new("/etc/certbake"),
            now: time::OffsetDateTime::UNIX_EPOCH,
            environment: &|_| None,
            on_wait: None,
        },
        None,
    )
}

fn fault(table: &str) -> SettingsError {
    read(table, &[vec![1]]).err().unwrap()
}

#[test]
fn the_keys_are_those_of_the_schema() {
    let schema = schemars::schema_for!(Words).to_value();
    let mut known: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    let mut keys: Vec<_> = KEYS.iter().collect();
    known.sort();
    keys.sort();
    assert_eq!(known, keys);
}

#[test]
fn a_url_that_must_not_be_asked_is_refused_without_repeating_its_password() {
    for url in [
        "https://bob:xyzzy@ca.lab",
        "http://ca.lab",
        "ca.lab:8443",
        "https://ca.lab?x",
    ] {
        let error = fault(&format!("url = {url:?}"));
        assert_eq!(error.key, "url");
        assert!(!error.to_string().contains("xyzzy"), "{error}");
    }
    for (url, words) in [
        ("ca.lab:8443", "does not start with https://"),
        ("10.0.0.7:8443", "does not start with https://"),
        ("https://::1:8443", "write an IPv6 address in brackets"),
        (
            "https://ca.lab:99999",
            "invalid port number: write https://host:port",
        ),
    ] {
        let error = fault(&format!("url = {url:?}"));
        assert!(error.reason.contains(words), "{url}: {error}");
    }
    assert!(read("url = 'http://ca.lab'\ndanger_plain_http = true", &[]).is_ok());
}

#[test]
fn whom_to_trust_must_be_said() {
    let error = read("url = 'https://ca.lab'", &[]).err().unwrap();
    assert_eq!(error.key, "trust");
    assert!(error.reason.contains("anchors"), "{error}");
    let pin = "sha256:".to_owned() + &"ab".repeat(32);
    let table = format!("url = 'https://ca.lab'\ntrust = '{pin}'");
    let connection = read(&table, &[]).unwrap();
    assert_eq!(connection.trust, Pinning::Fingerprint([0xab; 32]));
    assert_eq!(fault(&table).key, "trust");
}

#[test]
fn a_key_without_its_certificate_is_refused() {
    let table = "url = 'https://ca.lab'\nclient_key = 'k.pem'";
    assert_eq!(fault(table).key, "client_key");
}

#[test]
fn relative_paths_start_where_the_configuration_stands() {
    let table = "url = 'https://ca.lab'\nclient_certificate = 'b.pem'";
    let connection = read(table, &[vec![1]]).unwrap();
    let both = PathBuf::from("/etc/certbake/b.pem");
    assert_eq!(connection.certificate, Some((both.clone(), both)));
}

#[test]
fn an_operation_stands_under_the_path_of_the_url() {
    for (url, expected) in [
        ("https://ca.lab:8443", "https://ca.lab:8443/v1/pki"),
        ("https://ca.lab/", "https://ca.lab/v1/pki"),
        ("https://lab/vault/", "https://lab/vault/v1/pki"),
    ] {
        let connection = read(&format!("url = '{url}'"), &[vec![1]]).unwrap();
        assert_eq!(connection.at("/v1/pki").as_str(), expected);
    }
}

#[test]
fn plain_http_needs_no_roots() {
    let connection = read("url = 'http://127.0.0.1:1'", &[]).unwrap();
    // Not even those of the system, which a small image may lack.
    assert_eq!(connection.trust, Pinning::Nobody);
    assert!(connection.open(None, None).is_ok());
}

#[test]
#[allow(clippy::disallowed_methods)]
fn tls_may_lead_to_other_roots_than_what_is_issued() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem::encode("CERTIFICATE", b"der")).unwrap();
    let table = format!(
        "url = 'https://ca.lab'\ntrust = 'file:{}'",
        file.path().display()
    );
    for anchors in [&[][..], &[vec![1]]] {
        let connection = read(&table, anchors).unwrap();
        assert_eq!(connection.trust, Pinning::Anchors(vec![b"der".to_vec()]));
    }
    std::fs::write(file.path(), "nothing").unwrap();
    let error = fault(&table);
    assert_eq!(error.key, "trust");
    assert!(error.reason.contains("no PEM certificate"), "{error}");
}
