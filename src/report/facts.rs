//! The facts of a finding in words: dates with their distance, durations with their units.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::words;
use crate::finding::Finding;

/// Lists longer than this are cut.
const LIST: usize = 8;

/// Facts for machines alone: people see the link by its name, and the moment of judgement in how long ago or
/// how soon everything is.
const UNSAID: &[&str] = &["limited_by_depth", "at"];

/// What the clock here showed: its distance from the start of the run says only how long the run took.
const CLOCK_HERE: &[&str] = &["now", "here"];

/// Name and value of each fact worth reading, in the finding's order.
pub fn rows(finding: &Finding, now: OffsetDateTime) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (name, value) in &finding.facts {
        if UNSAID.contains(&name.as_str()) || is_said(finding, value) {
            continue;
        }
        let row = (plain(name), fact(name, value, now));
        // What machines have in seconds and as it was stated may read the same.
        if !row.1.is_empty() && !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

/// The file, which stands before the finding.
fn is_said(finding: &Finding, value: &Value) -> bool {
    let text = value.as_str();
    text.is_some() && finding.file.as_deref() == text
}

/// `short_by_seconds` is "short by": the unit is in the value.
fn plain(name: &str) -> String {
    name.strip_suffix("_seconds")
        .unwrap_or(name)
        .replace('_', " ")
}

fn fact(name: &str, value: &Value, now: OffsetDateTime) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) if name.ends_with("_seconds") => match number.as_i64() {
            Some(seconds) => words::span(seconds),
            None => format!("{:.1}s", number.as_f64().unwrap_or_default()),
        },
        Value::Number(number) => number.to_string(),
        Value::String(text) => match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(at) if CLOCK_HERE.contains(&name) => words::date(at),
            Ok(at) => format!("{}, {}", words::date(at), words::distance(now, at)),
            Err(_) => text.clone(),
        },
        Value::Array(all) => {
            let more = all.len().saturating_sub(LIST);
            let mut shown: Vec<_> = all
                .iter()
                .take(LIST)
                .map(|value| fact(name, value, now))
                .collect();
            if more > 0 {
                shown.push(format!("and {} more", words::thousands(more)));
            }
            shown.join(", ")
        }
        Value::Object(parts) => parts
            .iter()
            .map(|(name, value)| format!("{} {}", plain(name), fact(name, value, now)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::finding::Code;

    #[test]
    fn facts_are_said_with_units_and_distances() {
        let now = datetime!(2026-11-23 23:00 UTC);
        let finding = Finding::error(Code::new("x"), "")
            .in_file("/a")
            .fact("path", "/a")
            .instant("at", now)
            .instant("not_after", datetime!(2026-11-20 23:00 UTC))
            .fact("short_by_seconds", 7 * 86_400)
            .fact("elapsed_seconds", 0.25)
            .fact("limited_by_depth", 1)
            .fact("names", json!(["dns:a", "dns:b"]))
            .fact(
                "sum",
                json!({"image_max_age_seconds": 86_400, "rollout_seconds": 3_600}),
            )
            .fact("many", (0..10).collect::<Vec<i32>>())
            .fact("floor_seconds", 38 * 86_400)
            .fact("floor", "38d")
            .fact("nothing", Value::Null);
        let rows = rows(&finding, now);
        let rows: Vec<_> = rows.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("not after", "2026-11-20 23:00:00 UTC, 3 days ago"),
                ("short by", "7d"),
                ("elapsed", "0.2s"),
                ("names", "dns:a, dns:b"),
                ("sum", "image max age 1d, rollout 1h"),
                ("many", "0, 1, 2, 3, 4, 5, 6, 7, and 2 more"),
                ("floor", "38d"),
            ]
        );
    }

    #[test]
    fn the_moment_of_judgement_is_told_by_its_name_and_never_by_its_value() {
        let start = datetime!(2026-11-23 23:00 UTC);
        let of = |judged| {
            let finding = Finding::error(Code::new("x"), "")
                .instant("at", judged)
                .instant("here", judged)
                .instant("not_after", start)
                .instant("now", judged);
            rows(&finding, start)
        };
        let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for seconds in [0, 13] {
            let clock = format!("2026-11-23 23:00:{seconds:02} UTC");
            assert_eq!(
                of(start + time::Duration::seconds(seconds)),
                [
                    row("here", &clock),
                    row("not after", "2026-11-23 23:00:00 UTC, now"),
                    row("now", &clock),
                ]
            );
        }
    }

    #[test]
    fn a_finding_about_no_file_says_all_its_facts() {
        let now = datetime!(2026-11-23 23:00 UTC);
        let finding = Finding::error(Code::new("x"), "")
            .fact("attempts", 4)
            .fact("ours", true);
        let rows = rows(&finding, now);
        assert_eq!(
            rows,
            [("attempts", "4"), ("ours", "yes")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }
}
