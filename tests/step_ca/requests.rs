//! What is asked, and with which token.

use certbake::authority::{AuthorityError, Depth, Order};
use certbake::finding::Severity;
use certbake::pki::{AltName, KeyAlgorithm, PrivateKey, digest};
use certbake::span::Span;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::fake::{
    KEY_ID, StepCa, body_of, builder, lab_with, ott_of, paths, provisioners, request_of,
};
use crate::support::contract::{self, PATIENCE, Protocol, Run, order};
use crate::support::{Lab, Reply};

pub fn order_of(common_name: Option<&str>, names: Vec<AltName>) -> (PrivateKey, Order) {
    contract::order_of(KeyAlgorithm::EcdsaP256, common_name, names)
}

fn sign(lab: &Lab, request: &[u8]) -> Reply {
    StepCa.issued(&[lab.sign(request), lab.issuing()])
}

#[test]
fn an_order_is_a_request_with_a_token_for_exactly_its_names() {
    let before = time::OffsetDateTime::now_utc().unix_timestamp();
    let run = Run::new(&StepCa, PATIENCE, |lab, request, _| sign(lab, request));
    let asked = run.server.asked();
    assert_eq!(
        paths(&run.server),
        ["/provisioners?limit=100", "/1.0/sign"],
        "the roots are pinned, so nobody asks for them"
    );
    let order = &asked[1];
    assert_eq!(order.header("content-type"), Some("application/json"));
    assert_eq!(body_of(order)["notAfter"], "3600s");
    let (header, claims) = ott_of(order);
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID })
    );
    assert_eq!(claims["iss"], "builder");
    assert_eq!(claims["sub"], "app");
    assert_eq!(claims["sans"], json!(["app.internal"]));
    let audience = format!("{}/1.0/sign", run.server.origin());
    assert_eq!(claims["aud"], json!([audience]));
    assert_eq!(claims["jti"].as_str().unwrap().len(), 64);
    let bound = BASE64URL_NOPAD.encode(&digest::sha256(&request_of(order)));
    assert_eq!(claims["cnf"]["x5rt#S256"], bound);
    let (issued, end) = (
        claims["iat"].as_i64().unwrap(),
        claims["exp"].as_i64().unwrap(),
    );
    assert!((before..before + 30).contains(&issued));
    assert_eq!(end - issued, 300);
    assert_eq!(run.server.connections(), 1);
}

#[test]
fn names_of_every_kind_go_into_the_token_and_none_stay_none() {
    let (_lab, server, opened) = lab_with(|_, _| None, |_| {});
    let names = vec![
        AltName::dns("app.internal").unwrap(),
        AltName::ip("2001:db8::7").unwrap(),
        AltName::uri("spiffe://lab/app").unwrap(),
        AltName::email("ops@app.internal").unwrap(),
    ];
    opened.authority.issue(&order_of(None, names).1).unwrap();
    opened
        .authority
        .issue(&order_of(Some("app"), vec![]).1)
        .unwrap();
    let error = opened
        .authority
        .issue(&order_of(None, vec![]).1)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    let asked = server.asked();
    let (_, all) = ott_of(&asked[1]);
    assert_eq!(all["sub"], "app.internal");
    assert_eq!(
        all["sans"],
        json!([
            "app.internal",
            "2001:db8::7",
            "spiffe://lab/app",
            "ops@app.internal"
        ])
    );
    let (_, none) = ott_of(&asked[2]);
    assert_eq!((&none["sub"], &none["sans"]), (&json!("app"), &json!([""])));
    assert_eq!(asked.len(), 3);
}

#[test]
fn orders_at_the_same_time_unlock_the_key_once_and_each_have_their_own_token() {
    let (_lab, server, opened) = lab_with(|_, _| None, |_| {});
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| opened.authority.issue(&order(PATIENCE).1).unwrap());
        }
    });
    let asked = server.asked();
    assert_eq!(asked.len(), 5);
    let mut ids: Vec<String> = asked[1..]
        .iter()
        .map(|a| ott_of(a).1["jti"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_token_is_dated_by_the_clock_of_the_ca() {
    let (_lab, server, opened) = lab_with(
        |_, asked| {
            let list = provisioners(&[builder(json!({}))]);
            let list = list.header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
            asked.path.starts_with("/provisioners").then_some(list)
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    let issued = ott_of(&server.asked()[1]).1["iat"].as_i64().unwrap();
    assert!((784_111_777..784_111_807).contains(&issued), "{issued}");
}

#[test]
fn provisioners_are_read_page_by_page() {
    let (_lab, server, opened) = lab_with(
        |_, asked| {
            let page = |list: serde_json::Value, next: &str| {
                Reply::ok(json!({ "provisioners": list, "nextCursor": next }).to_string())
            };
            match asked.path.as_str() {
                "/provisioners?limit=100" => {
                    Some(page(json!([{ "type": "ACME", "name": "acme" }]), "a b"))
                }
                "/provisioners?limit=100&cursor=a+b" => Some(page(json!([builder(json!({}))]), "")),
                _ => None,
            }
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_key_that_the_list_leaves_out_is_fetched_from_its_own_place() {
    let (_lab, server, opened) = lab_with(
        |_, asked| {
            let mut listed = builder(json!({}));
            let key = listed.as_object_mut().unwrap().remove("encryptedKey");
            match asked.path.as_str() {
                "/provisioners?limit=100" => Some(provisioners(&[listed])),
                path if path == format!("/provisioners/{KEY_ID}/encrypted-key") => {
                    Some(Reply::ok(json!({ "key": key }).to_string()))
                }
                _ => None,
            }
        },
        |_| {},
    );
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(server.asked().len(), 3);
}

/// What a CA without pinned anchors is trusted by: its root's fingerprint, and then by its `/roots`.
#[test]
fn a_root_is_fetched_by_its_fingerprint_compared_and_then_trusted_alone() {
    let lab = Lab::new("Lab");
    let pin = digest::sha256_hex(&lab.root());
    let serving = lab.clone();
    let path = format!("/root/{pin}");
    let server = crate::support::FakeServer::https(&lab.server(), move |asked| {
        if asked.path == path {
            let ca = crate::support::pem(&serving.root());
            return Reply::ok(json!({ "ca": ca }).to_string());
        }
        match StepCa.ordered(asked) {
            Some(request) => sign(&serving, &request),
            None => StepCa.aside(&serving, asked),
        }
    });
    let mut table = StepCa.settings(&server, "cmd:printf canary-4f1c");
    table.insert("trust".to_owned(), format!("sha256:{pin}").into());
    let opened = crate::support::contract::open("step-ca", table.clone(), &[]);
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.anchors, [lab.root()]);
    let mut asked = paths(&server);
    assert_eq!(asked.remove(0), format!("/root/{pin}"));
    asked.sort();
    assert_eq!(asked, ["/1.0/sign", "/provisioners?limit=100", "/roots"]);

    table.insert(
        "trust".to_owned(),
        format!("sha256:{}", "ab".repeat(32)).into(),
    );
    let opened = crate::support::contract::open("step-ca", table, &[]);
    let error = opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "ca-pin-mismatch");
    assert_eq!(server.asked().len(), 5);
}

#[test]
fn a_look_ahead_tells_who_answers_and_what_the_provisioner_allows() {
    let claims = json!({ "maxTLSCertDuration": "30m0s", "disableRenewal": true });
    let (_lab, server, opened) = lab_with(
        move |_, asked| {
            let list = || provisioners(&[builder(claims.clone())]);
            asked.path.starts_with("/provisioners").then(list)
        },
        |_| {},
    );
    let preflight = opened.preflight.unwrap();
    let findings = preflight
        .preflight(&order(PATIENCE).1, Depth::Order)
        .unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code.as_str(), "ttl-not-allowed");
    assert_eq!(findings[0].severity, Severity::Error);
    assert_eq!(findings[0].facts["maximum_seconds"], 1800);
    let findings = preflight
        .preflight(&order(PATIENCE).1, Depth::Whole)
        .unwrap();
    let codes: Vec<&str> = findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    assert_eq!(
        codes,
        ["ca-answers", "ttl-not-allowed", "renewal-not-allowed"]
    );
    assert!(
        !findings[0].facts.contains_key("max_ttl_seconds"),
        "told twice"
    );
    assert_eq!(findings[0].facts["ca_version"], "0.30.2");
    let (_key, mut shorter) = order(PATIENCE);
    shorter.ttl = Some(Span::seconds(900));
    let findings = preflight.preflight(&shorter, Depth::Whole).unwrap();
    assert_eq!(findings[0].facts["max_ttl_seconds"], 1800);
    assert!(paths(&server).iter().all(|path| !path.starts_with("/1.0")));
}
