//! The streams and the report files: the only place that prints.

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::args::shared::{REPORT_VARIABLE, ReportArgs};
use super::usage::UsageError;
use crate::command::INTERNAL;
use crate::finding::{Code, Finding};
use crate::image::{self, HostFileError, ImageError, Mode};
use crate::os_error;
use crate::outcome::{Outcome, Report};
use crate::report::{self, Selection, Style, exit_codes, github, visible};
use crate::secret_source::SecretSource;

/// A report could not be written where it was to go.
const REPORT_UNWRITABLE: Code = Code::new("report-unwritable");

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The flag, or the variable in its stead.
fn said_by(args: &ReportArgs, environment: Environment<'_>) -> &'static str {
    let variable = environment(REPORT_VARIABLE).unwrap_or_default();
    if args.report.iter().eq(variable.split(',')) {
        REPORT_VARIABLE
    } else {
        "--report"
    }
}

/// Where the reports of this run go, known to be writable before anything is done.
pub struct Output<'a> {
    selections: Vec<Selection>,
    environment: Environment<'a>,
}

impl<'a> Output<'a> {
    /// # Errors
    /// A format that does not exist, or a file that could not be written.
    pub fn prepare(args: &ReportArgs, environment: Environment<'a>) -> Result<Self, UsageError> {
        let key = said_by(args, environment);
        let refused = |error: &dyn std::fmt::Display| UsageError::new(key, error.to_string());
        let mut selections = args
            .report
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Selection>, _>>()
            .map_err(|error| refused(&error))?;
        if selections.iter().all(|selection| selection.path.is_some())
            && let Ok(human) = "human".parse()
        {
            selections.insert(0, human);
        }
        Selection::together(&selections).map_err(|error| refused(&error))?;
        for path in selections
            .iter()
            .filter_map(|selection| selection.path.as_deref())
        {
            writable(path).map_err(|error| {
                let hint = match error {
                    HostFileError::HoldsCredential => "give it its own path; nothing was requested and nothing written",
                    _ => "give a path that is not a directory, in a writable directory; certbake checks this before it asks the CA",
                };
                refused(&format!("{} cannot be written: {error}", path.display())).hint(hint)
            })?;
        }
        if selections.iter().any(is_for_a_runner) {
            for (variable, file) in files_of_runner(environment) {
                writable_by_appending(&file).map_err(|reason| {
                    UsageError::new(variable, format!("{} cannot be written: {reason}", file.display()))
                        .hint("the CI runner sets this variable to the file's path: correct or unset it; certbake checks this before it asks the CA")
                })?;
            }
        }
        Ok(Self {
            selections,
            environment,
        })
    }

    /// Writes every report; the exit code is the report's, unless a report could not be written.
    pub fn report(&self, report: &Report) -> u8 {
        let mut exit_code = report.exit_code;
        for selection in &self.selections {
            let written = match &selection.path {
                None => self.to_stdout(selection, report),
                Some(path) => to_file(selection, path, report),
            };
            let written = match written {
                Ok(()) if is_for_a_runner(selection) => self.to_runner(report),
                written => written,
            };
            if let Err(error) = written
                && !is_closed_pipe(&error)
            {
                let place = selection.path.as_ref().map_or_else(
                    || "standard output".to_owned(),
                    |path| path.display().to_string(),
                );
                complain(
                    &Finding::error(
                        REPORT_UNWRITABLE,
                        format!(
                            "the {} report could not be written to {place}: {}",
                            selection.format.name,
                            in_words(&error)
                        ),
                    )
                    .hint(format!(
                        "only the report is missing; of the run itself: {}",
                        exit_codes::of(report.outcome).meaning
                    )),
                );
                exit_code = exit_code.max(Outcome::Internal.exit_code());
            }
        }
        exit_code
    }

    fn to_stdout(&self, selection: &Selection, report: &Report) -> anyhow::Result<()> {
        // Written at once: a report must not be torn by what others write.
        let mut text = Vec::new();
        selection
            .format
            .renderer
            .render(report, &mut text, style(self.environment))?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&text)?;
        Ok(stdout.flush()?)
    }

    /// The step summary and the outputs of a GitHub Actions job, where the runner names the files
    /// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).
    fn to_runner(&self, report: &Report) -> anyhow::Result<()> {
        for (variable, file) in files_of_runner(self.environment) {
            let text = if variable == STEP_SUMMARY {
                github::step_summary(report)
            } else {
                github::outputs(report, &token()?)
            };
            let text = text.trim_end();
            let written = if image::is_stream(&file) {
                image::write_stream(&file, format!("{text}\n").as_bytes())
            } else {
                image::append_line(&file, Mode::new(0o644), text)
            };
            written.map_err(|error| anyhow!("{variable}: {error}"))?;
        }
        Ok(())
    }
}

const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
const OUTPUTS: &str = "GITHUB_OUTPUT";

fn is_for_a_runner(selection: &Selection) -> bool {
    selection.format.name == github::FORMAT.name
}

/// The files that a runner names, by their variables.
fn files_of_runner(environment: Environment<'_>) -> impl Iterator<Item = (&'static str, PathBuf)> {
    [STEP_SUMMARY, OUTPUTS]
        .into_iter()
        .filter_map(move |variable| {
            let file = environment(variable).filter(|file| !file.is_empty())?;
            Some((variable, file.into()))
        })
}

fn writable_by_appending(path: &Path) -> Result<(), ImageError> {
    if image::is_stream(path) {
        return Ok(());
    }
    image::can_append(path)
}

/// How text may look on standard output.
pub fn style(environment: Environment<'_>) -> Style {
    Style {
        colour: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        width: environment("COLUMNS")
            .and_then(|columns| columns.parse().ok())
            .or_else(terminal_width)
            .unwrap_or(Style::PLAIN.width),
    }
}

/// Of the terminal that standard output is, where that knows.
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

fn to_file(selection: &Selection, path: &Path, report: &Report) -> anyhow::Result<()> {
    let mut text = Vec::new();
    selection
        .format
        .renderer
        .render(report, &mut text, Style::PLAIN)?;
    if image::is_stream(path) {
        return Ok(image::write_stream(path, &text)?);
    }
    Ok(image::write_host_file(path, &text)?)
}

/// Whoever read standard output has read enough: nobody is left to tell.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn in_words(error: &anyhow::Error) -> String {
    match error.downcast_ref::<io::Error>() {
        Some(error) => os_error::in_words(error),
        None => error.to_string(),
    }
}

fn writable(path: &Path) -> Result<(), HostFileError> {
    if image::is_stream(path) {
        return Ok(());
    }
    image::can_write_host_file(path)
}

/// Text that nobody can foresee, to end a value of several lines with.
fn token() -> anyhow::Result<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).context("the system's random number generator failed")?;
    Ok(data_encoding::HEXLOWER.encode(&random))
}

/// Has a GitHub runner hide secrets in whatever is printed after this. Only a runner is told, since
/// the commands hold the secrets.
pub fn mask(sources: &[&SecretSource], args: &ReportArgs, environment: Environment<'_>) {
    let told = args
        .report
        .iter()
        .any(|report| report == github::FORMAT.name);
    if !told || environment("GITHUB_ACTIONS").as_deref() != Some("true") {
        return;
    }
    for source in sources {
        // One that cannot be read is told where it is needed.
        if let Ok(secret) = source.read_ahead() {
            text(github::masks(&secret).expose());
        }
    }
}

/// Help, version and words that clap cannot use.
pub fn clap(error: &clap::Error) -> u8 {
    let printed = error.print();
    if error.use_stderr() {
        return Outcome::Usage.exit_code();
    }
    on_stdout(printed.and_then(|()| io::stdout().flush()))
}

/// Text that a verb makes instead of a report, to standard output.
pub fn text(bytes: &[u8]) -> u8 {
    let mut stdout = io::stdout().lock();
    on_stdout(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A closed pipe leaves nobody to tell.
fn on_stdout(written: io::Result<()>) -> u8 {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&Finding::error(
                REPORT_UNWRITABLE,
                format!(
                    "standard output could not be written: {}",
                    os_error::in_words(&error)
                ),
            ));
            Outcome::Internal.exit_code()
        }
        _ => 0,
    }
}

/// A value for programs, instead of a report, to standard output.
pub fn json(value: &impl Serialize) -> u8 {
    match report::json::text(value) {
        Ok(json) => text(format!("{json}\n").as_bytes()),
        Err(error) => {
            complain(&bug(&error.to_string(), None));
            Outcome::Internal.exit_code()
        }
    }
}

/// A line of a server's log, to standard error.
pub fn log(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Words that cannot be used, where no report can be made of them.
pub fn usage(error: UsageError) -> u8 {
    complain(&error.into_finding());
    Outcome::Usage.exit_code()
}

/// A panic is a bug, told as one. A release build ends with it: here, by the exit code for bugs, and not
/// by a signal.
#[allow(
    clippy::disallowed_methods,
    reason = "nothing returns to main from a panic that aborts"
)]
pub fn panicked(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let reason = literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map(ToString::to_string);
    complain(&bug(reason.unwrap_or("unknown reason"), place.as_deref()));
    if cfg!(panic = "abort") {
        std::process::exit(Outcome::Internal.exit_code().into());
    }
}

fn bug(reason: &str, place: Option<&str>) -> Finding {
    let place = place.map_or_else(String::new, |place| format!(" ({place})"));
    Finding::error(
        INTERNAL,
        format!("this is a bug in certbake: {reason}{place}"),
    )
    .hint(
        "if an image was being written, run certbake on it again: it first completes or undoes the interrupted run; please report this message with the command line (`certbake docs internal-error`)",
    )
}

/// A finding on stderr.
fn complain(finding: &Finding) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "certbake: {}", visible(&finding.summary));
    if !finding.hint.is_empty() {
        let _ = writeln!(stderr, "  {}", visible(&finding.hint));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use anyhow::anyhow;

    const WANTED: &str = "RUST_BACKTRACE";

    /// A release build has no tables for unwinding (benches/layout): an error that took a backtrace
    /// would abort it.
    #[test]
    fn no_error_takes_a_backtrace_where_one_is_asked_for() {
        if std::env::var(WANTED).as_deref() == Ok("1") {
            return assert_eq!(format!("{:?}", anyhow!("full")), "full");
        }
        let again = Command::new(std::env::current_exe().unwrap())
            .arg("no_error_takes_a_backtrace_where_one_is_asked_for")
            .env(WANTED, "1")
            .status();
        assert!(again.unwrap().success());
    }
}
