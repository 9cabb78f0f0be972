//! A look spends no secret and no use of a token.

use std::time::Duration;

use certbake::authority::{AuthorityError, Depth};
use serde_json::json;

use super::{look, usual, whole};
use crate::fake::{Bench, answer, by_jwt, errors};
use crate::support::contract::{PATIENCE, codes, order};
use crate::support::{Asked, Reply};

fn approle(script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Bench {
    let mut script = script;
    Bench::with(
        |table, source| {
            let auth = toml::toml! { method = "approle"
            role_id = "r"
            secret_id_wrapped = source };
            table.insert("auth".into(), auth.into());
        },
        move |lab, asked| script(asked).or_else(|| usual(lab, asked)),
    )
}

#[test]
fn a_wrapped_secret_id_is_not_unwrapped_for_a_look() {
    let bench = approle(|asked| {
        asked
            .path
            .ends_with("wrapping/lookup")
            .then(|| answer(json!({ "creation_path": "auth/approle/role/r/secret-id" })))
    });
    assert_eq!(
        codes(&whole(&bench).unwrap()),
        ["vault-login-untried", "ca-answers"]
    );
    let asked = bench.asked();
    assert_eq!(asked[1..], ["POST /v1/sys/wrapping/lookup"]);
}

#[test]
fn and_one_that_is_gone_is_known_by_it() {
    let bench = approle(|asked| {
        asked
            .path
            .ends_with("wrapping/lookup")
            .then(|| errors(400, &["wrapping token is not valid or does not exist"]))
    });
    let error = whole(&bench).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert_eq!(
        error.into_finding().code.as_str(),
        "vault-secret-id-already-unwrapped"
    );
}

#[test]
fn a_token_of_few_uses_is_kept_for_the_order() {
    let bench = Bench::with(by_jwt, |_, asked| {
        asked
            .path
            .contains("/login")
            .then(|| crate::fake::with(json!({ "auth": { "client_token": "t", "num_uses": 1 } })))
    });
    assert_eq!(look(&bench, &order(PATIENCE).1, Depth::Order).unwrap(), []);
    bench.issue().unwrap();
    assert_eq!(
        bench.asked(),
        ["POST /v1/auth/jwt/login", "POST /v1/pki/sign/app"]
    );
}

/// Vault's own counting: a lookup takes a use itself, and says -1 when that was the last.
#[test]
fn a_given_token_of_few_uses_is_not_used_up_by_a_look() {
    for (left, is_error, words) in [
        (-1, true, "this check used it"),
        (1, false, "can be used 1 more time:"),
        (7, false, "can be used 7 more times:"),
    ] {
        let bench = Bench::new(move |lab, asked| {
            if asked.path.ends_with("lookup-self") {
                return Some(answer(json!({ "ttl": 0, "num_uses": left })));
            }
            usual(lab, asked)
        });
        let findings = whole(&bench).unwrap();
        assert_eq!(findings[0].code.as_str(), "vault-token-ends-first");
        assert_eq!(findings[0].is_error(), is_error, "{left}");
        assert!(findings[0].summary.contains(words), "{:?}", findings[0]);
        assert_eq!(findings[0].facts["uses_left"], left.max(0));
        assert_eq!(bench.asked().len(), 2, "{:?}", bench.asked());
    }
}

#[test]
fn the_login_is_among_what_was_looked_at() {
    let bench = Bench::new(usual);
    let findings = whole(&bench).unwrap();
    let looked_at = findings[0].facts["looked_at"].as_array().unwrap();
    for what in ["login", "policy"] {
        assert!(looked_at.contains(&json!(what)), "{looked_at:?}");
    }
    let bench = Bench::new(|lab, asked| {
        if asked.path.ends_with("capabilities-self") {
            return Some(errors(403, &["permission denied"]));
        }
        usual(lab, asked)
    });
    let findings = whole(&bench).unwrap();
    let looked_at = findings[0].facts["looked_at"].as_array().unwrap();
    assert!(!looked_at.contains(&json!("policy")), "{looked_at:?}");
}

/// The clock was told three seconds before the look was over: it has gone on meanwhile.
#[test]
fn a_slow_look_is_no_difference_of_clocks() {
    let bench = Bench::new(|lab, asked| {
        if asked.path.ends_with("capabilities-self") {
            std::thread::sleep(Duration::from_secs(3));
        }
        let reply = usual(lab, asked)?;
        Some(reply.header("date", "Thu, 26 Nov 2026 12:00:00 GMT"))
    });
    let findings = whole(&bench).unwrap();
    let clock = findings[0].facts["authority_clock"].as_str().unwrap();
    assert!(clock >= "2026-11-26T12:00:03", "{clock}");
}

#[test]
fn a_role_that_is_not_told_for_another_reason_is_not_told_as_forbidden() {
    let bench = Bench::new(|lab, asked| {
        if asked.path.ends_with("/roles/app") {
            return Some(errors(501, &["not now"]));
        }
        usual(lab, asked)
    });
    let looked_at = whole(&bench).unwrap()[0].facts["looked_at"].to_string();
    assert!(looked_at.contains("Vault answered 501"), "{looked_at}");
}

/// A role without the policy "default", or with token_bound_cidrs that do not hold our address.
#[test]
fn a_token_that_may_not_look_itself_up_is_not_called_good() {
    let bench = Bench::with(by_jwt, |lab, asked| {
        if asked.path.contains("/login") {
            return usual(lab, asked);
        }
        let is_ours = ["/sign/", "/roles/", "-self"]
            .iter()
            .any(|part| asked.path.contains(part));
        is_ours.then(|| errors(403, &["permission denied"]))
    });
    let looked_at = whole(&bench).unwrap()[0].facts["looked_at"].to_string();
    assert!(!looked_at.contains("how long"), "{looked_at}");
    let finding = bench.refused();
    assert_eq!(finding.facts["cause"], "policy");
    assert!(
        finding.hint.contains("token_bound_cidrs"),
        "{}",
        finding.hint
    );
    assert!(!finding.hint.contains("is good"), "{}", finding.hint);
}
