//! `github`: workflow commands for the log of a GitHub Actions step, and what a step hands on:
//! summary, outputs, masks. Their syntax is documented at
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    Format, Renderer, Style, escape, group, human, json::ascii_where_hidden, markdown, page,
};
use crate::finding::{Finding, Severity, rfc3339};
use crate::outcome::{IdentityReport, Report};
use crate::secret::Secret;

pub const FORMAT: Format = Format {
    name: "github",
    renderer: &Github,
};

/// GitHub shows ten annotations of each severity of a step, and drops the rest silently.
const ANNOTATIONS: usize = 10;

/// A shorter line would be masked wherever its letters stand, and tell more than it hides.
const SHORTEST_MASK: usize = 4;

struct Github;

impl Renderer for Github {
    fn render(&self, report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let report = escape::visible_report(report);
        let title = format!("certbake {}: {}", report.command, report.outcome.as_str());
        writeln!(out, "::group::{}", data(&title))?;
        out.write_all(human::screen(&report, style).as_bytes())?;
        writeln!(out, "::endgroup::")?;
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            annotate(&report, severity, out)?;
        }
        Ok(())
    }
}

/// The first of each code before the second of any, so that no kind is crowded out.
fn annotate(report: &Report, severity: Severity, out: &mut dyn Write) -> io::Result<()> {
    let groups = group::groups(&report.findings);
    let of_severity = || {
        groups
            .iter()
            .filter(|group| group.first.severity == severity)
    };
    let findings: Vec<&Finding> = of_severity()
        .map(|group| group.first)
        .chain(of_severity().flat_map(|group| group.rest.iter().copied()))
        .collect();
    let shown = if findings.len() > ANNOTATIONS {
        ANNOTATIONS - 1
    } else {
        findings.len()
    };
    for finding in &findings[..shown] {
        writeln!(out, "{}", annotation(finding))?;
    }
    match findings.len() - shown {
        0 => Ok(()),
        more => writeln!(
            out,
            "::{} title=certbake::and {more} more; the json report has them all",
            command(severity)
        ),
    }
}

const fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    }
}

fn annotation(finding: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some(file) = &finding.file {
        properties.push(format!("file={}", property(file)));
        properties.extend(finding.line.map(|line| format!("line={line}")));
    }
    properties.push(format!("title={}", property(finding.code.as_str())));
    let mut message = match &finding.identity {
        Some(identity) => format!("{identity}: {}", finding.summary),
        None => finding.summary.clone(),
    };
    if !finding.hint.is_empty() {
        message.push_str("\nhint: ");
        message.push_str(&finding.hint);
    }
    message.push_str("\nmore: ");
    message.push_str(&page(finding.code));
    format!(
        "::{} {}::{}",
        command(finding.severity),
        properties.join(","),
        data(&message)
    )
}

/// The message of a workflow command, as the runner's `ActionCommand` unescapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command, where `:` and `,` are syntax too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What to append to the file at `$GITHUB_STEP_SUMMARY`.
pub fn step_summary(report: &Report) -> String {
    markdown::document(&escape::visible_report(report))
}

/// What to append to the file at `$GITHUB_OUTPUT`.
///
/// `outcome` and `exit_code` always; `identities`, a JSON object by name; `not_after`,
/// `rebuild_by` and `remaining_seconds`, the earliest and least over all identities; `fingerprint`
/// and `serial` where there is one identity. None of a certificate that was not kept. `token` is random
/// text that no value can foresee: it ends each value.
pub fn outputs(report: &Report, token: &str) -> String {
    let report = escape::visible_report(report);
    let mut outputs = vec![
        ("outcome", report.outcome.as_str().to_owned()),
        ("exit_code", report.exit_code.to_string()),
    ];
    let kept = || report.identities.iter().filter(|it| it.stands());
    let windows = || kept().filter_map(|it| it.window.as_ref());
    if let Some(at) = windows().map(|window| window.not_after).min() {
        outputs.push(("not_after", rfc3339(at)));
    }
    if let Some(at) = windows().filter_map(|window| window.rebuild_by).min() {
        outputs.push(("rebuild_by", rfc3339(at)));
    }
    if let Some(least) = windows().map(|window| window.remaining_seconds).min() {
        outputs.push(("remaining_seconds", least.to_string()));
    }
    if let [one] = report.identities.as_slice()
        && let Some(certificate) = one.certificate.as_ref().filter(|_| one.stands())
    {
        outputs.push(("fingerprint", certificate.fingerprint.clone()));
        outputs.push(("serial", certificate.serial.clone()));
    }
    outputs.push(("identities", by_name(&report.identities)));
    outputs
        .iter()
        .map(|(name, value)| output(name, value, token))
        .collect()
}

/// `name<<delimiter`, the value, the delimiter: a value of several lines cannot end early.
fn output(name: &str, value: &str, token: &str) -> String {
    let mut delimiter = format!("certbake-{token}");
    while value.contains(&delimiter) {
        delimiter.push('-');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

fn by_name(identities: &[IdentityReport]) -> String {
    let all: Map<String, Value> = identities
        .iter()
        .map(|identity| {
            let kept = identity.stands();
            let certificate = identity.certificate.as_ref().filter(|_| kept);
            let window = identity.window.as_ref().filter(|_| kept);
            let files = identity
                .placements
                .iter()
                .filter(|file| file.change.stands());
            let files: Vec<_> = files.map(|file| &file.path).collect();
            let facts = json!({
                "not_after": window.map(|window| rfc3339(window.not_after)),
                "rebuild_by": window.and_then(|window| window.rebuild_by).map(rfc3339),
                "remaining_seconds": window.map(|window| window.remaining_seconds),
                "fingerprint": certificate.map(|certificate| &certificate.fingerprint),
                "serial": certificate.map(|certificate| &certificate.serial),
                "files": files,
            });
            (identity.name.clone(), facts)
        })
        .collect();
    ascii_where_hidden(&Value::Object(all).to_string())
}

/// The commands that make the runner hide a secret in everything that is printed after them: one
/// for each line, since the runner looks for lines, and a key printed whole would match none.
///
/// Left out are the armour of PEM, which hides nothing, and lines of fewer than four bytes, which
/// would be hidden wherever these letters stand. The result holds the secret: it is written to the
/// step's standard output and nowhere else, and only where a runner reads it.
pub fn masks(secret: &Secret) -> Secret {
    let lines = || {
        secret
            .expose()
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .map(<[u8]>::trim_ascii)
            .filter(|line| line.len() >= SHORTEST_MASK && !line.starts_with(b"-----"))
    };
    const COMMAND: &[u8] = b"::add-mask::";
    // Sized first: a growing buffer would leave copies of the secret behind.
    let room = lines().map(|line| COMMAND.len() + 3 * line.len() + 1).sum();
    let mut commands = Vec::with_capacity(room);
    for line in lines() {
        commands.extend_from_slice(COMMAND);
        for byte in line {
            match byte {
                b'%' => commands.extend_from_slice(b"%25"),
                _ => commands.push(*byte),
            }
        }
        commands.push(b'\n');
    }
    Secret::new(commands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
    use time::macros::datetime;

    fn report() -> Report {
        Report::new("check", datetime!(2026-11-23 23:00 UTC))
    }

    fn rendered(report: &Report) -> String {
        let mut out = Vec::new();
        Github.render(report, &mut out, Style::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_syntax_in_a_workflow_command_is_escaped() {
        let mut finding = Finding::error(Code::new("x"), "50% done")
            .in_file("a,b:c%.pem")
            .hint("do\nthis");
        finding.line = Some(7);
        assert_eq!(
            annotation(&finding),
            "::error file=a%2Cb%3Ac%25.pem,line=7,title=x::50%25 done%0Ahint: do%0Athis%0Amore: certbake docs x"
        );
    }

    #[test]
    fn a_server_cannot_speak_to_the_runner() {
        let mut report = report();
        for text in [
            "\n::set-env name=A::b",
            "::stop-commands::x",
            "##[add-mask]a",
        ] {
            report.findings.push(
                Finding::error(Code::new("x"), text)
                    .in_file(text)
                    .about(text)
                    .fact("said", text)
                    .hint(text),
            );
        }
        let text = rendered(&report);
        assert!(!text.contains("##["), "{text}");
        for line in text.lines().map(str::trim_start) {
            let ours = ["::group::certbake", "::endgroup::", "::error file="];
            assert!(
                !line.starts_with("::") || ours.iter().any(|own| line.starts_with(own)),
                "{line}"
            );
        }
    }

    #[test]
    fn no_kind_of_finding_is_crowded_out_of_the_ten_annotations() {
        let mut report = report();
        for _ in 0..50 {
            report.findings.push(Finding::error(Code::new("many"), "m"));
        }
        report.findings.push(Finding::error(Code::new("rare"), "r"));
        let text = rendered(&report);
        let errors: Vec<_> = text.lines().filter(|l| l.starts_with("::error")).collect();
        assert_eq!(errors.len(), ANNOTATIONS);
        assert!(errors[1].contains("title=rare"), "{errors:?}");
        assert!(errors[9].contains("and 42 more"), "{errors:?}");
    }

    #[test]
    fn an_output_cannot_end_before_its_delimiter() {
        assert_eq!(
            output("serial", "a\ncertbake-t\nb", "t"),
            "serial<<certbake-t-\na\ncertbake-t\nb\ncertbake-t-\n"
        );
    }

    #[test]
    fn a_secret_is_masked_line_by_line_and_stays_a_secret() {
        let key = "-----BEGIN PRIVATE KEY-----\r\nMIGH%AgEA\r\n  \r\nabc\nefgh\n-----END PRIVATE KEY-----\n";
        let masks = masks(&Secret::from(key.to_owned()));
        assert_eq!(
            masks.expose_str().unwrap(),
            "::add-mask::MIGH%25AgEA\n::add-mask::efgh\n"
        );
        assert_eq!(format!("{masks:?}"), "***");
    }
}
