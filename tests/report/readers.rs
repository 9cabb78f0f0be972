//! Each format as the program reads it for which it is written.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::canned::{self, all_texts};
use super::plain;
use super::servers::{self, skips};
use certbake::outcome::Report;

/// What `program` says about `input`.
fn read_by(program: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && complaint.is_empty() {
        Ok(text)
    } else {
        Err(text + &complaint)
    }
}

fn reports() -> Vec<(&'static str, Report)> {
    let mut reports = canned::all();
    reports.push((
        "hostile",
        all_texts("a\u{0}\u{1b}]]>\"<'&\\\n\u{fffe}\u{202e}"),
    ));
    reports
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = servers::program("promtool") else {
        return;
    };
    for (name, report) in reports() {
        let metrics = plain("prometheus", &report);
        let verdict = read_by(&promtool, &["check", "metrics"], &metrics);
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
    }
}

/// Reads with Python's parser and holds the counts against what is there.
const COUNT: &str = r#"
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == "testsuites", root.tag
cases = root.findall("testsuite/testcase")
failed = [case for case in cases if case.find("failure") is not None]
assert int(root.get("tests")) == len(cases) > 0, (root.attrib, len(cases))
assert int(root.get("failures")) == len(failed), (root.attrib, len(failed))
for suite in root.findall("testsuite"):
    assert int(suite.get("tests")) == len(suite.findall("testcase")), suite.attrib
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")), suite.attrib
    names = [case.get("name") for case in suite]
    assert len(names) == len(set(names)), names
for case in failed:
    assert case.find("failure").get("type") and case.get("classname")
print(len(failed))
"#;

#[test]
fn an_xml_parser_reads_the_test_results_and_counts_the_same() {
    let python = Path::new("python3");
    if Command::new(python).arg("--version").output().is_err() {
        return skips::skipped("needs python3");
    }
    for (name, report) in reports() {
        let verdict = read_by(python, &["-c", COUNT], &plain("junit", &report));
        let failed: usize = verdict
            .unwrap_or_else(|complaint| panic!("{name}: {complaint}"))
            .trim()
            .parse()
            .unwrap();
        assert_eq!(
            failed == 0,
            report.exit_code == 0,
            "{name}: a failed run has a failed case"
        );
    }
}

#[test]
fn code_quality_entries_have_what_gitlab_demands() {
    for (name, report) in reports() {
        let entries: Vec<serde_json::Value> =
            serde_json::from_str(&plain("gitlab", &report)).unwrap();
        assert_eq!(entries.len(), report.findings.len(), "{name}");
        let mut fingerprints = std::collections::BTreeSet::new();
        for entry in &entries {
            for pointer in ["/description", "/check_name", "/location/path"] {
                assert!(
                    entry
                        .pointer(pointer)
                        .and_then(|text| text.as_str())
                        .is_some_and(|text| !text.is_empty()),
                    "{name}: {pointer} in {entry}"
                );
            }
            assert!(
                !entry["location"]["path"]
                    .as_str()
                    .unwrap()
                    .starts_with(['.', '/']),
                "{entry}"
            );
            assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() >= 1);
            assert!(
                ["info", "minor", "major", "critical", "blocker"]
                    .contains(&entry["severity"].as_str().unwrap())
            );
            assert!(
                fingerprints.insert(entry["fingerprint"].as_str().unwrap().to_owned()),
                "{name}: twice {entry}"
            );
        }
    }
}
