//! What becomes of the token of a login.

use serde_json::json;

use super::{TOKEN, scripted};
use crate::fake::{Bench, Vault, errors, signed, with};
use crate::support::contract::Protocol;
use crate::support::{Asked, Lab, Reply};

const REVOKE: &str = "POST /v1/auth/token/revoke-self";

fn jwt(script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Bench {
    scripted(
        |source| {
            toml::toml! { method = "jwt"
            jwt = source }
        },
        script,
    )
}

#[test]
fn the_token_of_a_login_is_given_back_once() {
    let bench = jwt(|_| None);
    bench.issue().unwrap();
    bench.issue().unwrap();
    assert_eq!(bench.finish(), []);
    assert_eq!(bench.finish(), []);
    let asked = bench.server.asked();
    assert_eq!(bench.asked()[3..], [REVOKE]);
    assert_eq!(asked[3].header("x-vault-token"), Some(TOKEN));
}

#[test]
fn a_token_that_was_given_is_left_alone_and_so_is_a_login_that_never_was() {
    let given = Bench::new(|_, _| None);
    given.issue().unwrap();
    assert_eq!(given.finish(), []);
    assert_eq!(given.asked(), ["POST /v1/pki/sign/app"]);
    let unused = jwt(|_| None);
    assert_eq!(unused.finish(), []);
    assert!(unused.asked().is_empty());
}

#[test]
fn a_token_that_a_certificate_hangs_on_is_kept_and_said_to_be() {
    let lab = Lab::new("Elsewhere");
    let bench = jwt(move |asked| {
        let request = Vault.ordered(asked)?;
        Some(with(json!({
            "lease_id": "pki/sign/app/x7",
            "data": signed(&[lab.sign(&request), lab.issuing()]),
        })))
    });
    let issued = bench.issue().unwrap();
    assert_eq!(
        issued.findings[0].code.as_str(),
        "vault-certificate-on-lease"
    );
    let findings = bench.finish();
    assert_eq!(findings[0].code.as_str(), "vault-token-kept");
    assert_eq!(findings[0].severity.as_str(), "note");
    assert!(findings[0].hint.contains("generate_lease"));
    assert!(!bench.asked().contains(&REVOKE.to_owned()));
}

#[test]
fn a_token_that_cannot_be_given_back_is_a_warning() {
    for (reply, words) in [
        (errors(403, &["permission denied"]), "permission denied"),
        (Reply::Close, "closed the connection"),
    ] {
        let bench = jwt(move |asked| asked.path.contains("revoke-self").then(|| reply.clone()));
        bench.issue().unwrap();
        let findings = bench.finish();
        assert_eq!(findings[0].code.as_str(), "vault-token-kept");
        assert_eq!(findings[0].severity.as_str(), "warning");
        assert!(
            findings[0].summary.contains(words),
            "{}",
            findings[0].summary
        );
        assert_eq!(findings[0].facts["ends_in_seconds"], 600);
    }
}

#[test]
fn batch_tokens_end_by_themselves() {
    let bench = jwt(|asked| {
        asked
            .path
            .contains("/login")
            .then(|| with(json!({ "auth": { "client_token": "b", "token_type": "batch" } })))
    });
    bench.issue().unwrap();
    assert_eq!(bench.finish(), []);
    assert!(!bench.asked().contains(&REVOKE.to_owned()));
}
