//! With the current certificate: renewed, rekeyed, renewed after its end, taken back.

use certbake::authority::{AuthorityError, Current, Opened, Order, Reason, Revocation};
use certbake::pki::PrivateKey;
use serde_json::json;

use crate::fake::{StepCa, body_of, builder, ott_of, paths, provisioners, refusal, token_of};
use crate::support::contract::{PATIENCE, Protocol, open, order, order_by, revocation};
use crate::support::{Asked, FakeServer, Identity, Lab, Reply, pem};

/// A server that wants a client certificate, and the authority on it.
fn mtls(script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let mut script = script;
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        script(&serving, asked)
    });
    let opened = on(&lab, &server);
    (lab, server, opened)
}

fn on(lab: &Lab, server: &FakeServer) -> Opened {
    let table = StepCa.settings(server, "cmd:printf canary-4f1c");
    open("step-ca", table, &lab.anchors())
}

/// An order for this key, or for a new one.
fn order_with(key: Option<&PrivateKey>) -> Order {
    match key {
        Some(key) => order_by(key, Some("app"), Vec::new()),
        None => order(PATIENCE).1,
    }
}

fn key_of(identity: &Identity) -> PrivateKey {
    PrivateKey::from_der(&identity.key).unwrap()
}

/// A request for the key of a certificate, so that the lab can sign it again.
fn again(lab: &Lab, identity: &Identity) -> Reply {
    let order = order_with(Some(&key_of(identity)));
    StepCa.issued(&[lab.sign(order.request.der()), lab.issuing()])
}

#[test]
fn the_same_key_is_renewed_and_another_is_rekeyed_over_mtls() {
    let lab = Lab::new("Lab");
    let identity = lab.client("app");
    let (serving, renewed) = (lab.clone(), identity.clone());
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        match asked.path.as_str() {
            "/1.0/renew" => again(&serving, &renewed),
            "/1.0/rekey" => StepCa.issued(&[
                serving.sign(&crate::fake::request_of(asked)),
                serving.issuing(),
            ]),
            _ => Reply::status(404),
        }
    });
    let renew = on(&lab, &server).renew.unwrap();
    let key = key_of(&identity);
    let current = Current {
        chain: &identity.chain,
        key: &key,
    };
    for key in [Some(&key), None] {
        renew.renew(&order_with(key), &current).unwrap();
    }
    let asked = server.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/1.0/renew", "/1.0/rekey"]);
    for asked in &asked {
        assert_eq!(asked.client_certificate.as_ref(), Some(&identity.chain[0]));
    }
}

#[test]
fn a_renewal_that_is_not_allowed_says_what_may_be_the_reason() {
    let (lab, _server, opened) = mtls(|_, _| refusal(401, "see the logs"));
    let identity = lab.client("app");
    let key = key_of(&identity);
    let current = Current {
        chain: &identity.chain,
        key: &key,
    };
    let error = opened
        .renew
        .unwrap()
        .renew(&order_with(Some(&key)), &current)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    let finding = error.into_finding();
    assert_eq!(finding.code.as_str(), "renewal-not-allowed");
    assert!(finding.hint.contains("disableRenewal"), "{}", finding.hint);
}

fn expired(lab: &Lab) -> Identity {
    let now = time::OffsetDateTime::now_utc();
    lab.server_with(|params| {
        params.not_before = now - time::Duration::DAY;
        params.not_after = now - time::Duration::HOUR;
    })
}

#[test]
fn an_expired_certificate_is_renewed_by_a_token_of_its_key_and_not_shown() {
    let lab = Lab::new("Lab");
    let identity = expired(&lab);
    let (serving, renewed) = (lab.clone(), identity.clone());
    let server = FakeServer::https(&lab.server(), move |_| again(&serving, &renewed));
    let renew = on(&lab, &server).renew.unwrap();
    let key = key_of(&identity);
    let current = Current {
        chain: &identity.chain,
        key: &key,
    };
    renew.renew(&order_with(Some(&key)), &current).unwrap();
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.path.as_str(), &asked.client_certificate),
        ("/1.0/renew", &None)
    );
    let bearer = asked
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let (header, claims) = token_of(bearer);
    assert_eq!(header["x5cInsecure"].as_array().unwrap().len(), 2);
    assert_eq!(claims["iss"], "step-ca-client/1.0");
    assert_eq!(claims["sub"], "lab server");
    assert_eq!(
        claims["aud"],
        json!([format!("{}/1.0/renew", server.origin())])
    );

    let error = renew.renew(&order_with(None), &current).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "renewal-not-allowed");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_current_certificate_is_a_login_of_its_own() {
    let lab = Lab::new("Lab");
    let identity = lab.client("app");
    let serving = lab.clone();
    let server = FakeServer::mtls(&lab.server(), &lab.anchors(), move |asked| {
        StepCa.issued(&[
            serving.sign(&crate::fake::request_of(asked)),
            serving.issuing(),
        ])
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.pem");
    let mut both = certbake::pki::pem::encode("PRIVATE KEY", &identity.key);
    both.extend(identity.chain.iter().map(|der| crate::support::pem(der)));
    std::fs::write(&file, both).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (url, file) = (server.origin(), file.to_str().unwrap());
    let table = toml::toml! {
        url = url
        client_certificate = file
    };
    let opened = open("step-ca", table, &lab.anchors());
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked()[0].path, "/1.0/rekey");
}

#[test]
fn a_certificate_is_taken_back_by_a_token_for_its_serial_number() {
    let lab = Lab::new("Lab");
    for reply in [
        Reply::ok(r#"{"status":"ok"}"#),
        refusal(
            400,
            "The request could not be completed: certificate with serial number '1' is already revoked.",
        ),
    ] {
        let server = FakeServer::https(&lab.server(), move |asked| match asked.path.as_str() {
            "/1.0/revoke" => reply.clone(),
            "/intermediates" => Reply::status(404),
            _ => provisioners(&[builder(json!({}))]),
        });
        let certificate = lab.client("app").certificate();
        let revoke = on(&lab, &server).revoke.unwrap();
        let notes = revoke
            .revoke(&revocation(&certificate, Reason::KeyCompromise))
            .unwrap();
        assert_eq!(notes[0].code.as_str(), "revocation-passive");
        let asked = &server.asked()[2];
        let body = body_of(asked);
        assert_eq!(
            (&body["reasonCode"], &body["passive"]),
            (&json!(1), &json!(true))
        );
        let (_, claims) = ott_of(asked);
        assert_eq!(claims["sub"], body["serial"]);
        assert_eq!(
            claims["aud"],
            json!([format!("{}/1.0/revoke", server.origin())])
        );
        assert!(claims.get("sans").is_none() && claims.get("cnf").is_none());
    }
}

/// A real one notes any serial number that a token is for.
#[test]
fn a_certificate_of_another_issuer_is_not_noted_as_revoked() {
    let lab = Lab::new("Lab");
    let other = Lab::new("Other");
    let namesake = Lab::new("Lab");
    for (crts, is_taken, doubtful) in [
        (vec![pem(&other.issuing())], false, false),
        (vec![pem(&namesake.issuing())], true, true),
        (
            vec![pem(&other.issuing()), pem(&lab.issuing())],
            true,
            false,
        ),
        (vec![], true, false),
    ] {
        let server = FakeServer::https(&lab.server(), move |asked| match asked.path.as_str() {
            "/1.0/revoke" => Reply::ok(r#"{"status":"ok"}"#),
            "/intermediates" => Reply::status(201).body(json!({ "crts": crts }).to_string()),
            _ => provisioners(&[builder(json!({}))]),
        });
        let certificate = lab.client("app").certificate();
        let revoke = on(&lab, &server).revoke.unwrap();
        let revoked = revoke.revoke(&revocation(&certificate, Reason::KeyCompromise));
        let paths = paths(&server);
        assert_eq!(paths.contains(&"/1.0/revoke".to_owned()), is_taken);
        match revoked {
            Ok(notes) => {
                assert!(is_taken);
                let warned = notes
                    .iter()
                    .any(|note| note.summary.contains("another key"));
                assert_eq!(warned, doubtful);
            }
            Err(error) => {
                assert!(
                    !is_taken && matches!(error, AuthorityError::Refused(_)),
                    "{error}"
                );
                let summary = error.into_finding().summary;
                for name in ["Lab Issuing", "Other Issuing"] {
                    assert!(summary.contains(name), "{summary}");
                }
            }
        }
    }
}

#[test]
fn without_a_provisioners_key_a_certificate_is_taken_back_by_its_own() {
    let lab = Lab::new("Lab");
    let identity = lab.client("app");
    // As step-ca, which knows its intermediates: the leaf alone is enough.
    let known = [lab.root(), lab.issuing()];
    let server = FakeServer::mtls(&lab.server(), &known, |_| Reply::ok(r#"{"status":"ok"}"#));
    let url = server.origin();
    let table = toml::toml! {
        url = url
        token = "env:CERTBAKE_TEST_UNSET"
    };
    let revoke = open("step-ca", table, &lab.anchors()).revoke.unwrap();
    let certificate = identity.certificate();
    let key = key_of(&identity);
    let by_its_key = Revocation {
        key: Some(&key),
        ..revocation(&certificate, Reason::KeyCompromise)
    };
    revoke.revoke(&by_its_key).unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.client_certificate.as_ref(), Some(&identity.chain[0]));
    assert!(body_of(asked).get("ott").is_none());
    let error = revoke
        .revoke(&revocation(&certificate, Reason::KeyCompromise))
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
}
