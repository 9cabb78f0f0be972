//! Every error of Vault's table, and what certbake says of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake::{Bench, answer, by_jwt, errors, logged_in, no_route};
use crate::support::contract::{self, CANARY, PATIENCE};
use crate::support::{Asked, Reply};

fn is_order(asked: &Asked) -> bool {
    asked.path.contains("/sign/")
}

/// Every order is answered so.
fn orders(reply: Reply) -> Bench {
    Bench::new(move |_, asked| is_order(asked).then(|| reply.clone()))
}

#[test]
fn a_refusal_is_told_with_what_to_do_about_it() {
    for (words, hint) in [
        (
            "unknown role: app",
            "there is no role \"app\" on the mount \"pki\"",
        ),
        ("role requires keys of type rsa", "key_algorithm"),
        (
            "common name app not allowed by this role",
            "allowed_domains",
        ),
        (
            "the common_name field is required, or must be provided in a CSR with \"use_csr_common_name\" set to true",
            "set common_name",
        ),
        (
            "cannot satisfy request, as TTL would result in notAfter of 2036 that is beyond the expiration of the CA certificate at 2027",
            "leaf_not_after_behavior",
        ),
        ("something new", "vault read pki/roles/app"),
    ] {
        let bench = orders(errors(400, &[words]));
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-refused");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(finding.hint.contains(hint), "{}: {}", words, finding.hint);
        assert_eq!(bench.asked().len(), 1, "a refusal was asked about again");
    }
}

#[test]
fn a_list_of_several_lines_becomes_one_sentence() {
    let words = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
    let finding = orders(errors(400, &[words])).refused();
    assert_eq!(finding.facts["said"], "permission denied; invalid token");
    assert_eq!(
        finding.summary,
        "POST pki/sign/app was answered with 400: permission denied; invalid token"
    );
}

mod forbidden {
    use super::*;

    fn denied() -> Reply {
        errors(403, &["1 error occurred:\n\t* permission denied\n\n"])
    }

    /// As Vault answers to a token that does not live.
    fn invalid() -> Reply {
        errors(
            403,
            &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
        )
    }

    /// The order and, as given, the steps beside it are denied.
    fn denied_at(also: &'static [&'static str]) -> Bench {
        Bench::new(move |_, asked| {
            let path = asked.path.as_str();
            (is_order(asked) || also.contains(&path)).then(denied)
        })
    }

    #[test]
    fn a_token_that_cannot_look_itself_up_is_no_good() {
        let bench = denied_at(&["/v1/auth/token/lookup-self"]);
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert_eq!(finding.facts["cause"], "token");
        assert!(
            finding.hint.contains("has expired or was revoked"),
            "{}",
            finding.hint
        );
        assert_eq!(
            bench.asked(),
            ["POST /v1/pki/sign/app", "GET /v1/auth/token/lookup-self"]
        );
    }

    #[test]
    fn a_good_token_and_no_engine_there_is_a_wrong_path() {
        for reply in [403, 404, 405] {
            let bench = Bench::new(move |_, asked| match asked.path.as_str() {
                "/v1/pki/ca/pem" => Some(errors(reply, &[])),
                _ => is_order(asked).then(denied),
            });
            let finding = bench.refused();
            assert_eq!(finding.code.as_str(), "ca-refused");
            assert_eq!(finding.facts["cause"], "path");
            assert!(
                finding.hint.contains("no PKI engine at \"pki\""),
                "{}",
                finding.hint
            );
            // What is public is asked without the token.
            assert_eq!(bench.server.asked()[2].header("x-vault-token"), None);
        }
    }

    /// The path may be asked, and not with these fields, or not without wrapping.
    #[test]
    fn a_policy_that_gives_the_path_and_narrows_it_is_not_told_as_missing() {
        let bench = Bench::new(|_, asked| {
            if asked.path.ends_with("/sys/capabilities-self") {
                return Some(answer(json!({ "pki/sign/app": ["create", "update"] })));
            }
            is_order(asked).then(denied)
        });
        let finding = bench.refused();
        assert_eq!(finding.facts["cause"], "policy");
        assert!(
            finding.hint.contains("allowed_parameters"),
            "{}",
            finding.hint
        );
        assert!(
            !finding.hint.contains("a policy for it"),
            "{}",
            finding.hint
        );
    }

    #[test]
    fn a_good_token_at_the_right_place_lacks_a_policy() {
        let bench = denied_at(&[]);
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert_eq!(finding.facts["cause"], "policy");
        assert_eq!(finding.facts["policies"], json!(["default", "builder"]));
        assert!(
            finding
                .hint
                .contains(r#"path "pki/sign/app" { capabilities = ["update"] }"#),
            "{}",
            finding.hint
        );
    }

    /// `token_no_default_policy=true` in the login's role.
    #[test]
    fn a_fresh_token_that_may_not_look_itself_up_is_good_anyway() {
        let bench = Bench::with(by_jwt, |_, asked| match asked.path.as_str() {
            "/v1/auth/jwt/login" => Some(logged_in("t")),
            "/v1/auth/token/lookup-self" => Some(denied()),
            _ => is_order(asked).then(denied),
        });
        assert_eq!(bench.refused().facts["cause"], "policy");
        assert_eq!(
            bench
                .asked()
                .iter()
                .filter(|it| it.contains("/login"))
                .count(),
            1
        );
    }

    #[test]
    fn what_cannot_be_found_out_is_not_guessed() {
        let bench = Bench::new(|_, asked| match asked.path.as_str() {
            "/v1/auth/token/lookup-self" => Some(Reply::Close),
            _ => is_order(asked).then(denied),
        });
        assert_eq!(bench.refused().facts["cause"], "unknown");
    }

    /// A token that a login gave, and that ended between two orders.
    #[test]
    fn a_login_that_has_ended_is_made_anew_once() {
        let mut logins = 0;
        let bench = Bench::with(by_jwt, move |_, asked| match asked.path.as_str() {
            "/v1/auth/jwt/login" => {
                logins += 1;
                Some(logged_in(&format!("token-{logins}")))
            }
            _ => (asked.header("x-vault-token") == Some("token-1")).then(invalid),
        });
        bench.issue().unwrap();
        let asked = bench.asked();
        assert_eq!(
            asked,
            [
                "POST /v1/auth/jwt/login",
                "POST /v1/pki/sign/app",
                "GET /v1/auth/token/lookup-self",
                "POST /v1/auth/jwt/login",
                "POST /v1/pki/sign/app"
            ]
        );
    }
}

#[test]
fn an_order_to_a_mount_that_is_not_there_is_refused() {
    let finding = orders(no_route()).refused();
    assert_eq!(finding.summary, "POST pki/sign/app was answered with 404");
    assert!(finding.hint.contains("mount"), "{}", finding.hint);
    let finding = orders(errors(
        405,
        &["1 error occurred:\n\t* unsupported operation\n\n"],
    ))
    .refused();
    assert!(
        finding.summary.ends_with("405: unsupported operation"),
        "{}",
        finding.summary
    );
}

#[test]
fn states_that_pass_or_belong_to_another_node_are_unreachable() {
    for (status, words, code, hint) in [
        (
            412,
            "required index state not present",
            "ca-busy",
            "caught up",
        ),
        (472, "", "ca-busy", "primary"),
        (473, "", "ca-busy", "active node"),
        (
            429,
            "request path rate limit quota exceeded",
            "ca-busy",
            "later",
        ),
        (500, "internal error", "ca-busy", "log"),
        (503, "Vault is sealed", "vault-sealed", "operator unseal"),
        (503, "maintenance", "ca-busy", "later"),
    ] {
        let started = Instant::now();
        let finding = orders(errors(status, &[words])).unreachable(Duration::from_millis(2500));
        assert!(started.elapsed() < Duration::from_secs(6), "{status}");
        assert_eq!(finding.code.as_str(), code, "{status}");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(finding.hint.contains(hint), "{}", finding.hint);
    }
}

#[test]
fn an_order_is_repeated_while_vault_has_not_caught_up_and_not_after_a_fault() {
    let mut left = 1;
    let passing = Bench::new(move |_, asked| {
        (is_order(asked) && left > 0).then(|| {
            left -= 1;
            errors(412, &["passing"])
        })
    });
    passing.issue().unwrap();
    assert_eq!(passing.asked().len(), 2);
    contract::told();
    let bench = orders(errors(412, &["behind"]));
    let finding = bench.unreachable(PATIENCE);
    assert_eq!(contract::told(), ["answered 412", "answered 412"]);
    assert_eq!(bench.asked().len(), 3);
    assert_eq!(finding.facts["attempts"], 3);
    // It may have been signed; 501 means that it is not made for this.
    for status in [500, 502] {
        let bench = orders(errors(status, &["disk full"]));
        bench.unreachable(PATIENCE);
        assert_eq!(bench.asked().len(), 1, "{status}");
    }
    let bench = orders(errors(501, &[]));
    bench.refused();
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn a_standby_that_points_elsewhere_is_passed_over() {
    let away =
        Reply::status(307).header("location", "https://10.0.0.9:8200/v1/pki/sign/app?t=canary");
    let finding = orders(away).unreachable(PATIENCE);
    assert_eq!(finding.code.as_str(), "ca-redirected");
    assert!(finding.hint.contains("standby"), "{}", finding.hint);
    assert!(!finding.summary.contains("canary"));
}

#[test]
fn an_answer_without_what_is_needed_is_unusable() {
    for reply in [
        answer(json!({ "certificate": "" })),
        answer(
            json!({ "certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" }),
        ),
        answer(json!({ "wrong": 1 })),
        answer(json!(null)),
        Reply::ok(r#"{"data":{"certificate":7}}"#),
    ] {
        let error = orders(reply).issue().unwrap_err();
        assert!(
            matches!(error, certbake::authority::AuthorityError::Unusable(_)),
            "{error}"
        );
    }
}

#[test]
fn a_server_that_echoes_the_token_does_not_get_it_into_an_error() {
    for status in [400, 403, 404, 500] {
        let bench = orders(errors(status, &[&format!("bad token {CANARY}")]));
        let error = bench.order(Duration::from_millis(500)).2.unwrap_err();
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
}
