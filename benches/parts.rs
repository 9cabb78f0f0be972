//! What `provision` consists of, each part for itself: `cargo bench --bench parts`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "support/handshake.rs"]
mod handshake;
#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use certbake::image::{Content, ImageRoot, Mode, Owner, Slot, Staging};
use certbake::outcome::Outcome;
use certbake::pki::{Certificate, KeyAlgorithm, PrivateKey, ReceivedRequest, Usage};
use certbake::secret::Secret;
use certbake::verify::{self, Asked, Evidence, Policy};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use handshake::Dialer;
use support::Lab;

fn keys(c: &mut Criterion) {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        c.bench_function(&format!("key/{algorithm}"), |b| {
            b.iter(|| PrivateKey::generate(algorithm).unwrap());
        });
    }
    let key = support::key();
    c.bench_function("signing request", |b| b.iter(|| support::request(&key)));
}

fn authority(c: &mut Criterion) {
    let lab = Lab::new();
    let dialer = Dialer::new(lab.serve(), lab.ca().root());
    c.bench_function("TLS handshake", |b| b.iter(|| dialer.dial()));

    let ca = lab.ca();
    let request = support::request(&support::key());
    let request = ReceivedRequest::from_der(request.der()).unwrap();
    c.bench_function("issue: sign, log, sync the log", |b| {
        b.iter(|| ca.issue(&request, &support::terms()).unwrap());
    });
}

fn certificates(c: &mut Criterion) {
    let lab = Lab::new();
    let key = support::key();
    let (chain, anchors) = lab.issued(&key);
    let der = chain.leaf.der().to_vec();
    c.bench_function("parse a certificate", |b| {
        b.iter(|| Certificate::from_der(black_box(&der[..])).unwrap());
    });

    let (subject, names) = (support::subject(), support::names());
    let evidence = Evidence {
        anchors: Some(&anchors),
        key: Some(key.spki()),
        asked: Some(Asked {
            subject: &subject,
            names: &names,
            usage: Usage::Client,
            ttl: None,
        }),
        ..Evidence::new(support::now(), &chain)
    };
    c.bench_function("verify a credential", |b| {
        b.iter(|| {
            let verdict = verify::credential(&evidence, &Policy::default());
            assert_eq!(verdict.outcome(), Outcome::Ok);
        });
    });
}

fn image(c: &mut Criterion) {
    let lab = Lab::new();
    let root = ImageRoot::open(&lab.path("image")).unwrap();
    let names = ["app.key", "app.pem", "ca.pem"];
    let slots = || {
        let slot = |name: &str| Slot {
            path: format!("/etc/tls/{name}").parse().unwrap(),
            mode: Mode::new(0o600),
            owner: Owner::Running,
            group: Owner::Running,
            label: name.to_owned(),
        };
        names.map(slot).to_vec()
    };
    let mut run: u64 = 0;
    c.bench_function("land three files", |b| {
        b.iter_batched(
            || {
                run += 1;
                let content = |slot: Slot| Content {
                    path: slot.path,
                    bytes: Secret::from(format!("{run:01000}")),
                };
                slots().into_iter().map(content).collect()
            },
            |contents| {
                let staging = Staging::prepare(&root, slots()).unwrap();
                staging.write(contents).unwrap().commit().unwrap()
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(parts, keys, authority, certificates, image);
criterion_main!(parts);
