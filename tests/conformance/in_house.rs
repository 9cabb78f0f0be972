//! The service of `examples/in-house-ca`, as a process, and the description of it that stands there.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use certbake::authority::{AuthorityError, CATALOGUE, Depth, Opened, Reason, Settings};
use certbake::pki::{Certificate, pem};
use serde_json::Value;
use tempfile::TempDir;

use crate::servers::{Running, assert_openssl_verifies, curl, free_port, installed};
use crate::support::contract::{PATIENCE, order_for, revocation};

struct Service {
    url: String,
    folder: TempDir,
    running: Option<Running>,
}

impl Service {
    fn start() -> Option<Self> {
        if !installed("python3") {
            return None;
        }
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/in-house-ca");
        let folder = tempfile::tempdir().unwrap();
        let (port, lab) = (free_port(), folder.path().join("lab"));
        let port_text = port.to_string();
        let arguments = ["--dir", lab.to_str().unwrap(), "--port", &port_text];
        let log = folder.path().join("service.log");
        let running = Running::start(&example.join("service.py"), arguments, port, &log);
        let url = format!("https://localhost:{port}/api/v1");
        let config = fs::read_to_string(example.join("certbake.toml")).unwrap();
        let config = config.replace("https://localhost:8443/api/v1", &url);
        fs::write(folder.path().join("certbake.toml"), config).unwrap();
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        Some(Self {
            url,
            folder,
            running: Some(running),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn token(&self, name: &str) -> String {
        fs::read_to_string(self.path("lab").join(name))
            .unwrap()
            .trim()
            .to_owned()
    }

    fn provision(&self, more: &[&str]) -> (i32, String) {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["provision", "--root", "rootfs"])
            .args(more)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let printed =
            String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap();
        assert!(!printed.contains(&self.token("token")), "{printed}");
        (output.status.code().unwrap(), printed)
    }

    fn open(&self) -> Opened {
        let config: toml::Table = fs::read_to_string(self.path("certbake.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let mut table = config["ca"]["security-service"].as_table().unwrap().clone();
        table.remove("kind");
        table.remove("anchors");
        let anchors = pem::certificates(&fs::read(self.path("lab/ca.pem")).unwrap()).unwrap();
        let entry = CATALOGUE.iter().find(|entry| entry.kind == "http").unwrap();
        (entry.open)(&Settings {
            name: "lab",
            table,
            anchors: &anchors,
            directory: self.folder.path(),
            now: time::OffsetDateTime::now_utc(),
            environment: &|_| None,
            on_wait: None,
        })
        .unwrap()
    }

    /// What a person does, by curl.
    fn as_approver(&self, number: &str, decision: &str) {
        let header = format!("Authorization: Bearer {}", self.token("approver-token"));
        let url = format!("{}/requests/{number}/{decision}", self.url);
        let arguments = ["--header", &header];
        curl::json(
            &url,
            Some(&self.path("lab/ca.pem")),
            &arguments,
            Some(&Value::Object(Default::default())),
        );
    }

    /// The number of the request that waits, from the service's log of what it was asked.
    fn waiting(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.running.as_ref().unwrap().output();
            if let Some((_, rest)) = log.split_once("GET /api/v1/requests/") {
                return rest.chars().take_while(char::is_ascii_hexdigit).collect();
            }
            assert!(Instant::now() < deadline, "nothing waits: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_certificate_of_the_service_lands_by_the_example() {
    let Some(service) = Service::start() else {
        return;
    };
    let (code, printed) = service.provision(&[]);
    assert_eq!(code, 0, "{printed}");
    let chain = service.path("rootfs/etc/app/tls/client.crt");
    assert_openssl_verifies(&chain, &service.path("lab/ca.pem"));
    assert_eq!(
        pem::certificates(&fs::read(chain).unwrap()).unwrap().len(),
        2
    );
}

#[test]
fn the_services_own_words_reach_the_one_who_builds() {
    let Some(service) = Service::start() else {
        return;
    };
    for (more, code, words) in [
        (
            &["--common-name", "evil-twin"][..],
            5,
            "evil-twin is on the list of names that are never signed",
        ),
        (
            &["--ttl", "60d"],
            5,
            "30 days are the longest lifetime, 60 were asked for",
        ),
        (&["--ca-set", "token=cmd:echo wrong"], 5, "no such token"),
    ] {
        let (came, printed) = service.provision(more);
        assert_eq!(came, code, "{printed}");
        assert!(printed.contains(words), "{words} in {printed}");
    }
    assert!(!service.path("rootfs/etc").exists());
}

#[test]
fn a_person_approves_or_denies_while_the_build_waits() {
    for (decision, good) in [("approve", true), ("deny", false)] {
        let Some(service) = Service::start() else {
            return;
        };
        std::thread::scope(|scope| {
            let baking = scope.spawn(|| service.provision(&["--common-name", "prod-app"]));
            service.as_approver(&service.waiting(), decision);
            let (code, printed) = baking.join().unwrap();
            assert_eq!(code == 0, good, "{printed}");
            assert_eq!(printed.contains("the approver said no"), !good, "{printed}");
        });
    }
}

#[test]
fn nobody_approves_and_the_build_ends_with_its_deadline() {
    let Some(service) = Service::start() else {
        return;
    };
    let (_key, order) = order_for("prod-app", Duration::from_secs(2));
    let error = service.open().authority.issue(&order).unwrap_err();
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    assert_eq!(error.into_finding().code.as_str(), "ca-pending");
}

#[test]
fn the_login_is_tried_before_an_order_and_a_certificate_is_taken_back() {
    let Some(service) = Service::start() else {
        return;
    };
    let opened = service.open();
    let (_key, order) = order_for("app", PATIENCE);
    let found = opened
        .preflight
        .as_ref()
        .unwrap()
        .preflight(&order, Depth::Whole)
        .unwrap();
    assert_eq!(found[0].code.as_str(), "ca-answers");
    let issued = opened.authority.issue(&order).unwrap();
    let certificate = Certificate::from_der(issued.certificates[0].clone()).unwrap();
    let revocation = revocation(&certificate, Reason::Superseded);
    let revoke = opened.revoke.unwrap();
    revoke.revoke(&revocation).unwrap();
    revoke.revoke(&revocation).unwrap();
    let database = fs::read_to_string(service.path("lab/index.txt")).unwrap();
    assert!(
        database.starts_with('R') && database.contains("superseded"),
        "{database}"
    );
}

#[test]
fn a_service_that_is_killed_in_the_middle_of_an_order_is_unreachable() {
    let Some(mut service) = Service::start() else {
        return;
    };
    let opened = service.open();
    let (_key, order) = order_for("prod-app", Duration::from_secs(8));
    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| opened.authority.issue(&order).unwrap_err());
        service.waiting();
        service.running = None;
        waiting.join().unwrap()
    });
    assert!(matches!(error, AuthorityError::Unreachable(_)), "{error}");
    let (code, printed) = service.provision(&[]);
    assert_eq!(code, 6, "{printed}");
}
