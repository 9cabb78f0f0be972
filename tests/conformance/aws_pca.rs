//! certbake at moto's ACM-PCA, which signs with a real key and ignores validity, template and usage:
//! what comes must be caught by our own checks. Its CAs are in short-lived mode.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::servers::moto::{Moto, PrivateCa};

const SECRET: &str = "canary-aws-secret-key";

/// A directory with an image root, a configuration for this CA, and the CA's certificate.
fn build(moto: &Moto, ca: &PrivateCa, identity: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path();
    std::fs::create_dir(files.join("rootfs")).unwrap();
    std::fs::write(files.join("root.pem"), &ca.certificate).unwrap();
    let config = format!(
        "[ca.corp]\nkind = \"aws-pca\"\nurl = \"{}\"\nanchors = \"root.pem\"\n\
         certificate_authority = \"{}\"\n\
         [identity.app]\ncommon_name = \"app\"\ndns = [\"app.internal\"]\n{identity}\n\
         [identity.app.placements]\nfull_chain = \"/etc/app.pem\"\nprivate_key = \"/etc/app.key\"\n",
        moto.url, ca.arn
    );
    std::fs::write(files.join("certbake.toml"), config).unwrap();
    directory
}

fn certbake(files: &Path, verb: &str) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args([verb, "--root", "rootfs", "--report", "json"])
        .current_dir(files)
        .env_clear()
        .env("HOME", files)
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .output()
        .unwrap();
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&printed).contains(SECRET));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output, report)
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[test]
fn what_moto_signs_without_regard_to_the_order_is_refused_and_nothing_is_written() {
    let Some(moto) = Moto::start() else { return };
    let ca = moto.private_ca();
    let directory = build(&moto, &ca, "ttl = \"5d\"\nmax_validity = \"6d\"");
    let (output, report) = certbake(directory.path(), "provision");
    let codes = codes(&report);
    assert_ne!(output.status.code(), Some(0), "{report:#}");
    assert!(codes.contains(&"lifetime-too-long"), "{codes:?}");
    assert!(codes.contains(&"usage-missing"), "{codes:?}");
    assert!(!directory.path().join("rootfs/etc/app.key").exists());
}

#[test]
fn an_unknown_ca_is_told_by_its_exception() {
    let Some(moto) = Moto::start() else { return };
    let mut ca = moto.private_ca();
    let (place, _) = ca.arn.rsplit_once('/').unwrap();
    ca.arn = format!("{place}/00000000-0000-0000-0000-000000000000");
    let directory = build(&moto, &ca, "ttl = \"5d\"");
    let (output, report) = certbake(directory.path(), "provision");
    assert_eq!(output.status.code(), Some(5), "{report:#}");
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("ResourceNotFoundException"), "{summary}");
}

#[test]
fn a_ttl_that_short_lived_mode_forbids_is_known_before_the_order() {
    let Some(moto) = Moto::start() else { return };
    let ca = moto.private_ca();
    let directory = build(&moto, &ca, "ttl = \"30d\"");
    let (output, report) = certbake(directory.path(), "provision");
    assert_eq!(output.status.code(), Some(5), "{report:#}");
    assert_eq!(codes(&report), ["ttl-not-allowed"]);
}

#[test]
fn doctor_tells_as_whom_aws_knows_us() {
    let Some(moto) = Moto::start() else { return };
    let ca = moto.private_ca();
    let directory = build(&moto, &ca, "ttl = \"5d\"");
    let (output, report) = certbake(directory.path(), "doctor");
    let text = report.to_string();
    assert!(text.contains("AKIATEST"), "{report:#}");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
}
