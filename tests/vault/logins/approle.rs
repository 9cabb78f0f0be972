//! By AppRole, plain or wrapped.

use certbake::finding::Finding;
use serde_json::json;

use super::{bench, login, scripted};
use crate::fake::{answer, body, errors};
use crate::support::contract::{CANARY, PATIENCE};
use crate::support::{Asked, Reply};

fn auth(source: &str) -> toml::Table {
    toml::toml! { method = "approle"
    role_id = "app-role"
    secret_id_wrapped = source }
}

fn lookup(path: &str) -> Reply {
    answer(
        json!({ "creation_path": path, "creation_ttl": 300, "creation_time": "2026-11-25T00:00:00Z" }),
    )
}

/// The wrapping token, as Vault keeps it: unwrapped once.
fn wrapping(asked: &Asked, left: &mut u32) -> Option<Reply> {
    let gone = || errors(400, &["wrapping token is not valid or does not exist"]);
    match asked.path.as_str() {
        "/v1/sys/wrapping/lookup" if *left == 0 => Some(gone()),
        "/v1/sys/wrapping/lookup" => {
            assert_eq!(body(asked)["token"], CANARY);
            Some(lookup("auth/approle/role/builder/secret-id"))
        }
        "/v1/sys/wrapping/unwrap" if *left == 0 => Some(gone()),
        "/v1/sys/wrapping/unwrap" => {
            *left -= 1;
            assert_eq!(asked.header("x-vault-token"), Some(CANARY));
            Some(answer(
                json!({ "secret_id": "secret-id-canary", "secret_id_accessor": "a" }),
            ))
        }
        _ => None,
    }
}

#[test]
fn a_secret_id_as_it_is() {
    let bench = bench(|source| {
        toml::toml! { method = "approle"
        role_id = source
        secret_id = source }
    });
    let expected = json!({ "role_id": CANARY, "secret_id": CANARY });
    assert_eq!(
        login(&bench),
        ("/v1/auth/approle/login".to_owned(), expected)
    );
}

#[test]
fn a_secret_id_is_shown_once_where_a_fault_may_have_used_it_up() {
    let auth = |source: &str| {
        toml::toml! { method = "approle"
        role_id = "app-role"
        secret_id = source }
    };
    let bench = scripted(auth, |asked| {
        (asked.path == "/v1/auth/approle/login").then(|| errors(502, &["bad gateway"]))
    });
    bench.unreachable(PATIENCE);
    assert_eq!(bench.asked(), ["POST /v1/auth/approle/login"]);
}

#[test]
fn a_wrapped_secret_id_is_unwrapped_once_whatever_is_tried_again() {
    let (mut left, mut logins) = (1, 0);
    let bench = scripted(auth, move |asked| {
        if asked.path == "/v1/auth/approle/login" {
            logins += 1;
            if logins == 1 {
                return Some(errors(503, &["try again"]));
            }
            if logins == 2 {
                return Some(errors(412, &["behind"]));
            }
        }
        wrapping(asked, &mut left)
    });
    let (_, body) = login(&bench);
    assert_eq!(
        body,
        json!({ "role_id": "app-role", "secret_id": "secret-id-canary" })
    );
    bench.issue().unwrap();
    let count = |path: &str| bench.asked().iter().filter(|it| it.ends_with(path)).count();
    assert_eq!((count("/unwrap"), count("/approle/login")), (1, 3));
}

#[test]
fn a_failed_login_does_not_unwrap_again() {
    let mut left = 1;
    let bench = scripted(auth, move |asked| match asked.path.as_str() {
        "/v1/auth/approle/login" => Some(errors(400, &["invalid role or secret ID"])),
        _ => wrapping(asked, &mut left),
    });
    for _ in 0..2 {
        let finding = bench.refused();
        assert_eq!(finding.code.as_str(), "ca-login-refused");
        assert!(
            finding.hint.contains("secret_id_num_uses"),
            "{}",
            finding.hint
        );
    }
    let unwraps = bench
        .asked()
        .iter()
        .filter(|it| it.ends_with("/unwrap"))
        .count();
    assert_eq!(unwraps, 1);
}

fn stolen(finding: &Finding) {
    assert_eq!(finding.code.as_str(), "vault-secret-id-already-unwrapped");
    assert!(
        finding.summary.contains("somebody else"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("stolen"), "{}", finding.hint);
}

#[test]
fn one_that_somebody_else_unwrapped_is_a_loud_refusal() {
    let mut left = 0;
    let bench = scripted(auth, move |asked| wrapping(asked, &mut left));
    stolen(&bench.refused());
    assert_eq!(bench.asked(), ["POST /v1/sys/wrapping/lookup"]);
}

/// Between our look and our unwrapping.
#[test]
fn one_that_is_unwrapped_under_our_hands_too() {
    let bench = scripted(auth, |asked| match asked.path.as_str() {
        "/v1/sys/wrapping/lookup" => Some(lookup("auth/approle/role/builder/secret-id")),
        "/v1/sys/wrapping/unwrap" => Some(errors(
            400,
            &["wrapping token is not valid or does not exist"],
        )),
        _ => None,
    });
    stolen(&bench.refused());
    stolen(&bench.refused());
    let unwraps = bench
        .asked()
        .iter()
        .filter(|it| it.ends_with("/unwrap"))
        .count();
    assert_eq!(unwraps, 1);
}

#[test]
fn an_unwrapping_whose_answer_is_lost_is_not_repeated() {
    for reply in [
        Reply::Close,
        errors(503, &["maintenance"]),
        errors(500, &["fault"]),
    ] {
        let bench = scripted(auth, move |asked| match asked.path.as_str() {
            "/v1/sys/wrapping/unwrap" => Some(reply.clone()),
            "/v1/sys/wrapping/lookup" => Some(lookup("auth/approle/role/builder/secret-id")),
            _ => None,
        });
        bench.unreachable(PATIENCE);
        let unwraps = bench
            .asked()
            .iter()
            .filter(|it| it.ends_with("/unwrap"))
            .count();
        assert_eq!(unwraps, 1);
    }
}

#[test]
fn one_that_was_unwrapped_and_wrapped_again_is_not_used() {
    let bench = scripted(auth, |asked| {
        (asked.path == "/v1/sys/wrapping/lookup").then(|| lookup("sys/wrapping/wrap"))
    });
    let finding = bench.refused();
    assert_eq!(finding.code.as_str(), "vault-secret-id-wrapped-elsewhere");
    assert_eq!(bench.asked(), ["POST /v1/sys/wrapping/lookup"]);
    // Where that is how it is meant, it is said.
    let mut left = 1;
    let bench = scripted(
        |source| {
            let mut auth = auth(source);
            auth.insert("secret_id_wrapped_at".into(), "sys/wrapping/wrap".into());
            auth
        },
        move |asked| match asked.path.as_str() {
            "/v1/sys/wrapping/lookup" => Some(lookup("sys/wrapping/wrap")),
            _ => wrapping(asked, &mut left),
        },
    );
    login(&bench);
}
