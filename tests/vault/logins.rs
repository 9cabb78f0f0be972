//! Every login: what is sent, once or again, and what is done with the token afterwards.

mod afterwards;
mod approle;
mod aws;

use certbake::authority::AuthorityError;
use serde_json::{Value, json};

use crate::fake::{Bench, Vault, body, errors, logged_in, with};
use crate::support::contract::{CANARY, PATIENCE, Protocol, open, order};
use crate::support::{Asked, FakeServer, Lab, Reply};

const TOKEN: &str = "hvs.canary-of-the-login";

/// A fake whose `auth/<mount>/login…` accepts everybody, with this `auth` table.
fn bench(auth: impl FnOnce(&str) -> toml::Table) -> Bench {
    scripted(auth, |_| None)
}

fn scripted(
    auth: impl FnOnce(&str) -> toml::Table,
    mut script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static,
) -> Bench {
    Bench::with(
        |table, source| {
            table.insert("auth".into(), auth(source).into());
        },
        move |_, asked| {
            script(asked).or_else(|| match asked.path.as_str() {
                path if path.starts_with("/v1/auth/") && path.contains("/login") => {
                    Some(logged_in(TOKEN))
                }
                "/v1/auth/token/revoke-self" => Some(Reply::status(204)),
                _ => None,
            })
        },
    )
}

/// Path and body of the login; the order after it carries the token.
fn login(bench: &Bench) -> (String, Value) {
    bench.issue().unwrap();
    let asked = bench.server.asked();
    let login = asked.iter().find(|it| it.path.contains("/login")).unwrap();
    assert_eq!(login.header("x-vault-token"), None);
    assert_eq!(asked.last().unwrap().header("x-vault-token"), Some(TOKEN));
    (login.path.clone(), body(login))
}

#[test]
fn jwt() {
    let bench = bench(|source| {
        toml::toml! { method = "jwt"
        mount = "gitlab"
        role = "builder"
        jwt = source }
    });
    let expected = json!({ "jwt": CANARY, "role": "builder" });
    assert_eq!(
        login(&bench),
        ("/v1/auth/gitlab/login".to_owned(), expected)
    );
}

#[test]
fn userpass_and_whatever_else_takes_a_password() {
    let bench = bench(|source| {
        toml::toml! { method = "userpass"
        mount = "ldap"
        username = "b@lab"
        password = source }
    });
    let expected = json!({ "password": CANARY });
    assert_eq!(
        login(&bench),
        ("/v1/auth/ldap/login/b@lab".to_owned(), expected)
    );
}

#[test]
fn kubernetes_by_the_file_that_the_pod_has() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{CANARY}\n")).unwrap();
    // As kubelet projects it.
    std::fs::set_permissions(
        file.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let bench = bench(|_| {
        toml::toml! { method = "kubernetes"
        role = "builder"
        token_file = path }
    });
    let expected = json!({ "jwt": CANARY, "role": "builder" });
    assert_eq!(
        login(&bench),
        ("/v1/auth/kubernetes/login".to_owned(), expected)
    );
}

#[test]
fn kubernetes_outside_a_pod_says_so() {
    let bench = bench(|_| {
        toml::toml! { method = "kubernetes"
        role = "builder" }
    });
    let error = bench.issue().unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        "{error}"
    );
    assert!(bench.asked().is_empty());
}

#[test]
fn cert_shows_the_client_certificate() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        match Vault.ordered(asked) {
            Some(request) => Vault.issued(&[serving.sign(&request), serving.issuing()]),
            None if asked.path == "/v1/auth/cert/login" => logged_in(TOKEN),
            None => Reply::status(404),
        }
    });
    let builder = lab.client("builder");
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text: String = builder
        .chain
        .iter()
        .map(|der| certbake::pki::pem::encode("CERTIFICATE", der))
        .collect();
    text += &certbake::pki::pem::encode("PRIVATE KEY", &builder.key);
    std::fs::write(file.path(), text).unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).unwrap();
    let (url, path) = (server.origin(), file.path().to_str().unwrap());
    // Nothing but a certificate is given, so that is the login.
    let table = toml::toml! {
        url = url
        role = "app"
        client_certificate = path
    };
    let opened = open("vault", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let asked = server.asked();
    assert_eq!(body(&asked[0]), json!({}));
    assert_eq!(
        asked[0].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
    assert_eq!(asked[1].header("x-vault-token"), Some(TOKEN));
}

#[test]
fn a_refused_login_is_told_in_vaults_words_and_with_what_the_method_knows() {
    for (status, words, hint) in [
        (
            400,
            "invalid username or password",
            "the user name or the password is wrong",
        ),
        (
            403,
            "permission denied",
            "check auth.mount (now \"userpass\")",
        ),
        (404, "no handler for route", "auth list"),
    ] {
        let bench = scripted(
            |source| {
                toml::toml! { method = "userpass"
                username = "builder"
                password = source }
            },
            move |asked| {
                asked
                    .path
                    .contains("/login")
                    .then(|| errors(status, &[words, CANARY]))
            },
        );
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(finding.hint.contains(hint), "{}", finding.hint);
        assert!(!format!("{finding:?}").contains(CANARY));
        assert_eq!(bench.asked().len(), 1);
    }
}

#[test]
fn a_jwt_that_is_refused_is_shown_by_its_claims() {
    let payload =
        data_encoding::BASE64URL_NOPAD.encode(br#"{"iss":"https://ci.lab","aud":"other"}"#);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("e30.{payload}.c2ln")).unwrap();
    let source = format!("file:{}", file.path().display());
    let bench = scripted(
        |_| {
            toml::toml! { method = "jwt"
            jwt = source }
        },
        |asked| {
            asked
                .path
                .contains("/login")
                .then(|| errors(400, &["invalid audience"]))
        },
    );
    let finding = bench.refused();
    assert!(
        finding.hint.contains("iss https://ci.lab, aud other"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_login_that_wants_a_second_factor_or_gives_no_token_ends_there() {
    for (auth, refused) in [
        (
            json!({ "client_token": "", "mfa_requirement": { "mfa_request_id": "x" } }),
            true,
        ),
        (json!({ "client_token": "" }), false),
        (json!(null), false),
    ] {
        let bench = scripted(
            |source| {
                toml::toml! { method = "jwt"
                jwt = source }
            },
            move |asked| {
                asked
                    .path
                    .contains("/login")
                    .then(|| with(json!({ "auth": auth })))
            },
        );
        let error = bench.issue().unwrap_err();
        assert_eq!(
            matches!(error, AuthorityError::Refused(_)),
            refused,
            "{error}"
        );
        assert_eq!(bench.asked().len(), 1);
    }
}
