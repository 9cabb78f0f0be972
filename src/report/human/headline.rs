//! The first line: in one sentence, what happened. After a failure the facts that prove it, what
//! to do next and where to read more come right behind.

use super::screen::{Screen, Tone};
use crate::finding::{Finding, Severity};
use crate::outcome::{Change, IdentityReport, LookState, Outcome, Report, WindowSummary};
use crate::report::{exit_codes, facts, group, page, words};

/// Writes it, and returns the finding that it told in full, if it told one.
pub fn write<'a>(screen: &mut Screen, report: &'a Report) -> Option<&'a Finding> {
    if report.outcome.exit_code() == 0 || report.outcome == Outcome::NothingDue {
        let word = if report.dry_run { "dry run" } else { "ok" };
        screen.headline(word, Tone::Good, &success(report));
        screen.blank();
        return None;
    }
    let word = match report.outcome {
        Outcome::StaleButGood => ("not renewed", Tone::Caution),
        _ => ("failed", Tone::Bad),
    };
    let errors = report.count(Severity::Error);
    let told = report.findings.iter().find(|finding| finding.is_error());
    match told {
        // Over many files, the numbers are what happened.
        Some(_) if errors > 1 && report.checked.is_some_and(|checked| checked > 1) => {
            screen.headline(word.0, word.1, &totals(report));
            screen.blank();
            None
        }
        Some(finding) => {
            screen.headline(word.0, word.1, &sentence(finding));
            screen.blank();
            proof(screen, finding, report);
            Some(finding)
        }
        None => {
            screen.headline(word.0, word.1, exit_codes::of(report.outcome).meaning);
            screen.blank();
            None
        }
    }
}

/// `app-server: the certificate expires in 14d, 7d short of the floor of 21d`.
fn sentence(finding: &Finding) -> String {
    match (&finding.identity, group::unnamed_place(finding)) {
        (Some(name), _) => format!("{name}: {}", finding.summary),
        // Most summaries name their file themselves.
        (None, Some(place)) => format!("{place}: {}", finding.summary),
        _ => finding.summary.clone(),
    }
}

fn proof(screen: &mut Screen, finding: &Finding, report: &Report) {
    for (name, value) in facts::rows(finding, report.at) {
        screen.row(&name, &value);
    }
    screen.blank();
    if !finding.hint.is_empty() {
        screen.row("hint", &finding.hint);
    }
    screen.row("more", &page(finding.code));
    screen.blank();
}

fn success(report: &Report) -> String {
    match (report.command, report.identities.as_slice()) {
        ("provision", [one]) if report.dry_run => format!("{} would be baked", one.name),
        ("provision", several) if report.dry_run => {
            format!("{} would be baked", identities(several.len()))
        }
        ("provision", [one]) => format!("{} is baked{}", one.name, left(one)),
        ("provision", several) => match soonest(several) {
            Some((name, window)) => format!(
                "{} are baked; the first to expire is {name}, with {} left",
                identities(several.len()),
                words::span(window.remaining_seconds)
            ),
            None => format!("{} are baked", identities(several.len())),
        },
        ("revoke", [one]) => format!("the certificate of {} is revoked", one.name),
        ("doctor", _) => foreseen(report),
        _ if report.checked.is_some() => totals(report),
        (command, _) => format!("{command}: {}", exit_codes::of(report.outcome).meaning),
    }
}

/// `nothing found that would stop a build; 1 warning; 2 things could not be checked`.
fn foreseen(report: &Report) -> String {
    let mut said = "nothing found that would stop a build".to_owned();
    let warnings = report.count(Severity::Warning);
    if warnings > 0 {
        said += &format!("; {}", words::count(warnings, "warning"));
    }
    let unknown = report
        .looked_at
        .iter()
        .filter(|look| look.state == LookState::NotLookedAt)
        .count();
    if unknown > 0 {
        said += &format!("; {} could not be checked", words::count(unknown, "thing"));
    }
    said
}

/// `2,481 certificates checked: 12 errors, 3 warnings`.
fn totals(report: &Report) -> String {
    let found: Vec<_> = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "note"),
    ]
    .iter()
    .map(|(severity, name)| (report.count(*severity), name))
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| words::count(count, name))
    .collect();
    let found = if found.is_empty() {
        "nothing wrong".to_owned()
    } else {
        found.join(", ")
    };
    match report.checked {
        Some(1) if found.starts_with("nothing") => {
            "1 certificate checked: nothing wrong".to_owned()
        }
        Some(checked) => format!("{} checked: {found}", words::count(checked, "certificate")),
        None => found,
    }
}

fn identities(count: usize) -> String {
    if count == 1 {
        "1 identity".to_owned()
    } else {
        format!("{} identities", words::thousands(count))
    }
}

/// `: 29d 23h left, 21d needed`.
fn left(identity: &IdentityReport) -> String {
    let Some(window) = &identity.window else {
        return String::new();
    };
    let left = words::span(window.remaining_seconds);
    match &window.floor {
        Some(floor) => format!(": {left} left, {} needed", floor.required),
        None => format!(": {left} left, no floor set"),
    }
}

fn soonest(identities: &[IdentityReport]) -> Option<(&str, &WindowSummary)> {
    identities
        .iter()
        .filter_map(|identity| Some((identity.name.as_str(), identity.window.as_ref()?)))
        .min_by_key(|(_, window)| window.not_after)
}

/// How the files of an identity are headed.
pub const fn verb(change: Change) -> &'static str {
    match change {
        Change::Written => "landed",
        Change::Unchanged => "unchanged",
        Change::WouldWrite => "would write",
        Change::NotWritten => "not written",
        Change::Unknown => "half done",
    }
}
