//! Where the credentials come from.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake::{AwsPca, scripted};
use crate::support::baking::Baked;
use crate::support::contract::{CANARY, Protocol};
use crate::support::{FakeServer, Lab, Reply};

/// Without keys in the settings, so that these profiles count.
fn by_profiles(
    lab: &Lab,
    server: &FakeServer,
    profiles: &str,
    variables: &[(&str, &str)],
) -> Baked {
    let mut table = AwsPca.settings(server, "");
    table.retain(|key, _| !key.contains("access_key"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), profiles).unwrap();
    let own = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_CONFIG_FILE", file.path().to_str().unwrap()),
    ];
    let variables = [&own[..], variables].concat();
    Baked::provision("aws-pca", &table, &lab.anchors(), &variables)
}

#[test]
fn a_program_that_never_gives_credentials_takes_no_longer_than_the_deadline() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let slow = "[profile slow]\ncredential_process = sleep 20\n";
    let variables = [("AWS_PROFILE", "slow"), ("CERTBAKE_DEADLINE", "1s")];
    let started = Instant::now();
    let baked = by_profiles(&lab, &server, slow, &variables);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(baked.code, 6, "{}", baked.printed);
    let finding = &baked.report["findings"][0];
    assert_eq!(finding["code"], "aws-credentials");
    let summary = finding["summary"].as_str().unwrap();
    assert!(
        summary.ends_with("were found before the deadline"),
        "{summary}"
    );
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

/// Credentials that are at hand, for a profile that has a role assumed by them.
#[test]
fn an_sts_that_does_not_answer_may_answer_later() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let assumed = "[profile own]\naws_access_key_id = AK\naws_secret_access_key = canary-4f1c\n\
                   [profile assumed]\nrole_arn = arn:aws:iam::123456789012:role/x\n\
                   source_profile = own\n";
    let variables = [
        ("AWS_PROFILE", "assumed"),
        // Nobody listens there.
        ("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:1"),
        ("CERTBAKE_DEADLINE", "5s"),
    ];
    let baked = by_profiles(&lab, &server, assumed, &variables);
    assert_eq!(baked.code, 6, "{}", baked.printed);
    assert_eq!(baked.report["findings"][0]["code"], "aws-credentials");
}

#[test]
fn an_endpoint_that_is_none_is_not_told_as_missing_credentials() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let mut table = AwsPca.settings(&server, "cmd:printf canary-4f1c");
    table.remove("url");
    let variables = [("AWS_ENDPOINT_URL_ACM_PCA", "nonsense")];
    let baked = Baked::provision("aws-pca", &table, &lab.anchors(), &variables);
    assert_eq!(baked.code, 2, "{}", baked.printed);
    let finding = &baked.report["findings"][0];
    assert_eq!(finding["code"], "ca-client-settings", "{finding}");
    assert!(
        finding["hint"]
            .as_str()
            .unwrap()
            .contains("AWS_ENDPOINT_URL")
    );
}
