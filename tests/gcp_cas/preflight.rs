//! What is known before an order.

use certbake::authority::{AuthorityError, Depth};
use certbake::finding::Finding;
use serde_json::json;

use crate::fake::{Cas, POOL, answer, failure, lab_with, parameter};
use crate::support::contract::{PATIENCE, Protocol, order};
use crate::support::{Asked, FakeServer, Lab, Reply};

fn foresee(
    script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
    depth: Depth,
) -> (FakeServer, Result<Vec<Finding>, AuthorityError>) {
    let (_lab, server, opened) = lab_with(script, &[], |_, _| {});
    let found = opened
        .preflight
        .unwrap()
        .preflight(&order(PATIENCE).1, depth);
    (server, found)
}

#[test]
fn the_whole_request_is_validated_and_nothing_issued() {
    let (server, found) = foresee(|_, _| None, Depth::Whole);
    assert_eq!(found.unwrap()[0].code.as_str(), "ca-answers");
    let asked = &server.asked()[0];
    assert_eq!(parameter(asked, "validateOnly").unwrap(), "true");
    assert_eq!(parameter(asked, "requestId"), None);
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| Cas.ordered(asked).is_none())
    );
}

#[test]
fn a_shorter_lifetime_is_seen_where_the_service_describes_it_or_the_pool_limits_it() {
    let describes = |_: &Lab, asked: &Asked| {
        parameter(asked, "validateOnly")?;
        let subject = json!({"subjectDescription": {"lifetime": "600s"}});
        Some(answer(&json!({ "certificateDescription": subject })))
    };
    let limits = |_: &Lab, asked: &Asked| {
        (asked.path == POOL)
            .then(|| answer(&json!({"issuancePolicy": {"maximumLifetime": "600s"}})))
    };
    for found in [
        foresee(describes, Depth::Order).1,
        foresee(limits, Depth::Order).1,
    ] {
        let found = found.unwrap();
        assert_eq!(found[0].code.as_str(), "lifetime-capped");
        assert_eq!(found[0].facts["max_ttl_seconds"], 600);
    }
    let denied = |_: &Lab, asked: &Asked| {
        (asked.path == POOL).then(|| failure(403, "PERMISSION_DENIED", "no"))
    };
    assert_eq!(foresee(denied, Depth::Order).1.unwrap(), []);
}

#[test]
fn what_would_be_refused_is_refused_before() {
    let (_server, found) = foresee(
        |_, asked| {
            parameter(asked, "validateOnly")?;
            Some(failure(400, "INVALID_ARGUMENT", "DNS name is not allowed"))
        },
        Depth::Order,
    );
    assert!(matches!(found, Err(AuthorityError::Refused(_))));
}
