//! Credentials that nobody named.

use certbake::authority::AuthorityError;
use serde_json::json;

use crate::fake::{answer, file, lab_with};
use crate::support::FakeServer;
use crate::support::contract::{CANARY, PATIENCE, order};

fn metadata(flavored: bool) -> FakeServer {
    FakeServer::http(move |asked| {
        assert_eq!(
            asked.path,
            "/computeMetadata/v1/instance/service-accounts/default/token"
        );
        assert_eq!(asked.header("metadata-flavor"), Some("Google"));
        let reply =
            answer(&json!({"access_token": CANARY, "expires_in": 100, "token_type": "Bearer"}));
        if flavored {
            reply.header("metadata-flavor", "Google")
        } else {
            reply
        }
    })
}

fn issue(environment: &[(&str, String)]) -> (FakeServer, Result<(), AuthorityError>) {
    let (_lab, server, opened) = lab_with(
        |_, _| None,
        environment,
        |_, table| {
            table.remove("access_token");
        },
    );
    let outcome = opened.authority.issue(&order(PATIENCE).1).map(drop);
    (server, outcome)
}

#[test]
fn the_metadata_server_gives_the_token_of_the_machine() {
    let machine = metadata(true);
    let (server, outcome) = issue(&[("GCE_METADATA_HOST", machine.address().to_string())]);
    outcome.unwrap();
    assert_eq!(
        server.asked()[0].header("authorization").unwrap(),
        format!("Bearer {CANARY}")
    );
}

#[test]
fn whoever_else_answers_in_its_place_is_not_believed() {
    let machine = metadata(false);
    let (server, outcome) = issue(&[("GCE_METADATA_HOST", machine.address().to_string())]);
    let error = outcome.unwrap_err();
    assert!(matches!(error, AuthorityError::Unusable(_)), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn gclouds_own_file_comes_before_the_machine_and_the_variable_before_both() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&folder).unwrap();
    let known = folder.join("application_default_credentials.json");
    std::fs::write(&known, r#"{"type": "well_known"}"#).unwrap();
    let home = ("HOME", home.path().to_str().unwrap().to_owned());
    let (_, outcome) = issue(std::slice::from_ref(&home));
    assert!(outcome.unwrap_err().to_string().contains("well_known"));
    let named = file(&json!({"type": "by_variable"}), 0o600);
    let named = (
        "GOOGLE_APPLICATION_CREDENTIALS",
        named.to_str().unwrap().to_owned(),
    );
    let (_, outcome) = issue(&[home, named]);
    assert!(outcome.unwrap_err().to_string().contains("by_variable"));
}
