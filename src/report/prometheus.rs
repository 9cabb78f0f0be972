//! `prometheus`: a file for node_exporter's textfile collector, so that an alert rings before an
//! image's certificate ends: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Format, Renderer, Style, escape};
use crate::outcome::{IdentityReport, Report};

pub const FORMAT: Format = Format {
    name: "prometheus",
    renderer: &Prometheus,
};

struct Prometheus;

/// A series: labels by name, and the value.
type Series = (Vec<(&'static str, String)>, i64);

/// A row of [`METRICS`]; all are gauges.
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    series: fn(&Report) -> Vec<Series>,
}

/// Every metric. `docs/metrics.md` is made from these rows.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "certbake_certificate_not_after_seconds",
        help: "When the certificate itself expires, seconds since 1970.",
        labels: &["identity"],
        series: |report| {
            each(report, |it| {
                Some(it.certificate.as_ref()?.not_after.unix_timestamp())
            })
        },
    },
    Metric {
        name: "certbake_effective_not_after_seconds",
        help: "When the first certificate of the chain expires, seconds since 1970.",
        labels: &["identity"],
        series: |report| {
            each(report, |it| {
                Some(it.window.as_ref()?.not_after.unix_timestamp())
            })
        },
    },
    Metric {
        name: "certbake_floor_seconds",
        help: "The minimum validity that the build accepts, a duration in seconds.",
        labels: &["identity"],
        series: |report| {
            each(report, |it| {
                Some(it.window.as_ref()?.floor.as_ref()?.required.as_seconds())
            })
        },
    },
    Metric {
        name: "certbake_rebuild_by_seconds",
        help: "When the effective window falls below the floor, seconds since 1970.",
        labels: &["identity"],
        series: |report| {
            each(report, |it| {
                Some(it.window.as_ref()?.rebuild_by?.unix_timestamp())
            })
        },
    },
    Metric {
        name: "certbake_findings",
        help: "Findings of the last run, by severity and code; a code that was not found is absent.",
        labels: &["severity", "code"],
        series: findings,
    },
    Metric {
        name: "certbake_certificates_checked",
        help: "Certificates that the last check examined.",
        labels: &[],
        series: |report| {
            report
                .checked
                .map(|checked| one(count(checked)))
                .into_iter()
                .collect()
        },
    },
    Metric {
        name: "certbake_exit_code",
        help: "Exit code of the last run; `certbake docs exit-codes` says what each means.",
        labels: &["command"],
        series: |report| vec![of_command(report, i64::from(report.exit_code))],
    },
    Metric {
        name: "certbake_last_run_seconds",
        help: "When the last run began, seconds since 1970.",
        labels: &["command"],
        series: |report| vec![of_command(report, report.began.unix_timestamp())],
    },
];

impl Renderer for Prometheus {
    fn render(&self, report: &Report, out: &mut dyn Write, _: Style) -> io::Result<()> {
        for metric in METRICS {
            let series = (metric.series)(report);
            if series.is_empty() {
                continue;
            }
            writeln!(out, "# HELP {} {}", metric.name, help(metric.help))?;
            writeln!(out, "# TYPE {} gauge", metric.name)?;
            for (labels, value) in series {
                writeln!(out, "{}{} {value}", metric.name, braces(&labels))?;
            }
        }
        Ok(())
    }
}

fn each(report: &Report, value: fn(&IdentityReport) -> Option<i64>) -> Vec<Series> {
    report
        .identities
        .iter()
        // Nobody must be called when a certificate ends that was refused.
        .filter(|it| it.stands())
        .filter_map(|it| Some((vec![("identity", it.name.clone())], value(it)?)))
        .collect()
}

fn one(value: i64) -> Series {
    (Vec::new(), value)
}

fn of_command(report: &Report, value: i64) -> Series {
    (vec![("command", report.command.to_owned())], value)
}

fn findings(report: &Report) -> Vec<Series> {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry((finding.severity, finding.code)).or_default() += 1;
    }
    counts
        .into_iter()
        .rev()
        .map(|((severity, code), number)| {
            let labels = vec![
                ("severity", severity.as_str().to_owned()),
                ("code", code.to_string()),
            ];
            (labels, count(number))
        })
        .collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn braces(labels: &[(&str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", label(value)))
        .collect();
    format!("{{{}}}", labels.join(","))
}

/// A label's value: `\`, `"` and line feeds are syntax; other hidden characters are written out.
fn label(value: &str) -> String {
    value
        .split('\n')
        .map(|line| {
            escape::visible(line)
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
        })
        .collect::<Vec<_>>()
        .join("\\n")
}

/// A help text: here `"` is no syntax.
fn help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// The Markdown table of `docs/metrics.md`.
pub fn table() -> String {
    let mut table = String::from("| metric | labels | meaning |\n|---|---|---|\n");
    for metric in METRICS {
        let labels: Vec<_> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            metric.name,
            labels.join(", "),
            metric.help
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_syntax_in_a_label_is_escaped() {
        assert_eq!(
            braces(&[("identity", "a\\b\"c\nd\u{202e}".to_owned())]),
            r#"{identity="a\\b\"c\nd\\u{202e}"}"#
        );
        assert_eq!(help("a\\b\n\"c\""), "a\\\\b\\n\"c\"");
    }
}
