//! Every login, and what is said of one that cannot be used: before anything is signed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use certbake::authority::{AuthorityError, Depth};
use certbake::finding::Finding;
use certbake::pki::pem;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use crate::fake::{KEY, builder, lab_with, locked, ott_of, paths, provisioners};
use crate::support::contract::{CANARY, PATIENCE, order};
use crate::support::{FakeServer, Identity, Reply};

/// The finding that ends an order before `/1.0/sign`, as a matter of settings.
fn settings_fault(opened: &certbake::authority::Opened, server: &FakeServer) -> Finding {
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(paths(server).iter().all(|path| !path.starts_with("/1.0")));
    let finding = error.into_finding();
    assert!(!format!("{finding:?}").contains(CANARY));
    assert!(!finding.hint.is_empty());
    finding
}

fn secret_file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

fn only(table: &mut toml::Table, key: &str, value: &str) {
    table.retain(|key, _| key == "url");
    table.insert(key.to_owned(), value.into());
}

/// A token that nobody verifies here.
fn token(claims: &Value) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!(
        "{}.{}.c2ln",
        encode(&json!({ "alg": "ES256" })),
        encode(claims)
    )
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[test]
fn a_wrong_password_is_told_before_anything_is_signed() {
    let (_lab, server, opened) = lab_with(
        |_, _| None,
        |table| {
            table.insert("password".to_owned(), "cmd:echo wrong".into());
        },
    );
    let finding = settings_fault(&opened, &server);
    assert_eq!(finding.code.as_str(), "password-wrong");
    assert!(
        finding.summary.contains("\"builder\""),
        "{}",
        finding.summary
    );
}

#[test]
fn a_password_that_cannot_be_read_ends_the_order_before_anything_is_asked() {
    let (_lab, server, opened) = lab_with(
        |_, _| None,
        |table| {
            table.insert("password".to_owned(), "env:CERTBAKE_TEST_UNSET".into());
        },
    );
    assert_eq!(
        settings_fault(&opened, &server).code.as_str(),
        "secret-unreadable"
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_provisioner_that_is_not_there_is_told_with_those_that_are() {
    let (_lab, server, opened) = lab_with(
        |_, _| None,
        |table| {
            table.insert("provisioner".to_owned(), "bulider".into());
        },
    );
    let finding = settings_fault(&opened, &server);
    assert_eq!(finding.code.as_str(), "provisioner-unusable");
    assert!(
        finding.hint.contains("did you mean \"builder\"?"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_provisioner_whose_key_the_ca_does_not_keep_wants_the_key() {
    let (_lab, server, opened) = lab_with(
        |_, asked| {
            let mut listed = builder(json!({}));
            listed.as_object_mut().unwrap().remove("encryptedKey");
            (asked.path == "/provisioners?limit=100").then(|| provisioners(&[listed]))
        },
        |_| {},
    );
    let finding = settings_fault(&opened, &server);
    assert_eq!(finding.code.as_str(), "provisioner-unusable");
    assert!(
        finding.hint.contains("key = \"file:PATH\""),
        "{}",
        finding.hint
    );
}

#[test]
fn a_key_from_a_file_is_taken_plain_locked_and_as_pem() {
    let folder = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n\
               H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n\
               7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n\
               -----END PRIVATE KEY-----\n";
    for (name, content, with_password) in [
        ("plain", KEY.to_owned(), false),
        ("locked", locked(KEY, CANARY), true),
        ("pem", pem.to_owned(), false),
    ] {
        let file = secret_file(folder.path(), name, &content);
        let (_lab, server, opened) = lab_with(
            |_, _| None,
            |table| {
                if !with_password {
                    table.remove("password");
                }
                table.insert("key".to_owned(), format!("file:{}", file.display()).into());
            },
        );
        let issued = opened.authority.issue(&order(PATIENCE).1);
        assert!(issued.is_ok(), "{name}: {issued:?}");
        assert_eq!(server.asked().len(), 2, "{name}");
    }
}

#[test]
fn the_key_of_another_provisioner_is_told_before_the_ca_is() {
    let folder = tempfile::tempdir().unwrap();
    // RFC 8037 appendix A.1.
    let other = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let file = secret_file(folder.path(), "key", other);
    let (_lab, server, opened) = lab_with(
        |_, _| None,
        |table| {
            table.remove("password");
            table.insert("key".to_owned(), format!("file:{}", file.display()).into());
        },
    );
    let finding = settings_fault(&opened, &server);
    assert_eq!(finding.code.as_str(), "provisioner-key-unusable");
    assert_eq!(
        finding.facts["key_id"],
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

fn files_of(folder: &Path, identity: &Identity) -> (PathBuf, PathBuf) {
    let chain: String = identity
        .chain
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    let key = pem::encode("PRIVATE KEY", &identity.key);
    (
        secret_file(folder, "x5c.pem", &chain),
        secret_file(folder, "x5c.key", &key),
    )
}

#[test]
fn an_x5c_login_signs_with_its_certificate_and_names_its_provisioner() {
    let folder = tempfile::tempdir().unwrap();
    let login = crate::support::Lab::new("Other").client("builder");
    let (certificate, key) = files_of(folder.path(), &login);
    let (_lab, server, opened) = lab_with(
        |_, asked| {
            let list = || {
                provisioners(&[
                    builder(json!({})),
                    json!({ "type": "X5C", "name": "fleet" }),
                ])
            };
            asked.path.starts_with("/provisioners").then(list)
        },
        |table| {
            only(table, "x5c_certificate", certificate.to_str().unwrap());
            table.insert("x5c_key".to_owned(), key.to_str().unwrap().into());
        },
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let (header, claims) = ott_of(&server.asked()[1]);
    let chain: Vec<String> = login.chain.iter().map(|der| BASE64.encode(der)).collect();
    assert_eq!(header["x5c"], json!(chain));
    assert_eq!(claims["iss"], "fleet");
    let audience = format!("{}/1.0/sign#x5c/fleet", server.origin());
    assert_eq!(claims["aud"], json!([audience]));

    // What the login's certificate does not outlive, it does not get: 30 days are left to it.
    let (_key, mut longer) = order(PATIENCE);
    longer.ttl = Some(certbake::span::Span::seconds(90 * 86_400));
    let preflight = opened.preflight.unwrap();
    let findings = preflight.preflight(&longer, Depth::Order).unwrap();
    assert!(
        findings.iter().any(|finding| finding
            .summary
            .contains("X5C login's certificate expires in")),
        "{findings:?}"
    );
}

#[test]
fn a_ready_made_token_is_sent_as_it_is_and_once() {
    let claims = json!({
        "iss": "builder", "sub": "app", "sans": ["app.internal"], "exp": now() + 300,
        "iat": now(), "aud": "https://ca.lab/1.0/sign",
    });
    let text = token(&claims);
    let source = format!("cmd:printf {text}");
    let (_lab, server, opened) = lab_with(|_, _| None, |table| only(table, "token", &source));
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(paths(&server), ["/1.0/sign"]);
    let body = crate::fake::body_of(&server.asked()[0]);
    assert_eq!(body["ott"], text.as_str());
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "ca-token-unusable");
    assert!(
        finding.summary.contains("already used"),
        "{}",
        finding.summary
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_token_for_ever_and_one_for_never_are_no_fault_of_ours() {
    const END: i64 = 253_402_300_799;
    for (exp, iat) in [(END, now()), (END, -377_705_116_800), (i64::MAX, i64::MIN)] {
        let claims = json!({
            "iss": "builder", "sub": "app", "sans": ["app.internal"], "exp": exp, "iat": iat,
            "aud": "https://ca.lab/1.0/sign",
        });
        let source = format!("cmd:printf {}", token(&claims));
        let (_lab, _server, opened) = lab_with(
            |_, _| Some(Reply::status(401).body("{}")),
            |table| only(table, "token", &source),
        );
        let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
        let finding = error.into_finding();
        assert_eq!(
            finding.code.as_str(),
            "ca-login-refused",
            "{exp}: {finding:?}"
        );
    }
}

/// Only what stands in front of the CA answers so: the token was not used up.
#[test]
fn a_ready_made_token_that_was_turned_away_goes_once_more() {
    let claims = json!({ "sub": "app", "sans": ["app.internal"], "exp": now() + 300, "aud": "x" });
    let source = format!("cmd:printf {}", token(&claims));
    let (_lab, server, opened) = lab_with(
        |_, _| Some(Reply::status(503).header("retry-after", "0")),
        |table| only(table, "token", &source),
    );
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_token_that_cannot_fit_is_not_spent() {
    let good = json!({
        "iss": "builder", "sub": "app", "sans": ["app.internal"], "exp": now() + 300,
        "iat": now(), "aud": "https://ca.lab/1.0/sign",
    });
    for (member, value, words) in [
        ("exp", json!(now() - 600), "has expired"),
        ("iat", json!(now() + 600), "not valid yet"),
        ("aud", json!(["https://ca.lab/1.0/revoke"]), "not for sign"),
        (
            "aud",
            json!(["https://ca.lab/1.0/ssh/sign"]),
            "not for sign",
        ),
        ("sub", json!("web"), "the token is for \"web\""),
        (
            "sans",
            json!(["app.internal", "web.internal"]),
            "with the names app.internal, web.internal",
        ),
        ("sans", json!([]), "with the names app,"),
        (
            "cnf",
            json!({ "x5rt#S256": "AAAA" }),
            "another signing request",
        ),
    ] {
        let mut claims = good.clone();
        claims[member] = value;
        let source = format!("cmd:printf {}", token(&claims));
        let (_lab, server, opened) = lab_with(|_, _| None, |table| only(table, "token", &source));
        let finding = settings_fault(&opened, &server);
        assert_eq!(finding.code.as_str(), "ca-token-unusable");
        assert!(
            finding.summary.contains(words),
            "{member}: {}",
            finding.summary
        );
    }
    for text in ["xyzzy-canary", "a.b.c"] {
        let source = format!("cmd:printf {text}");
        let (_lab, server, opened) = lab_with(|_, _| None, |table| only(table, "token", &source));
        let finding = settings_fault(&opened, &server);
        assert!(
            finding.summary.contains("is not a token"),
            "{}",
            finding.summary
        );
        assert!(!format!("{finding:?}").contains("xyzzy"));
    }
}

#[test]
fn an_id_token_is_for_the_identity_providers_names_and_goes_as_it_is() {
    let claims = json!({
        "iss": "https://token.ci.lab", "sub": "repo:lab/image", "aud": "step-ca", "exp": now() + 300,
    });
    let source = format!("cmd:printf {}", token(&claims));
    let (_lab, server, opened) = lab_with(|_, _| None, |table| only(table, "id_token", &source));
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(paths(&server), ["/1.0/sign"]);
}
