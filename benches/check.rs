//! How fast `certbake check` reads: 100,000 certificates in files of their own, and in bundles.
//!
//! `cargo bench --bench check`; for a figure per core, `taskset -c 0` before it. With
//! `CERTBAKE_BENCH_CORPUS=DIR` the files are made in DIR and kept, for runs of the program itself.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use certbake::command::check::{self, Plan, Target};
use certbake::command::{Context, Quiet};
use certbake::outcome::Outcome;
use certbake::verify::Policy;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

const CERTIFICATES: usize = 100_000;
const FOLDERS: usize = 100;
const IN_A_BUNDLE: usize = 1000;

/// `single/` and `bundles/`, the same certificates in both.
fn corpus(folder: &Path, now: OffsetDateTime) -> [PathBuf; 2] {
    let made = [folder.join("single"), folder.join("bundles")];
    if made.iter().all(|folder| folder.exists()) {
        return made;
    }
    let [single, bundles] = &made;
    fs::create_dir_all(bundles).unwrap();
    let issuer = authority();
    let key = KeyPair::generate().unwrap();
    let mut bundle = String::new();
    for number in 0..CERTIFICATES {
        let pem = leaf(number, now).signed_by(&key, &issuer).unwrap().pem();
        let in_folder = single.join(format!("{:03}", number % FOLDERS));
        if number < FOLDERS {
            fs::create_dir_all(&in_folder).unwrap();
        }
        fs::write(in_folder.join(format!("{number:06}.pem")), &pem).unwrap();
        bundle.push_str(&pem);
        if (number + 1) % IN_A_BUNDLE == 0 {
            fs::write(bundles.join(format!("{number:06}.pem")), &bundle).unwrap();
            bundle.clear();
        }
    }
    made
}

fn authority() -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Bench Issuing");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Issuer::new(params, KeyPair::generate().unwrap())
}

/// As an internal authority issues them: names, usages, key identifiers.
fn leaf(number: usize, now: OffsetDateTime) -> CertificateParams {
    let name = format!("app-{number:06}.bench.internal");
    let mut params = CertificateParams::new(vec![name.clone()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Bench");
    params.not_before = now - Duration::HOUR;
    params.not_after = now + Duration::days(3650);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn check(folder: &Path, now: OffsetDateTime) {
    let plan = Plan {
        target: Target::Files {
            paths: vec![folder.to_owned()],
            anchors: Vec::new(),
            crls: Vec::new(),
        },
        policy: Policy {
            floor: Some("21d".parse().unwrap()),
            ..Policy::default()
        },
        at: Some(now),
    };
    let context = Context {
        now,
        started: Instant::now(),
        environment: &|_| None,
        progress: &Quiet,
    };
    let report = check::run(black_box(&plan), &context);
    assert_eq!(
        (report.outcome, report.checked),
        (Outcome::Ok, Some(CERTIFICATES))
    );
}

fn reading(criterion: &mut Criterion) {
    let now = OffsetDateTime::now_utc();
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("CERTBAKE_BENCH_CORPUS").map(PathBuf::from);
    let [single, bundles] = corpus(kept.as_deref().unwrap_or(scratch.path()), now);
    let mut group = criterion.benchmark_group("check");
    group.throughput(Throughput::Elements(CERTIFICATES as u64));
    group.sample_size(10);
    group.bench_function("files of one certificate", |bencher| {
        bencher.iter(|| check(&single, now))
    });
    group.bench_function("bundles of a thousand", |bencher| {
        bencher.iter(|| check(&bundles, now))
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
