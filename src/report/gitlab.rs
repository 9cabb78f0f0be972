//! `gitlab`: a Code Quality report, which GitLab shows in the merge request and compares with the
//! target branch: <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json::ascii_where_hidden;
use super::{Format, Renderer, Style, escape};
use crate::finding::{Finding, Severity};
use crate::outcome::Report;
use crate::pki::digest;

pub const FORMAT: Format = Format {
    name: "gitlab",
    renderer: &Gitlab,
};

/// Where a finding is shown that is about no file: GitLab drops entries without a path.
const NO_FILE: &str = "certbake.toml";

struct Gitlab;

#[derive(Serialize)]
struct Entry {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

impl Renderer for Gitlab {
    fn render(&self, report: &Report, out: &mut dyn Write, _: Style) -> io::Result<()> {
        let mut seen = HashMap::new();
        let entries: Vec<Entry> = escape::visible_report(report)
            .findings
            .iter()
            .map(|finding| entry(finding, &mut seen))
            .collect();
        let json = serde_json::to_string_pretty(&entries)?;
        writeln!(out, "{}", ascii_where_hidden(&json))
    }
}

/// The fingerprint is made of what a finding is about, not of its words: dates in them would make
/// each run's findings new ones. Equal ones are numbered.
fn entry(finding: &Finding, seen: &mut HashMap<String, usize>) -> Entry {
    let identity = finding.identity.as_deref().unwrap_or_default();
    let file = finding.file.as_deref().unwrap_or(NO_FILE);
    let about = format!("{}\0{identity}\0{file}", finding.code);
    let number = seen.entry(about.clone()).or_insert(0);
    *number += 1;
    let fingerprint = digest::sha256_hex(format!("{about}\0{number}").as_bytes());
    let mut description = match &finding.identity {
        Some(identity) => format!("{identity}: {}", finding.summary),
        None => finding.summary.clone(),
    };
    if !finding.hint.is_empty() {
        description.push_str(". Hint: ");
        description.push_str(&finding.hint);
    }
    Entry {
        description,
        check_name: finding.code.as_str(),
        fingerprint,
        severity: match finding.severity {
            Severity::Error => "major",
            Severity::Warning => "minor",
            Severity::Note => "info",
        },
        location: Location {
            // "The relative path", GitLab demands: one that begins with a slash links nowhere.
            path: file
                .trim_start_matches("./")
                .trim_start_matches('/')
                .to_owned(),
            lines: Lines {
                begin: finding.line.unwrap_or(1),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    fn fingerprints(findings: &[Finding]) -> Vec<String> {
        let mut seen = HashMap::new();
        findings
            .iter()
            .map(|finding| entry(finding, &mut seen).fingerprint)
            .collect()
    }

    #[test]
    fn a_fingerprint_is_the_same_tomorrow_and_its_own() {
        let code = Code::new("expired");
        let today = Finding::error(code, "expired 3d ago").in_file("a.pem");
        let tomorrow = Finding::error(code, "expired 4d ago").in_file("a.pem");
        let other = Finding::error(code, "expired 3d ago").in_file("b.pem");
        assert_eq!(
            fingerprints(std::slice::from_ref(&today)),
            fingerprints(std::slice::from_ref(&tomorrow))
        );
        let mut all = fingerprints(&[today, tomorrow, other]);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}
