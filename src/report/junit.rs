//! `junit`: the XML that Jenkins, GitLab and most other CI systems take for test results: a suite
//! for each identity, a case for each check, after the schema that Jenkins' plugin publishes.

use std::io::{self, Write};

use super::{Format, Renderer, Style, escape, exit_codes, facts, group, page};
use crate::finding::Finding;
use crate::outcome::{Checks, IdentityReport, LookState, Outcome, Report};

pub const FORMAT: Format = Format {
    name: "junit",
    renderer: &Junit,
};

struct Junit;

/// Of the run itself.
static NO_CHECKS: Checks = Checks {
    made: Vec::new(),
    not_made: Vec::new(),
};

/// A case: a check on an identity or a file, with what it found.
struct Case<'a> {
    name: String,
    findings: Vec<&'a Finding>,
    /// The run failed, and no finding says why.
    unexplained: Option<Outcome>,
    /// It was not looked at, and why.
    skipped: Option<&'a str>,
}

impl Case<'_> {
    fn new(name: String) -> Self {
        Self {
            name,
            findings: Vec::new(),
            unexplained: None,
            skipped: None,
        }
    }

    fn failed(&self) -> bool {
        self.unexplained.is_some() || self.findings.iter().any(|finding| finding.is_error())
    }
}

struct Suite<'a> {
    name: &'a str,
    cases: Vec<Case<'a>>,
}

impl Suite<'_> {
    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.failed()).count()
    }

    fn skipped(&self) -> usize {
        let skipped = |case: &&Case<'_>| case.skipped.is_some();
        self.cases.iter().filter(skipped).count()
    }
}

impl Renderer for Junit {
    fn render(&self, report: &Report, out: &mut dyn Write, _: Style) -> io::Result<()> {
        let report = escape::visible_report(report);
        let suites = suites(&report);
        let tests: usize = suites.iter().map(|suite| suite.cases.len()).sum();
        let failures: usize = suites.iter().map(Suite::failures).sum();
        writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        writeln!(
            out,
            r#"<testsuites name="certbake {}" tests="{tests}" failures="{failures}" errors="0">"#,
            report.command
        )?;
        for suite in &suites {
            write_suite(suite, &report, out)?;
        }
        writeln!(out, "</testsuites>")
    }
}

/// The run itself first, where it has a case, then each identity.
fn suites(report: &Report) -> Vec<Suite<'_>> {
    let known = |name: &str| report.identities.iter().any(|it| it.name == name);
    let of_run = report
        .findings
        .iter()
        .filter(|finding| !finding.identity.as_deref().is_some_and(known));
    let mut run = Suite {
        name: report.command,
        cases: by_check(of_run, &NO_CHECKS),
    };
    // What was found wrong is among the findings.
    for look in report
        .looked_at
        .iter()
        .filter(|look| look.state != LookState::Wrong)
    {
        let name = format!("{} {}", look.subject, look.what);
        if !run.cases.iter().any(|case| case.name == name) {
            run.cases.push(Case {
                skipped: (look.state == LookState::NotLookedAt).then_some(look.said.as_str()),
                ..Case::new(name)
            });
        }
    }
    let unexplained = report.exit_code != 0 && !report.findings.iter().any(Finding::is_error);
    if unexplained || (run.cases.is_empty() && report.identities.is_empty()) {
        run.cases.push(Case {
            unexplained: unexplained.then_some(report.outcome),
            ..Case::new("outcome".to_owned())
        });
    }
    let mut suites = vec![run];
    suites.retain(|suite| !suite.cases.is_empty());
    suites.extend(report.identities.iter().map(|it| suite(it, report)));
    suites
}

fn suite<'a>(identity: &'a IdentityReport, report: &'a Report) -> Suite<'a> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| finding.identity.as_deref() == Some(&identity.name));
    let mut cases = by_check(findings, &identity.checks);
    if cases.is_empty() {
        // Nothing found and no checks named: the identity itself is the case.
        let came_to_nothing = report.exit_code != 0 && identity.certificate.is_none();
        cases.push(Case {
            skipped: came_to_nothing
                .then_some("the run ended before there was a certificate to check"),
            ..Case::new(report.command.to_owned())
        });
    }
    Suite {
        name: &identity.name,
        cases,
    }
}

/// A case for each check, skipped where it was not made, and one for each other code and file that
/// was found.
fn by_check<'a>(findings: impl Iterator<Item = &'a Finding>, checks: &'a Checks) -> Vec<Case<'a>> {
    let made = &checks.made;
    let mut cases: Vec<Case<'a>> = made
        .iter()
        .map(|code| Case::new(code.to_string()))
        .chain(checks.not_made.iter().map(|check| Case {
            skipped: Some(check.reason),
            ..Case::new(check.code.to_string())
        }))
        .collect();
    let mut places: std::collections::HashMap<String, usize> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| (case.name.clone(), index))
        .collect();
    for finding in findings {
        let name = match &finding.file {
            Some(_) if !made.contains(&finding.code) => format!(
                "{} {}",
                finding.code,
                group::place(finding).unwrap_or_default()
            ),
            _ => finding.code.to_string(),
        };
        let index = *places.entry(name.clone()).or_insert_with(|| {
            cases.push(Case::new(name));
            cases.len() - 1
        });
        cases[index].skipped = None;
        cases[index].findings.push(finding);
    }
    cases
}

fn write_suite(suite: &Suite<'_>, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{}" failures="{}" errors="0" skipped="{}" timestamp="{}">"#,
        attribute(suite.name),
        suite.cases.len(),
        suite.failures(),
        suite.skipped(),
        crate::finding::rfc3339(report.began).trim_end_matches('Z')
    )?;
    for case in &suite.cases {
        write!(
            out,
            r#"    <testcase classname="certbake.{}.{}" name="{}""#,
            report.command,
            attribute(suite.name),
            attribute(&case.name)
        )?;
        if let Some(why) = case.skipped {
            writeln!(
                out,
                r#"><skipped message="{}"/></testcase>"#,
                attribute(why)
            )?;
            continue;
        }
        if case.findings.is_empty() && !case.failed() {
            writeln!(out, "/>")?;
            continue;
        }
        writeln!(out, ">")?;
        write_findings(case, report, out)?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

/// Errors are failures; the rest is what the case had to say. The schema has one element of each
/// kind in a case.
fn write_findings(case: &Case<'_>, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (errors, rest): (Vec<&Finding>, Vec<&Finding>) =
        case.findings.iter().copied().partition(|it| it.is_error());
    if let Some(outcome) = case.unexplained {
        let meaning = attribute(exit_codes::of(outcome).meaning);
        let kind = outcome.as_str();
        writeln!(out, r#"      <failure message="{meaning}" type="{kind}"/>"#)?;
    }
    if let [first, ..] = errors.as_slice() {
        writeln!(
            out,
            r#"      <failure message="{}" type="{}">{}</failure>"#,
            attribute(&first.summary),
            first.code,
            text(&account(&errors, report))
        )?;
    }
    if !rest.is_empty() {
        let account = text(&account(&rest, report));
        writeln!(out, "      <system-out>{account}</system-out>")?;
    }
    Ok(())
}

/// Summary, facts, hint and page of each.
fn account(findings: &[&Finding], report: &Report) -> String {
    let mut account = String::new();
    for finding in findings {
        if !account.is_empty() {
            account.push('\n');
        }
        account.push_str(&format!(
            "{}: {}\n",
            finding.severity.as_str(),
            finding.summary
        ));
        for (name, value) in facts::rows(finding, report.at) {
            account.push_str(&format!("{name}: {value}\n"));
        }
        if !finding.hint.is_empty() {
            account.push_str(&format!("hint: {}\n", finding.hint));
        }
        account.push_str(&format!("more: {}\n", page(finding.code)));
    }
    account
}

/// Character data, without what XML 1.0 section 2.2 has no place for, not even as a reference.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            // "]]>" may not stand in character data (section 2.4).
            '>' => safe.push_str("&gt;"),
            '\n' | '\t' | '\u{20}'..='\u{fffd}' | '\u{10000}'.. => safe.push(c),
            _ => {}
        }
    }
    safe
}

/// An attribute's value: a line break in one would be read as a space (section 3.3.3).
fn attribute(value: &str) -> String {
    text(value)
        .replace('"', "&quot;")
        .replace('\n', "&#10;")
        .replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_removed_and_the_rest_escaped() {
        assert_eq!(
            text("a\u{0}\u{1b}\u{fffe}\u{ffff}<b>&]]> é\n\u{1f600}"),
            "a&lt;b&gt;&amp;]]&gt; é\n\u{1f600}"
        );
        assert_eq!(attribute("\"a\"\n<\t"), "&quot;a&quot;&#10;&lt;&#9;");
    }
}
