//! The settings: what they stand for, and what is said of those that cannot be used.

use std::path::Path;

use certbake::authority::{CATALOGUE, Opened, Settings, SettingsError};

fn open(table: &str, environment: &[(&str, &str)]) -> Result<Opened, SettingsError> {
    let entry = CATALOGUE
        .iter()
        .find(|entry| entry.kind == "vault")
        .unwrap();
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    (entry.open)(&Settings {
        name: "lab",
        table: table.parse().unwrap(),
        anchors: &[vec![1]],
        directory: Path::new("/etc/certbake"),
        now: time::OffsetDateTime::UNIX_EPOCH,
        environment: &lookup,
        on_wait: None,
    })
}

fn fault(table: &str) -> SettingsError {
    open(table, &[]).err().unwrap()
}

fn place(table: &str, environment: &[(&str, &str)]) -> String {
    open(table, environment).unwrap().authority.place().place
}

const HEAD: &str = "url = 'https://vault.lab:8200'\nrole = 'app'\n";
const LOGIN: &str = "auth = { method = 'token', token = 'env:VAULT_TOKEN' }\n";

#[test]
fn the_usual_mount_and_any_way_to_write_the_address() {
    for url in [
        "https://vault.lab:8200",
        "https://vault.lab:8200/",
        "https://vault.lab:8200/v1/",
    ] {
        let table = format!("url = '{url}'\nrole = 'app'\n{LOGIN}");
        assert_eq!(place(&table, &[]), "https://vault.lab:8200/v1/pki/sign/app");
    }
    let behind = format!("url = 'https://lab/vault'\nrole = 'app'\n{LOGIN}");
    assert_eq!(place(&behind, &[]), "https://lab/vault/v1/pki/sign/app");
}

#[test]
fn the_environment_says_where_vault_is_when_nothing_else_does() {
    let environment = [
        ("VAULT_ADDR", "https://other.lab"),
        ("VAULT_NAMESPACE", "team"),
    ];
    let table = format!("role = 'app'\n{LOGIN}");
    assert_eq!(
        place(&table, &environment),
        "https://other.lab/v1/pki/sign/app"
    );
    assert_eq!(
        place(&format!("{HEAD}{LOGIN}"), &environment),
        "https://vault.lab:8200/v1/pki/sign/app"
    );
    assert_eq!(fault(&table).key, "url");
    // A token is never taken from where nobody said it is.
    let error = open(
        "role = 'app'",
        &[("VAULT_ADDR", "https://v"), ("VAULT_TOKEN", "t")],
    )
    .err()
    .unwrap();
    assert_eq!(error.key, "auth");
    assert!(error.reason.contains("env:VAULT_TOKEN"), "{error}");
}

#[test]
fn the_short_keys_stand_for_the_usual_logins() {
    for (table, secrets) in [
        ("password = 'env:VAULT_TOKEN'", vec!["env:VAULT_TOKEN"]),
        (
            "username = 'bob'\npassword = 'file:pw'",
            vec!["file:/etc/certbake/pw"],
        ),
        ("client_certificate = 'b.pem'", vec![]),
        (
            "auth = { method = 'approle', role_id = 'env:R', secret_id = 'env:S' }",
            vec!["env:S"],
        ),
        (
            "auth = { method = 'aws' }",
            vec!["env:AWS_SECRET_ACCESS_KEY"],
        ),
        ("auth = { method = 'kubernetes', role = 'app' }", vec![]),
    ] {
        let opened = open(&format!("{HEAD}{table}"), &[]).unwrap();
        let named: Vec<String> = opened.secrets.iter().map(ToString::to_string).collect();
        assert_eq!(named, secrets, "{table}");
    }
    let aws = format!("{HEAD}auth = {{ method = 'aws' }}");
    let opened = open(&aws, &[("AWS_SESSION_TOKEN", "t")]).unwrap();
    assert_eq!(opened.secrets.len(), 2);
}

#[test]
fn what_cannot_be_used_is_said_by_its_key() {
    let pin = "ab".repeat(32);
    for (table, key, words) in [
        ("".to_owned(), "auth", "no login is given"),
        (format!("{LOGIN}password = 'env:P'"), "auth", "two logins"),
        ("username = 'bob'".to_owned(), "password", "needs it"),
        ("auth = { method = 'magic' }".to_owned(), "auth.method", "unknown variant"),
        ("auth = { method = 'token' }".to_owned(), "auth", "missing field `token`"),
        ("auth = { method = 'token', token = 'env:T', tokn = 1 }".to_owned(), "auth", "unknown field `tokn`"),
        ("auth = { method = 'cert' }".to_owned(), "client_certificate", "client_key"),
        ("auth = { method = 'approle', role_id = 'r', secret_id = 'env:A', secret_id_wrapped = 'env:B' }".to_owned(), "auth.secret_id", "one of them"),
        ("auth = { method = 'aws', access_key_id = 'env:A' }".to_owned(), "auth.access_key_id", "both"),
        ("auth = { method = 'userpass', username = 'a/b', password = 'env:P' }".to_owned(), "auth.username", "one name"),
        ("auth = { method = 'jwt', mount = 'a//b', jwt = 'env:J' }".to_owned(), "auth.mount", "path"),
        (format!("{LOGIN}mount = '../sys'"), "mount", "path"),
        (format!("{LOGIN}issuer = 'a?b'"), "issuer", "one name"),
        (format!("{LOGIN}labl = 'x'"), "", "unknown field `labl`"),
    ] {
        let error = fault(&format!("{HEAD}{table}"));
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(words), "{error}");
    }
    assert_eq!(
        fault(&format!("url = 'https://v'\n{LOGIN}")).reason,
        "missing field `role`"
    );
    let entry = CATALOGUE
        .iter()
        .find(|entry| entry.kind == "vault")
        .unwrap();
    let error = (entry.open)(&Settings {
        name: "lab",
        table: format!("{HEAD}{LOGIN}trust = '{pin}'").parse().unwrap(),
        anchors: &[],
        directory: Path::new("."),
        now: time::OffsetDateTime::UNIX_EPOCH,
        environment: &|_| None,
        on_wait: None,
    });
    let error = error.err().unwrap();
    assert_eq!(error.key, "trust");
    assert!(error.reason.contains("give anchors"), "{error}");
}

#[test]
fn the_keys_of_a_login_are_not_mixed_with_those_of_the_connection() {
    let error = fault(&format!(
        "{HEAD}auth = {{ method = 'token', tokn = 'env:T' }}"
    ));
    assert!(error.reason.contains("`token`"), "{error}");
    assert!(!error.reason.contains("`url`"), "{error}");
    assert!(
        fault(&format!("{HEAD}{LOGIN}labl = 'x'"))
            .reason
            .contains("`url`")
    );
}

#[test]
fn the_example_opens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/vault.toml");
    let config: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let mut ca = config["ca"]["vault"].as_table().unwrap().clone();
    assert_eq!(ca.remove("kind").unwrap().as_str(), Some("vault"));
    ca.remove("anchors");
    let opened = open(&ca.to_string(), &[]).unwrap();
    assert_eq!(opened.secrets[0].to_string(), "env:WRAPPING_TOKEN");
}

#[test]
fn a_secret_itself_is_refused_and_not_repeated() {
    for auth in [
        "auth = { method = 'token', token = 'hvs.xyzzy' }",
        "auth = { method = 'approle', role_id = 'r', secret_id = 'xyzzy' }",
        "auth = { method = 'jwt', jwt = 'xyzzy' }",
        "password = 'xyzzy'",
    ] {
        let error = fault(&format!("{HEAD}{auth}"));
        assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
        assert!(error.reason.contains("env:NAME"), "{error}");
    }
}
