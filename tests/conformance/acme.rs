//! The acme authority against Pebble and against step-ca's ACME provisioner.

mod losses;
mod orders;
mod proofs;
mod step_ca;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, CATALOGUE, Opened, Order, Settings};
use certbake::finding::Finding;
use certbake::pki::{AltName, Certificate, Chain, KeyAlgorithm, PrivateKey, pem};
use certbake::span::Span;
use time::OffsetDateTime;

use crate::servers::pebble::{Options, Pebble};
use crate::support::contract::{arranged, order_of};

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
