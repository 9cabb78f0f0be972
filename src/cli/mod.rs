//! The front: words in, words out, and the exit code.

pub mod args;
mod ca;
pub mod file;
mod output;
mod progress;
mod resolve;
mod schema;
pub mod source;
pub mod usage;
mod variables;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use time::OffsetDateTime;

use crate::command::{self, Context, Failure, Progress};
use crate::outcome::{Outcome, Report};
use crate::report;
use args::shared::{Format, ReportArgs};
use args::{Cli, Verb};
use output::Output;
use progress::Waiting;
use resolve::Outside;
use usage::UsageError;

pub use output::panicked;

/// The clock, read once.
pub struct Start {
    pub now: OffsetDateTime,
    /// The moment at which `now` was read.
    pub started: Instant,
    /// The clock itself, for a server: it outlives the moment it was started.
    pub clock: fn() -> OffsetDateTime,
}

/// Runs a command line to its end; the exit code is that of [`Outcome::exit_code`].
pub fn run(arguments: impl IntoIterator<Item = OsString>, start: &Start) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = Cli::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| {
            let cli = Cli::from_arg_matches(&matches)?;
            Ok((cli, matches))
        });
    match parsed {
        Ok((cli, matches)) => dispatch(
            cli.verb,
            matches.subcommand().map(|(_, matches)| matches),
            start,
        ),
        Err(error) if error.kind() == ErrorKind::InvalidUtf8 => {
            not_text(&arguments).map_or_else(|| output::clap(&error), output::usage)
        }
        Err(mut error) => {
            // Nobody who meant something harmless should be led to it.
            if suggests(&error, "revoke") {
                error.remove(ContextKind::SuggestedSubcommand);
            }
            output::clap(&error)
        }
    }
}

fn suggests(error: &clap::Error, verb: &str) -> bool {
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(one)) => one == verb,
        Some(ContextValue::Strings(several)) => several.iter().any(|one| one == verb),
        _ => false,
    }
}

/// The arguments that are no text, of which one is refused; `None` where it is a variable.
fn not_text(arguments: &[OsString]) -> Option<UsageError> {
    let foreign = |argument: &&OsString| argument.to_str().is_none();
    let named = arguments
        .iter()
        .filter(foreign)
        .map(|argument| format!("{argument:?}"));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| {
        UsageError::new(named.join(", "), "is not UTF-8")
            .hint("all arguments must be UTF-8, except paths")
    })
}

fn dispatch(verb: Verb, matches: Option<&ArgMatches>, start: &Start) -> u8 {
    let Some(matches) = matches else {
        return Outcome::Usage.exit_code();
    };
    match verb {
        Verb::Provision(args) => {
            reported("provision", &args.plan.report, start, |context, waiting| {
                let plan = resolve::provision(&args, matches, &outside(context, waiting))?;
                output::mask(&plan.secrets(), &args.plan.report, context.environment);
                Ok(command::provision::run(&plan, context))
            })
        }
        Verb::Doctor(args) => reported("doctor", &args.plan.report, start, |context, waiting| {
            let plan = resolve::doctor(&args, matches, &outside(context, waiting))?;
            output::mask(&plan.secrets(), &args.plan.report, context.environment);
            Ok(command::doctor::run(&plan, context))
        }),
        Verb::Check(args) => reported("check", &args.report, start, |context, _| {
            resolve::check::plan(&args, matches).map(|plan| command::check::run(&plan, context))
        }),
        Verb::Inspect(args) => inspect(&args, start),
        Verb::Revoke(args) => reported("revoke", &args.report, start, |context, waiting| {
            let plan = resolve::revoke::plan(&args, matches, &outside(context, waiting))?;
            let secrets: Vec<_> = plan.candidate.opened.secrets.iter().collect();
            output::mask(&secrets, &args.report, context.environment);
            Ok(command::revoke::run(&plan, context))
        }),
        Verb::Init(args) => init(&args, start),
        Verb::Authorities(args) => authorities(&args),
        Verb::Ca(args) => ca::run(args, start),
        Verb::Docs(args) => docs(&args),
        Verb::Completions(args) => output::text(&args.text()),
        Verb::Man(args) => match args.text() {
            Some(page) => output::text(&page),
            None => output::usage(
                UsageError::new("man", "there is no such command")
                    .hint("`certbake --help` lists the commands; write a nested one as ca-serve"),
            ),
        },
        Verb::Schema(args) => output::text(&args.text()),
    }
}

fn outside<'a>(context: &'a Context<'_>, waiting: &Arc<Waiting>) -> Outside<'a> {
    Outside {
        now: context.now,
        environment: context.environment,
        on_wait: Some(waiting.on_wait()),
    }
}

/// A verb that ends in a report: outputs are checked first, words that cannot be used are reported
/// as everything else is.
fn reported(
    verb: &'static str,
    args: &ReportArgs,
    start: &Start,
    run: impl FnOnce(&Context<'_>, &Arc<Waiting>) -> Result<Report, UsageError>,
) -> u8 {
    let output = match Output::prepare(args, &environment) {
        Ok(output) => output,
        Err(error) => return output::usage(error),
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let run = |context: &Context<'_>, waiting: &Arc<Waiting>| {
        variables::none_misspelt(names)?;
        run(context, waiting)
    };
    let report = match in_context(start, run) {
        Ok(report) => report,
        Err(error) if error.of_reports => return output::usage(error),
        Err(error) => {
            let mut report = Report::new(verb, start.now);
            report.conclude(Outcome::Usage);
            report.findings.push(error.into_finding());
            report
        }
    };
    output.report(&report)
}

/// Runs a command with the clock, the environment and someone to tell what is being waited for.
fn in_context<T>(start: &Start, run: impl FnOnce(&Context<'_>, &Arc<Waiting>) -> T) -> T {
    let waiting = Arc::new(Waiting::new());
    let done = run(&context(start, &*waiting), &waiting);
    waiting.end();
    done
}

fn context<'a>(start: &Start, progress: &'a dyn Progress) -> Context<'a> {
    Context {
        now: start.now,
        started: start.started,
        environment: &environment,
        progress,
    }
}

/// What went wrong with a verb that has no report, as all others report it.
fn failed(verb: &'static str, format: Format, failure: Failure, start: &Start) -> u8 {
    let args = ReportArgs {
        report: match format {
            Format::Human => Vec::new(),
            Format::Json => vec!["json".to_owned()],
        },
    };
    let mut report = Report::new(verb, start.now);
    report.conclude(failure.outcome);
    report.findings.push(*failure.finding);
    match Output::prepare(&args, &environment) {
        Ok(output) => output.report(&report),
        Err(error) => output::usage(error),
    }
}

fn init(args: &args::init::Args, start: &Start) -> u8 {
    match args.plan() {
        Ok(None) => output::text(command::init::TEMPLATE.as_bytes()),
        Ok(Some(plan)) => match command::init::run(&plan) {
            Ok(written) => output::text(written.to_string().as_bytes()),
            Err(failure) => failed("init", Format::Human, failure, start),
        },
        Err(error) => output::usage(error),
    }
}

fn authorities(args: &args::authorities::Args) -> u8 {
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(error) => return output::usage(error),
    };
    let listing = command::authorities::run(&plan);
    let text = match args.report {
        Format::Human => report::human::authorities(&listing, output::style(&environment)),
        Format::Json => return output::json(&listing),
    };
    output::text(text.as_bytes())
}

fn docs(args: &args::docs::Args) -> u8 {
    match args.page() {
        Ok(Some(page)) => output::text(page.text.as_bytes()),
        Ok(None) => output::text(report::human::pages(output::style(&environment)).as_bytes()),
        Err(error) => output::usage(error),
    }
}

fn inspect(args: &args::inspect::Args, start: &Start) -> u8 {
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(error) => return output::usage(error),
    };
    let inspection = in_context(start, |context, _| command::inspect::run(&plan, context));
    let printed = match args.report {
        Format::Human => {
            let text = report::human::inspection(&inspection, output::style(&environment));
            output::text(text.as_bytes())
        }
        Format::Json => output::json(&inspection),
    };
    match printed {
        0 => inspection.exit_code,
        failed => failed,
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
