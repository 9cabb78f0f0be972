//! Path validation against x509-limbo: every case of `tests/vectors/x509-limbo/limbo.json` through the
//! code of `certbake check --cert --intermediates --anchors --crl --usage --name --at --max-depth --strict`, agreeing but
//! for the listed deviations.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use certbake::command::check::{self, CredentialFiles, Plan, Target};
use certbake::command::{Context, Quiet};
use certbake::finding::Severity;
use certbake::outcome::{Outcome, Report};
use certbake::pki::{AltName, Usage};
use certbake::verify::Policy;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

/// For the cases without a time of their own, whose certificates are valid for a thousand years.
const NOW: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

#[derive(Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    expected_result: String,
    expected_peer_name: Option<PeerName>,
    expected_peer_names: Vec<PeerName>,
    max_chain_depth: Option<usize>,
    #[serde(default)]
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct PeerName {
    kind: String,
    value: String,
}

/// `deviations.toml`: why a case that fails, or passes, is right to.
#[derive(Deserialize)]
struct Deviations {
    deviation: Vec<Deviation>,
}

#[derive(Deserialize)]
struct Deviation {
    reason: String,
    cases: Vec<String>,
}

fn vectors(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/x509-limbo")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn limbo() -> Limbo {
    let limbo: Limbo = serde_json::from_str(&vectors("limbo.json")).unwrap();
    assert_eq!(limbo.testcases.len(), 208, "the vectors are not complete");
    limbo
}

impl PeerName {
    fn parse(&self) -> AltName {
        match self.kind.as_str() {
            "DNS" => AltName::dns(&self.value).unwrap(),
            "IP" => AltName::ip(&self.value).unwrap(),
            // Not every address of the vectors is one that could be asked for.
            "RFC822" => AltName::Email(self.value.clone()),
            other => panic!("a kind of name that is not known here: {other}"),
        }
    }
}

impl Case {
    fn run(&self, folder: &Path, strict: bool) -> Report {
        let plan = Plan {
            target: Target::Credential(self.files(folder)),
            policy: Policy {
                usage: Some(match self.validation_kind.as_str() {
                    "CLIENT" => Usage::Client,
                    _ => Usage::Server,
                }),
                peer_names: self
                    .expected_peer_name
                    .iter()
                    .chain(&self.expected_peer_names)
                    .map(PeerName::parse)
                    .collect(),
                max_depth: self.max_chain_depth,
                strict,
                ..Policy::default()
            },
            at: self
                .validation_time
                .as_ref()
                .map(|time| OffsetDateTime::parse(time, &Rfc3339).unwrap()),
        };
        let context = Context {
            now: NOW,
            started: std::time::Instant::now(),
            environment: &|_| None,
            progress: &Quiet,
        };
        check::run(&plan, &context)
    }

    fn files(&self, folder: &Path) -> CredentialFiles {
        let write = |name: &str, pem: &[String]| -> Vec<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, pem.concat()).unwrap();
            if pem.is_empty() {
                Vec::new()
            } else {
                vec![path]
            }
        };
        CredentialFiles {
            certificate: write("leaf.pem", std::slice::from_ref(&self.peer_certificate)).remove(0),
            intermediates: write("intermediates.pem", &self.untrusted_intermediates),
            anchors: write("anchors.pem", &self.trusted_certs),
            key: None,
            crls: write("crls.pem", &self.crls),
        }
    }
}

fn deviations() -> BTreeMap<String, String> {
    let listed: Deviations = toml::from_str(&vectors("deviations.toml")).unwrap();
    let mut by_case = BTreeMap::new();
    for Deviation { reason, cases } in listed.deviation {
        assert!(reason.len() > 40, "a reason is missing for {cases:?}");
        for case in cases {
            let before = by_case.insert(case.clone(), reason.clone());
            assert_eq!(before, None, "{case} is listed twice");
        }
    }
    by_case
}

/// The errors among the findings, in words.
fn errors(report: &Report) -> Vec<String> {
    let errors = report.findings.iter().filter(|finding| finding.is_error());
    errors
        .map(|finding| format!("{}: {}", finding.code, finding.summary))
        .collect()
}

#[test]
fn every_case_agrees_but_for_the_deviations_that_are_listed_with_their_reasons() {
    let limbo = limbo();
    let mut listed = deviations();
    let total = listed.len();
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut agreed = 0;
    for case in &limbo.testcases {
        let report = case.run(folder.path(), true);
        let agrees = (report.outcome == Outcome::Ok) == (case.expected_result == "SUCCESS");
        match (agrees, listed.remove(&case.id)) {
            (true, None) => agreed += 1,
            (false, Some(_)) => {}
            (true, Some(_)) => wrong.push(format!("{} agrees now: take it off the list", case.id)),
            (false, None) => wrong.push(format!(
                "{} should be {} ({})",
                case.id,
                case.expected_result,
                errors(&report).join("; ")
            )),
        }
    }
    wrong.extend(
        listed
            .into_keys()
            .map(|id| format!("{id} is listed, and there is no such case")),
    );
    println!(
        "x509-limbo: {agreed} of {} cases agree, {total} deviate as listed",
        limbo.testcases.len()
    );
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_strict_refuses_beyond_the_default_is_warned_of_or_noted_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for case in &limbo().testcases {
        let strict = case.run(folder.path(), true);
        let lenient = case.run(folder.path(), false);
        if strict.outcome == lenient.outcome {
            continue;
        }
        refused += 1;
        assert_eq!(lenient.outcome, Outcome::Ok, "{}", case.id);
        let warned = lenient.findings.iter().any(|finding| {
            matches!(finding.severity, Severity::Warning | Severity::Note)
                && strict
                    .findings
                    .iter()
                    .any(|refusal| refusal.is_error() && refusal.code == finding.code)
        });
        assert!(
            warned,
            "{} is refused by strict alone, without a word by default",
            case.id
        );
    }
    println!("x509-limbo: strict refuses {refused} cases that are warned of or noted by default");
    assert!(refused > 0);
}

/// The words of the command line for a case.
fn words(case: &Case, folder: &Path) -> Vec<String> {
    let files = case.files(folder);
    let mut words = vec!["check".to_owned(), "--strict".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    flag("usage", case.validation_kind.to_lowercase());
    flag(
        "at",
        case.validation_time
            .clone()
            .unwrap_or_else(|| NOW.format(&Rfc3339).unwrap()),
    );
    flag("cert", files.certificate.display().to_string());
    for (name, paths) in [
        ("intermediates", &files.intermediates),
        ("anchors", &files.anchors),
        ("crl", &files.crls),
    ] {
        for path in paths {
            flag(name, path.display().to_string());
        }
    }
    if let Some(depth) = case.max_chain_depth {
        flag("max-depth", depth.to_string());
    }
    for name in case
        .expected_peer_name
        .iter()
        .chain(&case.expected_peer_names)
    {
        flag("name", name.parse().to_string());
    }
    words
}

#[test]
fn the_program_itself_decides_as_the_code_within_does() {
    let folder = tempfile::tempdir().unwrap();
    // Every seventh, so that all kinds of case are among them.
    for case in limbo().testcases.iter().step_by(7) {
        let expected = case.run(folder.path(), true).outcome.exit_code();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(words(case, folder.path()))
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(i32::from(expected)),
            "{}: {said}",
            case.id
        );
    }
}
