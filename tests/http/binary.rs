//! The whole program, from its example.

use certbake::pki::{Certificate, pem};
use serde_json::json;

use crate::fake::{Api, json_reply, set, sign};
use crate::support::baking::Baked;
use crate::support::contract::{CANARY, Protocol, credential};
use crate::support::{Asked, FakeServer, Lab, Reply};

fn bake(mut script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static, change: &str) -> Baked {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| script(&serving, asked));
    let (_file, source) = credential();
    let mut table = Api.settings(&server, &source);
    set(&mut table, change);
    Baked::provision("http", &table, &lab.anchors(), &[])
}

#[test]
fn a_certificate_lands() {
    bake(sign, "").is_good(&[CANARY]);
}

#[test]
fn a_chain_that_came_in_disorder_lands_in_order_and_is_checked_as_it_lands() {
    let baked = bake(
        |lab, asked| {
            let request = Api.ordered(asked).unwrap();
            Api.issued(&[lab.root(), lab.issuing(), lab.sign(&request)])
        },
        "",
    );
    baked.is_good(&[CANARY]);
    let landed = std::fs::read(baked.landed("etc/app/client.crt")).unwrap();
    let titles: Vec<String> = pem::certificates(&landed)
        .unwrap()
        .into_iter()
        .map(|der| Certificate::from_der(der).unwrap().title())
        .collect();
    assert_eq!(titles, ["app", "Lab Issuing"]);
    let checks = baked.report["identities"][0]["checks"].as_array().unwrap();
    assert!(checks.contains(&json!("chain-misordered")), "{checks:?}");
    let findings = baked.report["findings"].to_string();
    assert!(!findings.contains("chain-misordered"), "{findings}");
}

#[test]
fn a_fault_in_a_template_is_told_with_file_and_key() {
    let baked = bake(sign, "request = { body = '{\"csr\": {{ csrr }}}' }");
    assert_eq!(baked.code, 2, "{}", baked.printed);
    for words in [
        "certbake.toml",
        "\"line\": 22",
        "request.body",
        "Did you mean csr?",
    ] {
        assert!(
            baked.printed.contains(words),
            "{words} in {}",
            baked.printed
        );
    }
}

#[test]
fn a_refusal_ends_with_5_garbage_with_4_and_silence_with_6() {
    for (reply, settings, code) in [
        (Api.refusal(403, "not your names"), "", 5),
        (
            json_reply(200, &json!({"data": {"certificate": "x", "chain": []}})),
            "",
            4,
        ),
        (Reply::Stalled(Vec::new()), "timeout = '1s'", 6),
        (Reply::Dripping, "timeout = '1s'", 6),
    ] {
        let baked = bake(move |_, _| reply.clone(), settings);
        assert_eq!(baked.code, code, "{}", baked.printed);
        assert!(!baked.printed.contains(CANARY));
        assert!(!baked.landed("etc").exists());
    }
}
