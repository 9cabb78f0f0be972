//! step-ca's ACME provisioner.

use std::fs;
use std::time::{Duration, Instant};

use certbake::authority::AuthorityError;
use certbake::span::Span;
use serde_json::json;
use time::OffsetDateTime;

use super::{issued, names_of, open, order, provision, refused};
use crate::servers::free_port;
use crate::servers::step::StepCa;

fn acme_at_step_ca(claims: &serde_json::Value) -> Option<(StepCa, u16)> {
    let mut ca = StepCa::make()?;
    ca.add_provisioner(json!({ "type": "ACME", "name": "acme", "claims": claims }));
    let port = free_port();
    ca.serve_with(&["--insecure", "--acme-http-port", &port.to_string()]);
    Some((ca, port))
}

#[test]
fn step_ca_signs_by_its_acme_provisioner_and_gives_the_lifetime_that_is_asked_for() {
    let Some((ca, port)) = acme_at_step_ca(&json!({ "maxTLSCertDuration": "72h" })) else {
        return;
    };
    let url = format!("{}/acme/acme/directory", ca.url);
    let listen = format!("127.0.0.1:{port}");
    let settings = toml::toml! {
        listen = listen
        ask_lifetime = true
    };
    let opened = open(&url, &ca.root, ca.directory(), settings);
    let (_, chain, _) = issued(&opened, &["localhost", "127.0.0.1"]);
    assert_eq!(names_of(&chain.leaf), ["dns:localhost", "ip:127.0.0.1"]);
    let left = chain.leaf.window().not_after - OffsetDateTime::now_utc();
    assert!(
        left <= time::Duration::hours(2) && left > time::Duration::minutes(118),
        "{left}"
    );

    let (_, mut long) = order(&["localhost"]);
    long.ttl = Some(Span::seconds(100 * 3600));
    match opened.authority.issue(&long) {
        // Its reason stands in its log alone.
        Err(AuthorityError::Unreachable(finding)) => {
            assert!(
                finding.hint.contains("maxTLSCertDuration"),
                "{}",
                finding.hint
            );
        }
        other => panic!("not turned down: {other:?}"),
    }
}

/// step-ca leaves a proof that it could not reach pending, with its error: there is nothing to wait for.
#[test]
fn step_ca_says_at_once_that_it_could_not_reach_the_proof() {
    let Some((ca, _)) = acme_at_step_ca(&json!({})) else {
        return;
    };
    let url = format!("{}/acme/acme/directory", ca.url);
    let listen = format!("127.0.0.1:{}", free_port());
    let opened = open(
        &url,
        &ca.root,
        ca.directory(),
        toml::toml! { listen = listen },
    );
    let started = Instant::now();
    let finding = refused(&opened, &["localhost"]);
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn provision_bakes_a_certificate_of_step_cas_acme() {
    let Some((ca, port)) = acme_at_step_ca(&json!({})) else {
        return;
    };
    let directory = ca.directory();
    let config = directory.join("certbake.toml");
    let root = directory.join("rootfs");
    fs::create_dir_all(root.join("etc")).unwrap();
    let text = format!(
        "[ca.lab]\nkind = \"acme\"\nurl = \"{}/acme/acme/directory\"\nanchors = \"certs/root_ca.crt\"\n\
         account = \"account.json\"\nlisten = \"127.0.0.1:{port}\"\n\n\
         [identity.app]\nca = \"lab\"\ndns = [\"localhost\"]\nmin_validity = \"12h\"\n\n\
         [identity.app.placements]\nfull_chain = \"/etc/app.crt\"\nprivate_key = \"/etc/app.key\"\n",
        ca.url
    );
    fs::write(&config, text).unwrap();
    let baked = provision(&config, &root);
    assert!(
        baked.status.success(),
        "{}",
        String::from_utf8_lossy(&baked.stdout)
    );
    crate::servers::assert_openssl_verifies(&root.join("etc/app.crt"), &ca.root);
}
