//! `markdown`: for step summaries, tickets and chats that speak GitHub's dialect.

use std::io::{self, Write};

use super::{Format, Renderer, Style, escape, exit_codes, facts, group, page, words};
use crate::outcome::{IdentityReport, LookState, Report};

pub const FORMAT: Format = Format {
    name: "markdown",
    renderer: &Markdown,
};

/// Rows of a table; more are counted.
const ROWS: usize = 50;

/// Of equal findings, so many are listed.
const LIKE: usize = 5;

struct Markdown;

impl Renderer for Markdown {
    fn render(&self, report: &Report, out: &mut dyn Write, _: Style) -> io::Result<()> {
        out.write_all(document(&escape::visible_report(report)).as_bytes())
    }
}

/// The document for a report whose texts are visible already.
pub(super) fn document(report: &Report) -> String {
    let mut text = format!(
        "### certbake {}: {}\n\n{}.\n",
        report.command,
        report.outcome.as_str(),
        opening(report)
    );
    for section in [
        windows(report),
        floors(report),
        findings(report),
        looks(report),
        files(report),
    ] {
        if !section.is_empty() {
            text.push('\n');
            text.push_str(&section);
        }
    }
    // To Markdown the backslash before a colon is nothing.
    text.lines()
        .map(|line| escape::not_a_command(line) + "\n")
        .collect()
}

fn opening(report: &Report) -> String {
    let mut opening = match report.checked {
        Some(checked) => format!("{} checked", words::count(checked, "certificate")),
        None if report.dry_run => "Dry run: nothing was requested, nothing was written".to_owned(),
        None => {
            let meaning = exit_codes::of(report.outcome).meaning;
            let mut letters = meaning.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default()
        }
    };
    if report.exit_code != 0 {
        opening.push_str(&format!(" (exit {})", report.exit_code));
    }
    opening
}

fn windows(report: &Report) -> String {
    let mut rows: Vec<_> = report
        .identities
        .iter()
        .filter_map(|identity| Some((identity, identity.window.as_ref()?)))
        .collect();
    rows.sort_by_key(|(_, window)| window.not_after);
    let cells = rows
        .iter()
        .map(|(identity, window)| {
            let floor = match &window.floor {
                Some(floor) => format!(
                    "{} ({})",
                    floor.required,
                    if floor.holds {
                        "holds"
                    } else {
                        "**does not hold**"
                    }
                ),
                None => "none".to_owned(),
            };
            vec![
                code(&identity.name),
                words::span(window.remaining_seconds),
                floor,
                words::date(window.not_after),
                code(&window.limited_by),
                window.rebuild_by.map(words::date).unwrap_or_default(),
                serial(identity),
            ]
        })
        .collect();
    table(
        &[
            "identity",
            "left",
            "floor",
            "ends",
            "limited by",
            "rebuild by",
            "serial",
        ],
        cells,
    )
}

fn serial(identity: &IdentityReport) -> String {
    identity
        .certificate
        .as_ref()
        .map(|certificate| code(&certificate.serial))
        .unwrap_or_default()
}

fn files(report: &Report) -> String {
    let cells = report
        .identities
        .iter()
        .flat_map(|identity| {
            let record = identity.rehearsal.as_ref().map(|known| &known.record);
            identity.placements.iter().chain(record)
        })
        .map(|file| {
            vec![
                code(&file.path),
                file.what.clone(),
                code(&file.mode),
                code(&format!("{}:{}", file.owner, file.group)),
                super::human::verb(file.change).to_owned(),
            ]
        })
        .collect();
    table(&["file", "what", "mode", "owner", ""], cells)
}

/// In a dry run, which has no windows yet.
fn floors(report: &Report) -> String {
    let rehearsed = report.identities.iter();
    let cells = rehearsed
        .filter_map(|identity| {
            let known = identity.rehearsal.as_ref()?;
            let (stated, origin) = match &known.floor {
                Some(floor) => (prose(&floor.stated), code(&floor.origin)),
                None => ("none".to_owned(), String::new()),
            };
            let copy = known.record_copy.as_deref().map(code);
            Some(vec![
                code(&identity.name),
                stated,
                origin,
                copy.unwrap_or_default(),
            ])
        })
        .collect();
    table(&["identity", "floor", "from", "record copied to"], cells)
}

fn looks(report: &Report) -> String {
    let cells = report
        .looked_at
        .iter()
        .map(|look| {
            let state = match look.state {
                LookState::Fine => "fine",
                LookState::Wrong => "**wrong**",
                LookState::NotLookedAt => "not checked",
            };
            vec![
                code(&look.subject),
                look.what.to_owned(),
                state.to_owned(),
                prose(&look.said),
            ]
        })
        .collect();
    table(&["looked at", "what", "", ""], cells)
}

fn findings(report: &Report) -> String {
    let mut text = String::new();
    for group in group::groups(&report.findings) {
        let (shown, more) = group.capped(LIKE);
        for finding in shown {
            let place = group::place(finding)
                .map(|place| format!("{}: ", code(&place)))
                .unwrap_or_default();
            text.push_str(&format!(
                "- **{}** `{}` {place}{}\n",
                finding.severity.as_str(),
                finding.code,
                prose(&finding.summary)
            ));
            for (name, value) in facts::rows(finding, report.at) {
                text.push_str(&format!("  - {}: {}\n", prose(&name), code(&value)));
            }
        }
        if more > 0 {
            text.push_str(&format!("- and {} more like it\n", words::thousands(more)));
        }
        for hint in group.hints(LIKE) {
            text.push_str(&format!("  - hint: {}\n", prose(hint)));
        }
        text.push_str(&format!("  - more: `{}`\n", page(group.first.code)));
    }
    text
}

/// A table, or nothing where it has no rows.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut text = line(&head);
    text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    for row in rows.iter().take(ROWS) {
        text.push_str(&line(row));
    }
    if rows.len() > ROWS {
        text.push_str(&format!(
            "\nand {} more\n",
            words::thousands(rows.len() - ROWS)
        ));
    }
    text
}

/// A code span: in it nothing is a link, a mention, an emphasis or HTML. Its fence is longer than
/// any run of backticks in it (CommonMark section 6.1).
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Words outside of code, in which nothing is markup, and nothing calls a person, an issue or a
/// web page by itself.
fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // An empty comment parts the sign from the name that follows, and is not seen.
            '@' | '#' => {
                safe.push(c);
                safe.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '|' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_prose_is_markup() {
        assert_eq!(
            prose("a|b `c` <img src=x> [l](u) @team #1 https://x www.y"),
            "a\\|b \\`c\\` &lt;img src=x&gt; \\[l\\](u) @<!-- -->team #<!-- -->1 https&#58;//x www&#46;y"
        );
    }

    #[test]
    fn a_code_span_holds_any_text() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn a_pipe_does_not_end_a_cell() {
        let text = table(&["a"], vec![vec![code("x|y")]]);
        assert_eq!(text, "| a |\n|---|\n| `x\\|y` |\n");
    }
}
