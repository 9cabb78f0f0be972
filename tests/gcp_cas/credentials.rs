//! Files of credentials, and what they are exchanged for.

use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use certbake::authority::AuthorityError;
use certbake::pki::{KeyAlgorithm, PrivateKey, pem};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::fake::{answer, failure, file, lab_with};
use crate::support::contract::{CANARY, PATIENCE, order};
use crate::support::{Asked, FakeServer, Reply};

/// A token endpoint beside the service: `/token` grants CANARY.
fn granting(asked: &Asked) -> Option<Reply> {
    (asked.path == "/token").then(|| {
        answer(&json!({"access_token": CANARY, "expires_in": 3599, "token_type": "Bearer"}))
    })
}

fn form(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&asked.body)
        .into_owned()
        .collect()
}

fn of<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    &form.iter().find(|(known, _)| known == name).unwrap().1
}

/// Orders with these credentials: what the server was asked, and what came of it.
fn order_with(
    mut script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static,
    content: impl FnOnce(&FakeServer) -> Value,
    mode: u32,
) -> (FakeServer, Result<(), AuthorityError>) {
    let (_lab, server, opened) = lab_with(
        move |_, asked| script(asked),
        &[],
        |server, table| {
            table.remove("access_token");
            let path = file(&content(server), mode);
            table.insert("credentials".to_owned(), path.to_str().unwrap().into());
        },
    );
    let outcome = opened.authority.issue(&order(PATIENCE).1).map(drop);
    if let Err(error) = &outcome {
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
    (server, outcome)
}

fn service_account(server: &FakeServer, key: &PrivateKey) -> Value {
    json!({
        "type": "service_account",
        "client_email": "builder@images.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem::encode("PRIVATE KEY", key.expose_pkcs8()),
        "token_uri": server.url("/token").as_str(),
    })
}

#[test]
fn a_service_account_signs_an_assertion_that_its_public_key_verifies() {
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.expose_pkcs8()).unwrap();
    let (server, outcome) = order_with(granting, |server| service_account(server, &key), 0o600);
    outcome.unwrap();
    let asked = server.asked();
    let form = form(&asked[0]);
    assert_eq!(
        of(&form, "grant_type"),
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    let (signed, signature) = of(&form, "assertion").rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(
            signed.as_bytes(),
            &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap(),
        )
        .unwrap();
    let parts: Vec<Value> = signed
        .split('.')
        .map(|part| {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    assert_eq!(parts[1]["iss"], "builder@images.iam.gserviceaccount.com");
    assert_eq!(parts[1]["aud"], server.url("/token").as_str());
    assert_eq!(
        parts[1]["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
    let issued = parts[1]["iat"].as_i64().unwrap();
    assert_eq!(parts[1]["exp"].as_i64().unwrap() - issued, 3600);
    assert!((issued - time::OffsetDateTime::now_utc().unix_timestamp()).abs() < 60);
    assert_eq!(
        asked[1].header("authorization").unwrap(),
        format!("Bearer {CANARY}")
    );
}

#[test]
fn a_key_that_others_may_read_is_refused_before_anything_is_sent() {
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let (server, outcome) = order_with(granting, |server| service_account(server, &key), 0o644);
    assert_eq!(
        outcome.unwrap_err().into_finding().code.as_str(),
        "secret-file-exposed"
    );
    assert!(server.asked().is_empty());
}

#[test]
fn a_person_comes_with_a_refresh_token_and_the_project_that_pays() {
    let (server, outcome) = order_with(
        granting,
        |server| {
            json!({
                "type": "authorized_user",
                "client_id": "gcloud",
                "client_secret": "s",
                "refresh_token": "r",
                "quota_project_id": "payer",
                "token_uri": server.url("/token").as_str(),
            })
        },
        0o600,
    );
    outcome.unwrap();
    let asked = server.asked();
    let form = form(&asked[0]);
    assert_eq!(of(&form, "grant_type"), "refresh_token");
    assert_eq!(of(&form, "refresh_token"), "r");
    assert_eq!(asked[1].header("x-goog-user-project"), Some("payer"));
}

#[test]
fn a_withdrawn_login_is_a_refused_login_with_what_renews_it() {
    let (_server, outcome) = order_with(
        |asked| {
            (asked.path == "/token").then(|| {
                Reply::status(400)
                    .header("content-type", "application/json")
                    .body(
                        json!({
                            "error": "invalid_grant",
                            "error_description": format!("Token {CANARY} has been revoked."),
                        })
                        .to_string(),
                    )
            })
        },
        |server| {
            json!({
                "type": "authorized_user",
                "client_id": "gcloud",
                "client_secret": "s3cr3t",
                "refresh_token": CANARY,
                "token_uri": server.url("/token").as_str(),
            })
        },
        0o600,
    );
    let finding = outcome.unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    assert!(
        finding.summary.contains("has been revoked"),
        "{}",
        finding.summary
    );
    assert!(
        finding
            .hint
            .contains("gcloud auth application-default login")
    );
}

fn workload(server: &FakeServer, source: Value, impersonates: bool) -> Value {
    let mut content = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": server.url("/token").as_str(),
        "credential_source": source,
    });
    if impersonates {
        let url = server.url("/v1/projects/-/serviceAccounts/builder@images:generateAccessToken");
        content["service_account_impersonation_url"] = url.as_str().into();
    }
    content
}

#[test]
fn a_workload_exchanges_the_token_of_its_job_and_may_stand_in_for_a_service_account() {
    let script = |asked: &Asked| match asked.path.as_str() {
        "/oidc?audience=x" => {
            assert_eq!(asked.header("authorization"), Some("Bearer job"));
            Some(answer(&json!({"value": "the-job"})))
        }
        "/token" => Some(answer(
            &json!({"access_token": "federated", "token_type": "Bearer"}),
        )),
        path if path.ends_with(":generateAccessToken") => {
            assert_eq!(asked.header("authorization"), Some("Bearer federated"));
            Some(answer(
                &json!({"accessToken": CANARY, "expireTime": "2026-01-01T00:00:00Z"}),
            ))
        }
        _ => None,
    };
    let (server, outcome) = order_with(
        script,
        |server| {
            let source = json!({
                "url": server.url("/oidc?audience=x").as_str(),
                "headers": {"Authorization": "Bearer job"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            });
            workload(server, source, true)
        },
        // As google-github-actions/auth writes it: nothing secret in it but addresses.
        0o640,
    );
    outcome.unwrap();
    let asked = server.asked();
    let form = form(&asked[1]);
    assert_eq!(of(&form, "subject_token"), "the-job");
    assert_eq!(
        of(&form, "grant_type"),
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(
        of(&form, "requested_token_type"),
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert_eq!(
        asked[3].header("authorization").unwrap(),
        format!("Bearer {CANARY}")
    );
}

#[test]
fn the_token_of_the_job_may_be_a_file_of_text() {
    let token = file(&json!("x"), 0o644);
    std::fs::write(&token, "the-job\n").unwrap();
    let (server, outcome) = order_with(
        granting,
        |server| workload(server, json!({"file": token.to_str().unwrap()}), false),
        0o644,
    );
    outcome.unwrap();
    assert_eq!(of(&form(&server.asked()[0]), "subject_token"), "the-job");
}

#[test]
fn what_cannot_be_spoken_or_read_is_told_and_nothing_sent() {
    for (source, words) in [
        (json!({"executable": {"command": "/bin/true"}}), "program"),
        (
            json!({"environment_id": "aws1", "url": "http://169.254.169.254/"}),
            "AWS",
        ),
        (json!({}), "either a file or a url"),
        (json!({"file": "/nonexistent/token"}), "/nonexistent/token"),
    ] {
        // By itself, and as what a service account is stood in for with.
        for stands_in in [false, true] {
            let content = |server: &FakeServer| match workload(server, source.clone(), false) {
                workload if stands_in => json!({
                    "type": "impersonated_service_account",
                    "service_account_impersonation_url": "https://iam.example/b@i:generateAccessToken",
                    "source_credentials": workload,
                }),
                workload => workload,
            };
            let (server, outcome) = order_with(granting, content, 0o600);
            let finding = outcome.unwrap_err().into_finding();
            assert_eq!(finding.code.as_str(), "google-credentials");
            assert!(finding.summary.contains(words), "{}", finding.summary);
            assert!(server.asked().is_empty());
        }
    }
    for (content, words) in [
        (
            json!({"type": "gdch_service_account"}),
            "its type is \"gdch_service_account\"",
        ),
        (
            json!({"type": "service_account"}),
            "members of \"service_account\" are missing",
        ),
        (json!([1]), "not JSON with a type"),
    ] {
        let (_server, outcome) = order_with(granting, |_| content, 0o600);
        let finding = outcome.unwrap_err().into_finding();
        assert!(finding.summary.contains(words), "{}", finding.summary);
    }
}

#[test]
fn a_token_endpoint_in_the_clear_is_refused() {
    let (_server, outcome) = order_with(
        granting,
        |_| {
            json!({
                "type": "authorized_user",
                "client_id": "a", "client_secret": "b", "refresh_token": "c",
                "token_uri": "http://oauth.example/token",
            })
        },
        0o600,
    );
    let error = outcome.unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(error.to_string().contains("plain http"), "{error}");
}

#[test]
fn a_service_account_stands_in_by_the_credentials_of_a_person() {
    let script = |asked: &Asked| {
        if asked.path.ends_with(":generateAccessToken") {
            let error = failure(403, "PERMISSION_DENIED", "denied on resource");
            return Some(error);
        }
        granting(asked)
    };
    let (server, outcome) = order_with(
        script,
        |server| {
            let url = server.url("/v1/projects/-/serviceAccounts/b@i:generateAccessToken");
            json!({
                "type": "impersonated_service_account",
                "service_account_impersonation_url": url.as_str(),
                "delegates": ["projects/-/serviceAccounts/between"],
                "source_credentials": {
                    "type": "authorized_user",
                    "client_id": "a", "client_secret": "b", "refresh_token": "c",
                    "token_uri": server.url("/token").as_str(),
                },
            })
        },
        0o600,
    );
    let body: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(
        body["delegates"],
        json!(["projects/-/serviceAccounts/between"])
    );
    let finding = outcome.unwrap_err().into_finding();
    assert!(
        finding.hint.contains("serviceAccountTokenCreator) on b@i")
            || finding.hint.contains("on b@i"),
        "{}",
        finding.hint
    );
}
