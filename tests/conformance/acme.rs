//! The acme authority against Pebble and against step-ca's ACME provisioner.

mod losses;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certbake::authority::{
    AuthorityError, CATALOGUE, Current, Depth, Opened, Order, Reason, Revocation, Settings,
};
use certbake::finding::Finding;
use certbake::pki::{AltName, Certificate, Chain, KeyAlgorithm, PrivateKey, pem};
use certbake::span::Span;
use serde_json::json;
use time::OffsetDateTime;

use crate::servers::pebble::{EXTERNAL_ACCOUNT, Options, Pebble};
use crate::servers::step::StepCa;
use crate::servers::{curl, free_port};
use crate::support::contract::{arranged, order_of, revocation};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for at Pebble, with the settings beside place and account.
fn at_pebble(pebble: &Pebble, settings: toml::Table) -> Opened {
    open(&pebble.url, &pebble.anchors, pebble.directory(), settings)
}

fn open(url: &str, anchors: &Path, directory: &Path, settings: toml::Table) -> Opened {
    let mut table = settings;
    table.insert("url".to_owned(), url.into());
    table
        .entry("account")
        .or_insert_with(|| "account.json".into());
    table
        .entry("terms_of_service_agreed")
        .or_insert_with(|| true.into());
    let entry = CATALOGUE.iter().find(|entry| entry.kind == "acme").unwrap();
    (entry.open)(&Settings {
        name: "lab",
        table,
        anchors: &pem::certificates(&fs::read(anchors).unwrap()).unwrap(),
        directory,
        now: OffsetDateTime::now_utc(),
        environment: &|_| None,
        on_wait: None,
    })
    .unwrap()
}

fn http_01(pebble: &Pebble) -> toml::Table {
    let listen = format!("127.0.0.1:{}", pebble.http_port);
    toml::toml! { listen = listen }
}

fn order(names: &[&str]) -> (PrivateKey, Order) {
    let names = names
        .iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(_) => AltName::ip(name).unwrap(),
            Err(_) => AltName::dns(name).unwrap(),
        })
        .collect();
    let (key, order) = order_of(KeyAlgorithm::EcdsaP256, None, names);
    let order = Order {
        ttl: Some(Span::seconds(7200)),
        deadline: Instant::now() + PATIENCE,
        ..order
    };
    (key, order)
}

fn issued(opened: &Opened, names: &[&str]) -> (PrivateKey, Chain, Vec<Finding>) {
    let (key, order) = order(names);
    let issued = opened.authority.issue(&order).unwrap();
    let chain = arranged(&issued, &key);
    (key, chain, issued.findings)
}

fn refused(opened: &Opened, names: &[&str]) -> Finding {
    match opened.authority.issue(&order(names).1) {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

fn names_of(certificate: &Certificate) -> Vec<String> {
    let mut names: Vec<String> = certificate
        .facts()
        .names
        .iter()
        .map(ToString::to_string)
        .collect();
    names.sort();
    names
}

#[test]
fn pebble_signs_for_names_and_addresses_proven_by_http_01() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    let (_, chain, findings) = issued(&opened, &["app.example", "127.0.0.1", "db.example"]);
    assert_eq!(
        names_of(&chain.leaf),
        ["dns:app.example", "dns:db.example", "ip:127.0.0.1"]
    );
    assert_eq!((chain.intermediates.len(), findings.len()), (1, 0));
}

#[test]
fn pebble_signs_for_names_and_addresses_proven_by_tls_alpn_01() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let listen = format!("127.0.0.1:{}", pebble.tls_port);
    let settings = toml::toml! {
        challenge = "tls-alpn-01"
        listen = listen
    };
    let (_, chain, _) = issued(&at_pebble(&pebble, settings), &["app.example", "127.0.0.1"]);
    assert_eq!(names_of(&chain.leaf), ["dns:app.example", "ip:127.0.0.1"]);
}

/// A hook that hands the record to Pebble's name server.
fn hook(pebble: &Pebble) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = pebble.directory().join("hook");
    let text = format!(
        "#!/bin/sh\nset -eu\ncase $1 in\n\
         present) curl -fsS -d \"{{\\\"host\\\":\\\"$3.\\\",\\\"value\\\":\\\"$4\\\"}}\" {0}/set-txt ;;\n\
         cleanup) curl -fsS -d \"{{\\\"host\\\":\\\"$3.\\\"}}\" {0}/clear-txt ;;\nesac\n",
        pebble.names.management
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn pebble_signs_for_a_wildcard_proven_by_a_dns_hook() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let hook = hook(&pebble);
    let hook = hook.to_str().unwrap();
    let settings = toml::toml! {
        challenge = "dns-01"
        dns_hook = [hook]
    };
    let (_, chain, findings) = issued(&at_pebble(&pebble, settings), &["*.app.example"]);
    assert_eq!(names_of(&chain.leaf), ["dns:*.app.example"]);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_pebble_that_is_hard_to_please_is_pleased() {
    let options = Options {
        rejected_nonces: 20,
        external_account: true,
        profiles: vec![("default", 7_776_000), ("short", 86_400)],
        intermediates: 2,
    };
    let Some(pebble) = Pebble::start(&options) else {
        return;
    };
    let Err(AuthorityError::Settings(finding)) = at_pebble(&pebble, http_01(&pebble))
        .authority
        .issue(&order(&["app.example"]).1)
    else {
        panic!("an account without a binding");
    };
    assert_eq!(finding.code.as_str(), "acme-external-account-required");

    let (id, key) = EXTERNAL_ACCOUNT;
    let file = pebble.directory().join("hmac");
    secret(&file, key);
    let mut settings = http_01(&pebble);
    settings.insert("eab_key_id".to_owned(), id.into());
    settings.insert(
        "eab_hmac_key".to_owned(),
        format!("file:{}", file.display()).into(),
    );
    settings.insert("profile".to_owned(), "short".into());
    let opened = at_pebble(&pebble, settings.clone());
    // A nonce in five is called bad: many orders, none of which may fail for it.
    for number in 0..10 {
        let (_, chain, _) = issued(&opened, &[&format!("app{number}.example")]);
        assert_eq!(chain.intermediates.len(), 2);
        let window = chain.leaf.window();
        assert!((window.not_after - window.not_before) <= time::Duration::DAY);
    }

    settings.insert("profile".to_owned(), "tlsclient".into());
    let finding = refused(&at_pebble(&pebble, settings.clone()), &["app.example"]);
    assert_eq!(finding.code.as_str(), "acme-profile-unknown");
    assert_eq!(finding.hint, "the CA offers default, short");

    settings.insert("eab_hmac_key".to_owned(), "cmd:echo d3Jvbmc".into());
    settings.insert("account".to_owned(), "other.json".into());
    settings.remove("profile");
    let finding = refused(&at_pebble(&pebble, settings), &["app.example"]);
    assert!(
        finding.summary.starts_with("making an account: "),
        "{}",
        finding.summary
    );
}

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn several_orders_at_once_share_one_account_and_one_listener() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let opened = &opened;
            scope.spawn(move || issued(opened, &[&format!("app{number}.example")]));
        }
    });
    let made = pebble.running.output().matches("POST /sign-me-up").count();
    assert_eq!(made, 1, "{}", pebble.running.output());
    assert!(std::net::TcpStream::connect(("127.0.0.1", pebble.http_port)).is_err());
}

#[test]
fn the_lifetime_is_asked_for_where_that_is_said() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let mut settings = http_01(&pebble);
    settings.insert("ask_lifetime".to_owned(), true.into());
    let (_, chain, _) = issued(&at_pebble(&pebble, settings), &["app.example"]);
    let left = chain.leaf.window().not_after - OffsetDateTime::now_utc();
    assert!(left <= time::Duration::hours(2), "{left}");
    assert!(left > time::Duration::minutes(118), "{left}");
}

#[test]
fn a_proof_that_pebble_does_not_find_is_told_with_what_it_saw() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let wrong_port = toml::toml! { listen = listen };
    let finding = refused(&at_pebble(&pebble, wrong_port), &["app.example"]);
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert!(
        finding.summary.contains("app.example by http-01"),
        "{}",
        finding.summary
    );
    assert!(
        finding.summary.contains("connection refused"),
        "{}",
        finding.summary
    );
    assert_eq!(finding.facts["ca_came_here"], false);
    assert!(finding.hint.contains("port 80"), "{}", finding.hint);

    let hook = "/bin/true";
    let nothing_made = toml::toml! {
        challenge = "dns-01"
        dns_hook = [hook]
    };
    let finding = refused(&at_pebble(&pebble, nothing_made), &["db.example"]);
    assert_eq!(finding.code.as_str(), "acme-challenge-failed");
    assert!(finding.summary.contains("TXT"), "{}", finding.summary);
}

#[test]
fn a_renewal_says_what_it_replaces_and_once_only() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    let (key, first, _) = issued(&opened, &["app.example"]);
    let ders: Vec<Vec<u8>> = std::iter::once(&first.leaf)
        .chain(&first.intermediates)
        .map(|link| link.der().to_vec())
        .collect();
    let current = Current {
        chain: &ders,
        key: &key,
    };
    let renew = opened.renew.as_ref().unwrap();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let (key, order) = order(&["app.example"]);
        let issued = renew.renew(&order, &current).unwrap();
        assert_ne!(arranged(&issued, &key).leaf, first.leaf);
        codes.push(
            issued
                .findings
                .iter()
                .map(|f| f.code.as_str())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(codes[0], ["acme-renewal-window"]);
    assert_eq!(codes[1], ["acme-renewal-window", "acme-already-replaced"]);
    assert!(pebble.running.output().contains("marked as replaced"));
}

#[test]
fn a_certificate_is_revoked_by_its_account_or_by_its_own_key() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    for by_key in [false, true] {
        let (key, chain, _) = issued(&opened, &["app.example"]);
        // Another account may not, and need not, where the key is at hand.
        let other = toml::toml! { account = "other.json" };
        let revoking = if by_key {
            &at_pebble(&pebble, other)
        } else {
            &opened
        };
        for _ in 0..2 {
            let revocation = Revocation {
                key: by_key.then_some(&key),
                ..revocation(&chain.leaf, Reason::KeyCompromise)
            };
            revoking
                .revoke
                .as_ref()
                .unwrap()
                .revoke(&revocation)
                .unwrap();
        }
        let serial = chain.leaf.facts().serial.trim_start_matches('0').to_owned();
        let place = format!("{}/cert-status-by-serial/{serial}", pebble.management);
        let status = curl::json(&place, Some(&pebble.anchors), &[], None);
        assert_eq!(status["Status"], "Revoked", "{status}");
        assert_eq!(status["Reason"], 1, "{status}");
    }
    assert!(!pebble.directory().join("other.json").exists());
}

#[test]
fn a_preflight_finds_out_what_an_order_would_and_makes_nothing() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let codes = |opened: &Opened| {
        let preflight = opened.preflight.as_ref().unwrap();
        let found = preflight.preflight(&order(&["app.example"]).1, Depth::Whole);
        found.map(|found| found.iter().map(|f| f.code.as_str()).collect::<Vec<_>>())
    };
    let opened = at_pebble(&pebble, http_01(&pebble));
    assert_eq!(codes(&opened).unwrap(), ["acme-account-new", "ca-answers"]);
    assert!(!pebble.directory().join("account.json").exists());
    issued(&opened, &["app.example"]);
    assert_eq!(codes(&opened).unwrap(), ["ca-answers"]);

    let mut settings = http_01(&pebble);
    settings.insert("profile".to_owned(), "no-such".into());
    assert_eq!(
        codes(&at_pebble(&pebble, settings)).unwrap(),
        ["acme-profile-unknown"]
    );

    // A Pebble that was started afresh knows nobody.
    let Some(afresh) = Pebble::start(&Options::default()) else {
        return;
    };
    let account = fs::read_to_string(pebble.directory().join("account.json")).unwrap();
    let account = account.replace(&pebble.url, &afresh.url);
    secret(&afresh.directory().join("account.json"), &account);
    let opened = at_pebble(&afresh, http_01(&afresh));
    let Err(AuthorityError::Refused(finding)) = codes(&opened) else {
        panic!("an account that nobody knows");
    };
    assert_eq!(finding.code.as_str(), "ca-login-refused");
}

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

/// Pebble signs for servers and clients alike, and its root is not the one above its own TLS.
#[test]
fn provision_bakes_a_certificate_of_pebble() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let (config, root) = at_pebble_by_file(&pebble);
    let baked = provision(&config, &root);
    let said = String::from_utf8_lossy(&baked.stdout).into_owned();
    assert_eq!(
        said.contains("usage-missing"),
        !baked.status.success(),
        "{said}"
    );
}

/// The hook is under way when the CA goes down: what it made is taken away all the same.
#[test]
fn a_pebble_that_dies_in_the_middle_of_an_order_is_told_and_nothing_is_left_behind() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    let directory = pebble.directory().to_owned();
    let hook = directory.join("hook");
    let text = format!(
        "#!/bin/sh\ncd {}\n: > $1\n[ $1 = cleanup ] || until [ -e gone ]; do sleep 0.05; done\n",
        directory.display()
    );
    fs::write(&hook, text).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let hook = hook.to_str().unwrap();
    let settings = toml::toml! {
        challenge = "dns-01"
        dns_hook = [hook]
    };
    let opened = at_pebble(&pebble, settings);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let ordering = scope.spawn(|| opened.authority.issue(&order(&["app.example"]).1));
        while !directory.join("present").exists() {
            assert!(started.elapsed() < PATIENCE, "the hook is never called");
            std::thread::sleep(Duration::from_millis(20));
        }
        let Pebble { running, .. } = pebble;
        drop(running);
        fs::write(directory.join("gone"), "").unwrap();
        match ordering.join().unwrap() {
            Err(AuthorityError::Unreachable(_)) => {}
            other => panic!("reached: {other:?}"),
        }
        assert!(directory.join("cleanup").exists());
        assert!(started.elapsed() < PATIENCE);
    });
}

/// A configuration and an image, for names proven by http-01.
fn at_pebble_by_file(pebble: &Pebble) -> (PathBuf, PathBuf) {
    let directory = pebble.directory();
    let (config, root) = (directory.join("certbake.toml"), directory.join("rootfs"));
    fs::create_dir_all(root.join("etc")).unwrap();
    let both = [&pebble.anchors, &pebble.root].map(|path| fs::read_to_string(path).unwrap());
    fs::write(directory.join("both.pem"), both.concat()).unwrap();
    let text = format!(
        "[ca.lab]\nkind = \"acme\"\nurl = \"{}\"\nanchors = \"both.pem\"\naccount = \"account.json\"\n\
         terms_of_service_agreed = true\nlisten = \"127.0.0.1:{}\"\n\n\
         [identity.app]\nca = \"lab\"\ndns = [\"app.example\"]\n\n\
         [identity.app.placements]\nfull_chain = \"/etc/app.crt\"\nprivate_key = \"/etc/app.key\"\n",
        pebble.url, pebble.http_port
    );
    fs::write(&config, text).unwrap();
    (config, root)
}

fn provision(config: &Path, root: &Path) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(provision_arguments(config, root))
        .env_remove("HTTPS_PROXY")
        .output()
        .unwrap()
}

fn provision_arguments<'a>(config: &'a Path, root: &'a Path) -> [&'a std::ffi::OsStr; 5] {
    let [provision, with, at] = ["provision", "--config", "--root"].map(std::ffi::OsStr::new);
    [provision, with, config.as_os_str(), at, root.as_os_str()]
}
