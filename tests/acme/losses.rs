//! Answers that were lost, and what became of what was asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certbake::authority::{AuthorityError, Depth};
use serde_json::Value;

use crate::fake::{Acme, Ca, json_reply, none, order_in, part, problem, unreachable};
use crate::support::contract::{PATIENCE, Protocol, order};
use crate::support::{Asked, Lab, Reply};

/// A CA that hears of the first request to `path` and whose answer is lost.
fn losing(path: &'static str) -> Ca {
    let mut lost = false;
    Ca::new(move |asked| {
        let first = asked.path == path && !lost;
        lost |= first;
        first.then_some(Reply::Close)
    })
}

#[test]
fn an_account_whose_answer_is_lost_is_asked_for_by_the_same_key() {
    let ca = losing("/account");
    ca.issue(none()).unwrap();
    let asked = ca.asked_for("/account");
    let keys: Vec<Value> = asked
        .iter()
        .map(|asked| part(asked, "protected")["jwk"].clone())
        .collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0]["x"].is_string() && keys[0] == keys[1], "{keys:?}");
}

/// The next run finds the account by the key that the first kept before it asked.
#[test]
fn an_account_that_was_made_while_nobody_listened_is_found_by_the_next_run() {
    let up = Arc::new(AtomicBool::new(false));
    let serving = Arc::clone(&up);
    let ca = Ca::new(move |asked| {
        let heard = asked.path == "/account";
        (heard && !serving.load(Ordering::SeqCst)).then_some(Reply::Close)
    });
    let finding = unreachable(ca.issue(none()));
    assert_eq!(finding.code.as_str(), "ca-unreachable");
    let mode = fs::metadata(&ca.account).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let kept: Value = serde_json::from_slice(&fs::read(&ca.account).unwrap()).unwrap();
    assert_eq!(kept["id"], Value::Null);

    let preflight = ca
        .open(toml::toml! { listen = "127.0.0.1:0" })
        .preflight
        .unwrap();
    let found = preflight
        .preflight(&order(PATIENCE).1, Depth::Whole)
        .unwrap();
    let new = found
        .iter()
        .find(|f| f.code.as_str() == "acme-account-new")
        .unwrap();
    assert!(
        new.summary.contains("contains only a key"),
        "{}",
        new.summary
    );

    // A URL that was wrong the first time does not stand in the way of the right one.
    let mut elsewhere = kept.clone();
    elsewhere["directory"] = "https://ca.invalid/directory".into();
    fs::write(&ca.account, elsewhere.to_string()).unwrap();

    up.store(true, Ordering::SeqCst);
    ca.issue(none()).unwrap();
    ca.issue(none()).unwrap();
    let asked = ca.asked_for("/account");
    let key = |asked: &Asked| part(asked, "protected")["jwk"].clone();
    assert!(asked.iter().all(|other| key(other) == key(&asked[0])));
    let known: Value = serde_json::from_slice(&fs::read(&ca.account).unwrap()).unwrap();
    assert_eq!(known["key_pkcs8"], kept["key_pkcs8"]);
    assert_eq!(known["directory"], kept["directory"]);
    assert!(known["id"].as_str().unwrap().ends_with("/account/1"));
}

#[test]
fn a_question_how_far_the_order_is_is_asked_again() {
    let mut looked = 0;
    let ca = Ca::new(move |asked| match asked.path.as_str() {
        "/finalize/1" => Some(json_reply(200, &order_in("processing", ""))),
        "/order/1" => {
            looked += 1;
            let invalid = json_reply(200, &order_in("invalid", ""));
            Some(if looked == 1 { Reply::Close } else { invalid })
        }
        _ => None,
    });
    assert!(matches!(ca.issue(none()), Err(AuthorityError::Unusable(_))));
    assert_eq!(ca.asked_for("/order/1").len(), 2);
}

/// What the CA makes of a `finalize` whose answer is lost: the states that the order goes through,
/// what the second `finalize` is answered, and how many are sent.
#[test]
fn a_lost_answer_to_finalize_is_looked_for_in_the_order() {
    for (states, second, finalized) in [
        (&["valid"][..], "", 1),
        (&["processing", "processing", "valid"], "", 1),
        (&["ready"], "valid", 2),
        (&["ready", "valid"], "orderNotReady", 2),
    ] {
        let lab = Lab::new("Lab");
        let signing = lab.clone();
        let (mut request, mut looks) = (None, states.iter());
        let ca = Ca::of(lab, move |asked| match asked.path.as_str() {
            "/finalize/1" if request.is_none() => {
                request = Acme.ordered(asked);
                Some(Reply::Close)
            }
            "/finalize/1" if second == "orderNotReady" => {
                Some(problem(403, "orderNotReady", "it is processing"))
            }
            "/order/1" => Some(match *looks.next().unwrap() {
                "valid" => {
                    let chain = [signing.sign(request.as_ref().unwrap()), signing.issuing()];
                    Acme.issued(&chain)
                }
                state => json_reply(200, &order_in(state, "")),
            }),
            _ => None,
        });
        let issued = ca.issue(none()).unwrap();
        assert_eq!(issued.certificates.len(), 2, "{states:?}");
        assert_eq!(ca.asked_for("/finalize/1").len(), finalized, "{states:?}");
        assert_eq!(ca.asked_for("/order").len(), 1, "{states:?}");
    }
}

#[test]
fn a_ca_that_never_answers_finalize_is_given_up() {
    let ca = Ca::new(|asked| (asked.path == "/finalize/1").then_some(Reply::Close));
    let finding = unreachable(ca.issue(none()));
    assert_eq!(finding.code.as_str(), "ca-unreachable");
    assert_eq!(ca.asked_for("/finalize/1").len(), 4);
    assert_eq!(ca.asked_for("/order/1").len(), 3);
}
