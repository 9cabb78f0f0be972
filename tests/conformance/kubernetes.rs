//! Kubernetes' API of certificate signing requests.

#[path = "kubernetes/decisions.rs"]
mod decisions;
#[path = "kubernetes/faults.rs"]
mod faults;
#[path = "kubernetes/logins.rs"]
mod logins;
#[path = "kubernetes/signers.rs"]
mod signers;

use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use certbake::authority::{AuthorityError, Issued, Opened};
use certbake::finding::Finding;
use certbake::pki::{Certificate, pem};
use data_encoding::BASE64;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::servers::kubernetes::{
    APPROVER_TOKEN, BUILDER_TOKEN, Kubernetes, REQUESTS, SIGNER, STRANGER_TOKEN, write_private,
};
use crate::servers::{assert_openssl_verifies, tls};
use crate::support::contract::{open, order_for};

/// certbake's authority on this API server, by a token.
fn authority(
    kubernetes: &Kubernetes,
    token: &str,
    change: impl FnOnce(&mut toml::Table),
) -> (NamedTempFile, Opened) {
    let file = NamedTempFile::new().unwrap();
    write_private(file.path(), token);
    let token = format!("file:{}", file.path().display());
    let (url, trust) = (
        kubernetes.url.as_str(),
        format!("file:{}", kubernetes.anchors.display()),
    );
    let mut table = toml::toml! {
        url = url
        trust = trust
        token = token
        signer_name = SIGNER
    };
    change(&mut table);
    (file, open("kubernetes", table, &root(kubernetes)))
}

/// As [`authority`], as the builder.
fn by_builder(
    kubernetes: &Kubernetes,
    change: impl FnOnce(&mut toml::Table),
) -> (NamedTempFile, Opened) {
    authority(kubernetes, BUILDER_TOKEN, change)
}

fn root(kubernetes: &Kubernetes) -> Vec<Vec<u8>> {
    pem::certificates(&fs::read(&kubernetes.anchors).unwrap()).unwrap()
}

type Outcome = Result<Issued, AuthorityError>;

/// Orders for `common_name`; meanwhile somebody does `others` with the request that came of it.
fn ordered(
    kubernetes: &Kubernetes,
    opened: &Opened,
    common_name: &str,
    patience: Duration,
    others: impl FnOnce(&str, &thread::ScopedJoinHandle<'_, Outcome>),
) -> Outcome {
    let (_key, order) = order_for(common_name, patience);
    thread::scope(|scope| {
        let order = scope.spawn(|| opened.authority.issue(&order));
        others(&kubernetes.request_for(common_name), &order);
        order.join().unwrap()
    })
}

/// Approves everything, and signs it where nobody else does, while `work` lasts.
fn attended<T>(kubernetes: &Kubernetes, signs: bool, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in kubernetes.requests() {
                    if kubernetes.request(&name)["status"]["conditions"].is_array() {
                        continue;
                    }
                    kubernetes.decide(&name, "Approved", "approved by a test");
                    if signs {
                        kubernetes.sign(&name, 1);
                    }
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        let done = Ends(&done);
        let worked = work();
        drop(done);
        worked
    })
}

/// Says so also when the work fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn refused(outcome: Outcome) -> Finding {
    match outcome {
        Err(AuthorityError::Refused(finding)) => *finding,
        other => panic!("not refused: {other:?}"),
    }
}

fn unreachable(outcome: Outcome) -> Finding {
    match outcome {
        Err(AuthorityError::Unreachable(finding)) => *finding,
        other => panic!("not unreachable: {other:?}"),
    }
}

fn leaf(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.certificates[0].clone()).unwrap()
}

/// `certbake SUBCOMMAND` with flags alone for the identity `app`, as the user of a kubeconfig, its
/// image a new one.
fn certbake(
    kubernetes: &Kubernetes,
    subcommand: &str,
    kubeconfig: &str,
    options: &[&str],
) -> Output {
    let rootfs = tempfile::tempdir_in(kubernetes.directory()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args([subcommand, "--root", rootfs.path().to_str().unwrap()])
        .args(["--ca", "kubernetes", "--common-name", "app"])
        .args(["--ca-anchors", kubernetes.anchors.to_str().unwrap()])
        .args(["--cert", "/etc/app/c.crt", "--key", "/etc/app/c.key"])
        .args(options)
        .env("KUBECONFIG", kubeconfig)
        .current_dir(kubernetes.directory())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    let printed = [&output.stdout[..], &output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert!(!printed.contains("canary"), "{printed}");
    printed
}

/// The fixture itself: a request by curl, approved by one who may, and signed.
#[test]
fn kubernetes_hands_out_what_was_approved_and_signed() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_, request) = tls::make_request(kubernetes.directory(), "asked", "app.example");
    let asked = json!({
        "metadata": { "generateName": "app-" },
        "spec": {
            "request": BASE64.encode(&fs::read(request).unwrap()),
            "signerName": SIGNER,
            "expirationSeconds": 86_400,
            "usages": ["digital signature", "client auth"],
        },
    });
    let status = kubernetes.refusal("POST", REQUESTS, STRANGER_TOKEN, &asked);
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
    let created = kubernetes.ask("POST", REQUESTS, BUILDER_TOKEN, Some(&asked));
    let name = created["metadata"]["name"].as_str().unwrap();
    assert_eq!(created["spec"]["username"], "builder");
    assert_eq!(kubernetes.requests(), [name]);

    let approval = format!("{REQUESTS}/{name}/approval");
    let status = kubernetes.refusal("PUT", &approval, BUILDER_TOKEN, &created);
    assert_eq!(status["code"], 403, "who asks may not approve");
    kubernetes.decide(name, "Approved", "approved by a test");
    let status = format!("{REQUESTS}/{name}/status");
    let status = kubernetes.refusal("PUT", &status, APPROVER_TOKEN, &created);
    assert_eq!(status["code"], 403, "who approves may not sign");
    kubernetes.sign(name, 1);

    let answer = kubernetes.ask("GET", &format!("{REQUESTS}/{name}"), BUILDER_TOKEN, None);
    let certificate = answer["status"]["certificate"].as_str().unwrap();
    let chain = kubernetes.directory().join("app.pem");
    fs::write(&chain, BASE64.decode(certificate.as_bytes()).unwrap()).unwrap();
    assert_openssl_verifies(&chain, &kubernetes.anchors);
}
