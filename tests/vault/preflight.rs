//! What is known before an order, and what a look costs.

mod issuers;
mod what_a_look_costs;

use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, Depth, Order};
use certbake::finding::Finding;
use certbake::pki::{AltName, KeyAlgorithm};
use certbake::span::Span;
use serde_json::{Value, json};

use crate::fake::{Bench, answer, body, errors, logged_in, signed};
use crate::support::contract::{PATIENCE, codes, order, order_of};
use crate::support::{Asked, Lab, Reply};

const ROLE: &str = "/v1/pki/roles/app";

fn role(change: impl FnOnce(&mut Value)) -> Reply {
    let mut role = json!({
        "max_ttl": 259_200, "ttl": 0, "key_type": "ec", "key_bits": 256, "client_flag": true,
        "server_flag": true, "ext_key_usage": [], "ext_key_usage_oids": [], "require_cn": true,
        "allow_ip_sans": true, "allowed_uri_sans": [], "issuer_ref": "default",
    });
    change(&mut role);
    answer(role)
}

/// All is well, but for what the script says.
fn usual(lab: &Lab, asked: &Asked) -> Option<Reply> {
    Some(match asked.path.as_str() {
        "/v1/sys/health?standbyok=true&perfstandbyok=true" => Reply::ok(r#"{"sealed":false}"#),
        "/v1/sys/capabilities-self" => {
            answer(json!({ "pki/sign/app": ["update"], "capabilities": ["update"] }))
        }
        ROLE => role(|_| {}),
        "/v1/pki/issuer/default/json" => answer(signed(&[lab.issuing(), lab.root()])),
        path if path.contains("/login") => logged_in("t"),
        _ => return None,
    })
}

fn bench(mut script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Bench {
    Bench::new(move |lab, asked| script(asked).or_else(|| usual(lab, asked)))
}

fn look(bench: &Bench, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
    bench
        .opened
        .preflight
        .as_ref()
        .unwrap()
        .preflight(order, depth)
}

fn whole(bench: &Bench) -> Result<Vec<Finding>, AuthorityError> {
    look(bench, &order(PATIENCE).1, Depth::Whole)
}

#[test]
fn a_whole_look_asks_everything_and_orders_nothing() {
    let bench = bench(|_| None);
    let findings = whole(&bench).unwrap();
    assert_eq!(codes(&findings), ["ca-answers"]);
    assert_eq!(
        bench.asked(),
        [
            "GET /v1/sys/health?standbyok=true&perfstandbyok=true",
            "GET /v1/auth/token/lookup-self",
            "POST /v1/sys/capabilities-self",
            "GET /v1/pki/roles/app",
            "GET /v1/pki/issuer/default/json",
        ]
    );
    assert_eq!(
        body(&bench.server.asked()[2]),
        json!({ "paths": ["pki/sign/app"] })
    );
}

#[test]
fn before_an_order_only_the_limits_are_read() {
    let bench = bench(|_| None);
    assert_eq!(look(&bench, &order(PATIENCE).1, Depth::Order).unwrap(), []);
    assert_eq!(
        bench.asked(),
        ["GET /v1/pki/roles/app", "GET /v1/pki/issuer/default/json"]
    );
}

#[test]
fn a_role_that_may_not_be_read_is_said_and_nothing_more() {
    let bench = bench(|asked| (asked.path == ROLE).then(|| errors(403, &["permission denied"])));
    let findings = whole(&bench).unwrap();
    assert_eq!(codes(&findings), ["ca-answers"]);
    assert!(
        findings[0].facts["looked_at"]
            .to_string()
            .contains("may not read")
    );
    assert_eq!(look(&bench, &order(PATIENCE).1, Depth::Order).unwrap(), []);
}

#[test]
fn a_lifetime_above_the_roles_is_foreseen() {
    let bench = bench(|_| None);
    let (_key, mut order) = order(PATIENCE);
    order.ttl = Some(Span::seconds(30 * 86_400));
    let findings = look(&bench, &order, Depth::Order).unwrap();
    assert_eq!(codes(&findings), ["lifetime-capped", "lifetime-capped"]);
    assert_eq!(findings[0].facts["max_ttl_seconds"], 259_200);
    assert!(
        findings[0].summary.contains("30d was requested"),
        "{}",
        findings[0].summary
    );
    // The lab's issuer ends within 30 days, an hour earlier than that.
    assert!(
        findings[1]
            .summary
            .contains("\"Lab Issuing\" expires in 29d"),
        "{}",
        findings[1].summary
    );
    assert!(findings[1].facts.contains_key("not_after"));
}

#[test]
fn without_a_look_at_the_role_the_mounts_limit_counts() {
    for unsaid in [
        errors(403, &["permission denied"]),
        role(|role| role["max_ttl"] = 0.into()),
    ] {
        let bench = bench(move |asked| match asked.path.as_str() {
            ROLE => Some(unsaid.clone()),
            "/v1/sys/internal/ui/mounts/pki" => Some(answer(
                json!({ "type": "pki", "config": { "max_lease_ttl": 1800 } }),
            )),
            _ => None,
        });
        for _ in 0..2 {
            let findings = look(&bench, &order(PATIENCE).1, Depth::Order).unwrap();
            assert_eq!(codes(&findings), ["lifetime-capped"]);
            assert_eq!(findings[0].facts["max_ttl_seconds"], 1800);
        }
        // Read once for all orders of a run.
        assert_eq!(bench.asked().len(), 3);
    }
}

#[test]
fn the_issuer_that_the_role_names_is_the_one_looked_at() {
    let bench = bench(|asked| {
        (asked.path == ROLE).then(|| role(|role| role["issuer_ref"] = "next".into()))
    });
    look(&bench, &order(PATIENCE).1, Depth::Order).unwrap();
    assert_eq!(bench.asked()[1], "GET /v1/pki/issuer/next/json");
}

fn order_with(key: KeyAlgorithm, common_name: Option<&str>, names: Vec<AltName>) -> Order {
    Order {
        ttl: None,
        ..order_of(key, common_name, names).1
    }
}

/// What is said of an order under a role with these changes: nothing, or one error with the words.
fn under(order: &Order, changes: Value, expected: Option<&str>) {
    let bench = bench(move |asked| {
        let change = |role: &mut Value| {
            let role = role.as_object_mut().unwrap();
            role.extend(changes.as_object().unwrap().clone());
        };
        (asked.path == ROLE).then(|| role(change))
    });
    let findings = look(&bench, order, Depth::Order).unwrap();
    let Some(words) = expected else {
        assert_eq!(findings, []);
        return;
    };
    assert_eq!(codes(&findings), ["vault-role-forbids"]);
    assert!(findings[0].is_error());
    assert!(
        findings[0].summary.contains(words),
        "{}",
        findings[0].summary
    );
}

#[test]
fn a_role_without_the_usage_that_is_wanted_is_foreseen() {
    let order = order_with(KeyAlgorithm::EcdsaP256, Some("app"), vec![]);
    let off = json!({ "client_flag": false });
    under(&order, off, Some("without clientAuth"));
    under(
        &order,
        json!({ "client_flag": false, "ext_key_usage": ["ServerAuth"] }),
        Some("without clientAuth"),
    );
    under(
        &order,
        json!({ "client_flag": false, "ext_key_usage": ["ClientAuth"] }),
        None,
    );
    under(
        &order,
        json!({ "client_flag": false, "ext_key_usage": ["ExtKeyUsageClientAuth"] }),
        None,
    );
    under(
        &order,
        json!({ "client_flag": false, "ext_key_usage_oids": ["1.3.6.1.5.5.7.3.2"] }),
        None,
    );
}

#[test]
fn a_key_that_a_role_would_refuse_is_foreseen() {
    use KeyAlgorithm::{EcdsaP256, EcdsaP384, Ed25519, Rsa2048};
    for (key, role, words) in [
        (EcdsaP256, json!({}), None),
        (EcdsaP384, json!({}), None),
        (
            Ed25519,
            json!({}),
            Some("requires a key of type ec of at least 256 bits, but the order's is Ed25519"),
        ),
        (
            EcdsaP256,
            json!({ "key_bits": 384 }),
            Some("384 bits, but the order's is ECDSA P-256"),
        ),
        (Rsa2048, json!({ "key_type": "any" }), None),
        (
            Rsa2048,
            json!({ "key_type": "rsa", "key_bits": 3072 }),
            Some("3072 bits, but the order's is RSA 2048"),
        ),
        (
            Ed25519,
            json!({ "key_type": "ed25519", "key_bits": 0 }),
            None,
        ),
    ] {
        under(&order_with(key, Some("app"), vec![]), role, words);
    }
}

#[test]
fn names_that_a_role_never_allows_are_foreseen() {
    let names = |common_name, names| order_with(KeyAlgorithm::EcdsaP256, common_name, names);
    let ip = || vec![AltName::ip("192.0.2.1").unwrap()];
    let uri = || vec![AltName::uri("spiffe://lab/a").unwrap()];
    under(&names(Some("app"), ip()), json!({}), None);
    under(&names(None, ip()), json!({}), Some("common name"));
    under(&names(None, ip()), json!({ "require_cn": false }), None);
    under(
        &names(Some("app"), ip()),
        json!({ "allow_ip_sans": false }),
        Some("IP addresses"),
    );
    under(&names(Some("app"), uri()), json!({}), Some("no URIs"));
    under(
        &names(Some("app"), uri()),
        json!({ "allowed_uri_sans": ["spiffe://*"] }),
        None,
    );
}

#[test]
fn a_role_that_is_not_there_is_refused_beforehand() {
    let bench = bench(|asked| (asked.path == ROLE).then(|| errors(404, &[])));
    let error = look(&bench, &order(PATIENCE).1, Depth::Order).unwrap_err();
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    assert!(error.into_finding().hint.contains("vault list pki/roles"));
}

#[test]
fn a_policy_that_does_not_reach_is_known_before_the_order() {
    let bench = bench(|asked| {
        asked
            .path
            .ends_with("capabilities-self")
            .then(|| answer(json!({ "pki/sign/app": ["deny"] })))
    });
    let finding = whole(&bench).unwrap_err().into_finding();
    assert_eq!(
        (finding.code.as_str(), &finding.facts["cause"]),
        ("ca-login-refused", &json!("policy"))
    );
}

#[test]
fn a_token_that_ends_before_the_deadline_is_a_warning_and_a_dead_one_a_refusal() {
    let short = bench(|asked| {
        asked
            .path
            .ends_with("lookup-self")
            .then(|| answer(json!({ "ttl": 5, "policies": [] })))
    });
    let findings = whole(&short).unwrap();
    assert_eq!(codes(&findings), ["vault-token-ends-first", "ca-answers"]);
    assert!(
        findings[0].summary.contains("5s"),
        "{}",
        findings[0].summary
    );

    let soon = bench(|asked| {
        asked
            .path
            .ends_with("lookup-self")
            .then(|| answer(json!({ "ttl": 600, "policies": [] })))
    });
    let findings = whole(&soon).unwrap();
    assert_eq!(findings[0].severity.as_str(), "note");
    assert!(
        findings[0]
            .summary
            .contains("10m, which may be too soon for a long build"),
        "{}",
        findings[0].summary
    );

    let eternal = bench(|asked| {
        asked
            .path
            .ends_with("lookup-self")
            .then(|| answer(json!({ "ttl": 0, "policies": ["root"] })))
    });
    assert_eq!(codes(&whole(&eternal).unwrap()), ["ca-answers"]);

    let dead = bench(|asked| {
        asked
            .path
            .ends_with("lookup-self")
            .then(|| errors(403, &["permission denied"]))
    });
    let finding = whole(&dead).unwrap_err().into_finding();
    assert_eq!(finding.facts["cause"], "token");
}

#[test]
fn the_state_of_the_server_comes_first() {
    for (status, code, refused) in [
        (503, "vault-sealed", false),
        (472, "ca-busy", false),
        (473, "ca-busy", false),
        (501, "ca-refused", true),
    ] {
        let started = Instant::now();
        let bench = bench(move |asked| {
            asked
                .path
                .contains("sys/health")
                .then(|| errors(status, &[]))
        });
        let error = whole(&bench).unwrap_err();
        assert_eq!(
            matches!(error, AuthorityError::Refused(_)),
            refused,
            "{status}"
        );
        assert_eq!(error.into_finding().code.as_str(), code, "{status}");
        assert_eq!(bench.asked().len(), 1);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // A proxy that hides it is no reason to stop.
    let hidden = bench(|asked| asked.path.contains("sys/health").then(|| errors(404, &[])));
    assert_eq!(codes(&whole(&hidden).unwrap()), ["ca-answers"]);
}
