//! What else is worth saying, equal findings together.

use super::screen::{Screen, Tone};
use crate::finding::{Code, Finding, Severity};
use crate::outcome::Report;
use crate::report::group::{self, Group};
use crate::report::{facts, page, words};

/// Of equal findings, so many are shown one by one.
const LIKE: usize = 3;

/// Kinds of findings on one screen.
const KINDS: usize = 8;

/// Every finding but the one that was told already.
pub fn write(screen: &mut Screen, report: &Report, told: Option<&Finding>) {
    let groups: Vec<Group<'_>> = group::groups(&report.findings)
        .into_iter()
        .filter_map(|group| without(group, told))
        .collect();
    for group in groups.iter().take(KINDS) {
        screen.blank();
        match group.rest.as_slice() {
            [] => single(screen, report, group.first, told),
            _ => several(screen, group),
        }
    }
    if groups.len() > KINDS {
        screen.blank();
        let rest: usize = groups[KINDS..].iter().map(Group::len).sum();
        screen.row(
            "and",
            &format!(
                "{} of {} other kinds: `--report json` shows all",
                words::count(rest, "finding"),
                groups.len() - KINDS
            ),
        );
    }
}

fn without<'a>(mut group: Group<'a>, told: Option<&Finding>) -> Option<Group<'a>> {
    let is_told = |finding: &Finding| told.is_some_and(|told| std::ptr::eq(told, finding));
    group.rest.retain(|finding| !is_told(finding));
    if !is_told(group.first) {
        return Some(group);
    }
    if group.rest.is_empty() {
        return None;
    }
    group.first = group.rest.remove(0);
    Some(group)
}

pub(super) const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Caution,
        Severity::Note => Tone::Dim,
    }
}

fn single(screen: &mut Screen, report: &Report, finding: &Finding, told: Option<&Finding>) {
    let severity = finding.severity;
    let text = match group::unnamed_place(finding) {
        Some(place) if report.identities.len() != 1 => {
            format!("{place}: {}", finding.summary)
        }
        _ => finding.summary.clone(),
    };
    screen.row_in(severity.as_str(), tone(severity), &text);
    // A note is for knowing, not for doing; and what was told once is not told again.
    if severity == Severity::Note {
        return;
    }
    let hint = Some(finding.hint.as_str()).filter(|hint| !hint.is_empty());
    if let Some(told) = told.filter(|told| told.code == finding.code) {
        if let Some(hint) = hint.filter(|hint| *hint != told.hint) {
            screen.row("hint", hint);
        }
        return;
    }
    for (name, value) in facts::rows(finding, report.at) {
        screen.row("", &format!("{name} {value}"));
    }
    ending(screen, finding.code, hint.as_slice());
}

fn several(screen: &mut Screen, group: &Group<'_>) {
    let severity = group.first.severity;
    let heading = format!(
        "{}, {} times",
        group.first.code,
        words::thousands(group.len())
    );
    screen.row_in(severity.as_str(), tone(severity), &heading);
    let (shown, more) = group.capped(LIKE);
    for finding in shown {
        match group::unnamed_place(finding) {
            Some(place) => screen.row("", &format!("{place}: {}", finding.summary)),
            _ => screen.row("", &finding.summary),
        }
    }
    if more > 0 {
        screen.row("", &format!("and {} more like it", words::thousands(more)));
    }
    if severity != Severity::Note {
        ending(screen, group.first.code, &group.hints(LIKE));
    }
}

fn ending(screen: &mut Screen, code: Code, hints: &[&str]) {
    for hint in hints {
        screen.row("hint", hint);
    }
    screen.row("more", &page(code));
}
