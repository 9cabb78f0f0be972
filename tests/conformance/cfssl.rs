//! Cloudflare's cfssl and multirootca.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use certbake::authority::{AuthorityError, Depth, Opened, Reason};
use certbake::finding::Finding;
use certbake::pki::{Certificate, pem};
use serde_json::{Value, json};

use crate::servers::cfssl::{Cfssl, KEY, LABEL, PROFILE, Transport};
use crate::servers::{assert_openssl_verifies, program, run};
use crate::support::baking::Baked;
use crate::support::contract::{PATIENCE, open, order, revocation};

/// The fixture itself: `cfssl gencert` gets a certificate, its request signed with the HMAC key.
#[test]
fn gencert_enrolls_at_cfssl_serve() {
    for transport in [Transport::Plain, Transport::Tls, Transport::MutualTls] {
        let Some(server) = Cfssl::start(transport) else {
            return;
        };
        gencert(&server, transport, "");
    }
}

#[test]
fn gencert_enrolls_at_multirootca() {
    for transport in [Transport::Plain, Transport::Tls] {
        let Some(server) = Cfssl::start_multirootca(transport) else {
            return;
        };
        gencert(&server, transport, LABEL);
    }
}

fn gencert(server: &Cfssl, transport: Transport, label: &str) {
    let file = |name: &str| server.directory().join(name).to_str().unwrap().to_owned();
    let config = json!({
        "signing": { "default": { "auth_remote": { "remote": "server", "auth_key": "builder" } } },
        "auth_keys": { "builder": { "type": "standard", "key": KEY } },
        "remotes": { "server": server.url },
    });
    fs::write(file("client.json"), config.to_string()).unwrap();
    let request =
        json!({ "CN": "app", "hosts": ["app.example"], "key": { "algo": "ecdsa", "size": 256 } });
    fs::write(file("request.json"), request.to_string()).unwrap();

    let (config, request, anchors) = (file("client.json"), file("request.json"), file("ca.pem"));
    let mut asked = vec![
        "gencert", "-config", &config, "-profile", PROFILE, "-label", label,
    ];
    if transport != Transport::Plain {
        asked.extend(["-tls-remote-ca", &anchors]);
    }
    let client = [file("builder.pem"), file("builder.key")];
    if transport == Transport::MutualTls {
        server.client();
        asked.extend([
            "-mutual-tls-client-cert",
            &client[0],
            "-mutual-tls-client-key",
            &client[1],
        ]);
    }
    asked.push(&request);
    let answer = run(program("cfssl").unwrap(), asked);

    let issued: Value = serde_json::from_slice(&answer).unwrap();
    let chain = server.directory().join("app.pem");
    fs::write(&chain, issued["cert"].as_str().unwrap()).unwrap();
    assert_openssl_verifies(&chain, &server.anchors);
}

fn anchors(server: &Cfssl) -> Vec<Vec<u8>> {
    pem::certificates(&fs::read(&server.anchors).unwrap()).unwrap()
}

/// The settings that reach this server, its key in a file.
fn table(server: &Cfssl, transport: Transport) -> toml::Table {
    let (url, key) = (server.url.as_str(), key(server, KEY));
    let mut table = toml::toml! {
        url = url
        key = key
        profile = PROFILE
    };
    if transport == Transport::MutualTls {
        let (certificate, key) = server.client();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        for (name, path) in [("client_certificate", certificate), ("client_key", key)] {
            table.insert(name.to_owned(), path.to_str().unwrap().into());
        }
    }
    table
}

fn key(server: &Cfssl, text: &str) -> String {
    let path = server.directory().join(format!("{text}.key"));
    let _ = fs::remove_file(&path);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    format!("file:{}", path.display())
}

fn opened(server: &Cfssl, transport: Transport, change: impl FnOnce(&mut toml::Table)) -> Opened {
    let mut table = table(server, transport);
    change(&mut table);
    open("cfssl", table, &anchors(server))
}

fn refused(error: AuthorityError) -> Finding {
    assert!(matches!(error, AuthorityError::Refused(_)), "{error}");
    let finding = error.into_finding();
    assert!(!format!("{finding:?}").contains(KEY));
    finding
}

/// How long from now, in seconds.
fn left(der: &[u8]) -> i64 {
    let certificate = Certificate::from_der(der.to_vec()).unwrap();
    certificate.window().not_after.unix_timestamp()
        - time::OffsetDateTime::now_utc().unix_timestamp()
}

#[test]
fn certbake_lands_a_certificate_over_every_transport() {
    for transport in [Transport::Plain, Transport::Tls, Transport::MutualTls] {
        let Some(server) = Cfssl::start(transport) else {
            return;
        };
        let baked = Baked::provision("cfssl", &table(&server, transport), &anchors(&server), &[]);
        assert_eq!(baked.code, 0, "{}", baked.printed);
        assert!(!baked.printed.contains(KEY));
        assert_openssl_verifies(&baked.landed("etc/app/client.crt"), &server.anchors);
    }
    for transport in [Transport::Plain, Transport::Tls] {
        let server = Cfssl::start_multirootca(transport).unwrap();
        let mut table = table(&server, transport);
        table.insert("label".to_owned(), LABEL.into());
        let baked = Baked::provision("cfssl", &table, &anchors(&server), &[]);
        assert_eq!(baked.code, 0, "{}", baked.printed);
        assert_openssl_verifies(&baked.landed("etc/app/client.crt"), &server.anchors);
    }
}

/// The reference says that no lifetime can be asked for: of `cfssl serve` that is so.
#[test]
fn the_profile_decides_on_the_lifetime_and_multirootca_grants_a_shorter_one() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let (_key, hour) = order(PATIENCE);
    let issue = |opened: Opened| opened.authority.issue(&hour).unwrap();
    let issued = issue(opened(&server, Transport::Tls, |_| {}));
    assert!(left(&issued.certificates[0]) > 71 * 3600);
    assert!(issued.date.is_some());
    let server = Cfssl::start_multirootca(Transport::Tls).unwrap();
    let issued = issue(opened(&server, Transport::Tls, |_| {}));
    let left = left(&issued.certificates[0]);
    assert!((3590..=3600).contains(&left), "{left}");
}

#[test]
fn a_wrong_key_is_refused_before_and_at_the_order() {
    for server in [
        Cfssl::start(Transport::Tls),
        Cfssl::start_multirootca(Transport::Tls),
    ] {
        let Some(server) = server else {
            return;
        };
        let right = opened(&server, Transport::Tls, |_| {});
        let (_key, order) = order(PATIENCE);
        let found = right
            .preflight
            .unwrap()
            .preflight(&order, Depth::Whole)
            .unwrap();
        let codes: Vec<_> = found.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["ca-answers"]);

        let wrong = key(&server, "00ff");
        let opened = opened(&server, Transport::Tls, |table| {
            table.insert("key".to_owned(), wrong.into());
        });
        let before = opened.preflight.unwrap().preflight(&order, Depth::Whole);
        for error in [
            before.unwrap_err(),
            opened.authority.issue(&order).unwrap_err(),
        ] {
            let finding = refused(error);
            assert_eq!(finding.code.as_str(), "ca-login-refused");
            assert!(
                finding.summary.ends_with("invalid token"),
                "{}",
                finding.summary
            );
        }
    }
}

#[test]
fn no_key_where_one_is_needed_is_told_so() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let opened = opened(&server, Transport::Tls, |table| {
        table.remove("key");
    });
    let finding = refused(opened.authority.issue(&order(PATIENCE).1).unwrap_err());
    assert!(finding.hint.ends_with("give key"), "{}", finding.hint);
}

#[test]
fn a_profile_that_is_not_there_is_the_default_one_at_cfssl_and_refused_at_multirootca() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let misspelt = |table: &mut toml::Table| {
        table.insert("profile".to_owned(), "cleint".into());
    };
    let (_key, mut order) = order(PATIENCE);
    order.ttl = Some("72h".parse().unwrap());
    let asked = opened(&server, Transport::Tls, misspelt);
    let found = asked
        .preflight
        .unwrap()
        .preflight(&order, Depth::Order)
        .unwrap();
    assert_eq!(found[0].code.as_str(), "lifetime-capped");
    assert!(found[0].hint.contains("default"), "{}", found[0].hint);
    let issued = asked.authority.issue(&order).unwrap();
    assert!(left(&issued.certificates[0]) < 24 * 3600);

    let server = Cfssl::start_multirootca(Transport::Tls).unwrap();
    let opened = opened(&server, Transport::Tls, misspelt);
    let finding = refused(opened.authority.issue(&order).unwrap_err());
    assert!(finding.hint.contains("profile"), "{}", finding.hint);
}

#[test]
fn a_label_that_is_not_there_is_told() {
    let Some(server) = Cfssl::start_multirootca(Transport::Tls) else {
        return;
    };
    let opened = opened(&server, Transport::Tls, |table| {
        table.insert("label".to_owned(), "secondary".into());
    });
    let finding = refused(opened.authority.issue(&order(PATIENCE).1).unwrap_err());
    assert!(
        finding.summary.ends_with("bad label"),
        "{}",
        finding.summary
    );
}

#[test]
fn a_bundle_that_the_server_does_not_have_is_no_reason_to_fail() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let opened = opened(&server, Transport::Tls, |table| {
        table.insert("bundle".to_owned(), true.into());
    });
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(issued.findings[0].code.as_str(), "ca-said");
}

#[test]
fn without_a_store_nothing_is_revoked_and_that_is_said() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let opened = opened(&server, Transport::Tls, |_| {});
    let issued = opened.authority.issue(&order(PATIENCE).1).unwrap();
    let certificate = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    let revocation = revocation(&certificate, Reason::Superseded);
    let finding = refused(opened.revoke.unwrap().revoke(&revocation).unwrap_err());
    assert!(finding.hint.contains("-db-config"), "{}", finding.hint);
}

#[test]
fn a_server_that_is_gone_is_unreachable_and_nothing_is_written() {
    let Some(server) = Cfssl::start(Transport::Tls) else {
        return;
    };
    let (table, anchors) = (table(&server, Transport::Tls), anchors(&server));
    let kept = opened(&server, Transport::Tls, |_| {});
    kept.authority.issue(&order(PATIENCE).1).unwrap();
    let (port, directory) = (server.url.clone(), server.stop());
    let error = kept
        .authority
        .issue(&order(Duration::from_secs(3)).1)
        .unwrap_err();
    assert!(
        matches!(error, AuthorityError::Unreachable(_)),
        "{port}: {error}"
    );
    let baked = Baked::provision("cfssl", &table, &anchors, &[]);
    assert_eq!(baked.code, 6, "{}", baked.printed);
    assert!(!baked.landed("etc").exists());
    drop(directory);
}
