//! `certbake ca …`: shown values to standard output, the server's log to standard error.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::args::ca::{Args, Format, Serve, Verb};
use super::{Start, context, failed, in_context, output};
use crate::authority::embedded::server::Event;
use crate::command::ca::{init, issue_log, serve, show};
use crate::command::{Context, Failure, Quiet};
use crate::finding::rfc3339;

pub fn run(args: Args, start: &Start) -> u8 {
    match args.verb {
        Verb::Init(args) => {
            let format = args.shape.report;
            match args.plan() {
                Ok(plan) => shown("ca init", format, start, |context| {
                    init::run(&plan, context)
                }),
                Err(error) => output::usage(error),
            }
        }
        Verb::Show(args) => {
            let format = args.shape.report;
            let plan = args.plan();
            shown("ca show", format, start, |context| {
                show::run(&plan, context)
            })
        }
        Verb::IssueLog(args) => {
            let format = args.shape.report;
            let plan = args.plan();
            shown("ca issue-log", format, start, |context| {
                issue_log::run(&plan, context)
            })
        }
        Verb::Serve(args) => served(*args, start),
    }
}

fn shown<T: fmt::Display + Serialize>(
    verb: &'static str,
    format: Format,
    start: &Start,
    run: impl FnOnce(&Context<'_>) -> Result<T, Failure>,
) -> u8 {
    match (in_context(start, |context, _| run(context)), format) {
        (Ok(value), Format::Human) => output::text(value.to_string().as_bytes()),
        (Ok(value), Format::Json) => output::json(&Document {
            schema: 1,
            command: verb,
            value,
        }),
        (Err(failure), format) => failed(verb, format, failure, start),
    }
}

/// As programs read it; fields are added, never renamed.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    command: &'static str,
    #[serde(flatten)]
    value: T,
}

fn served(args: Serve, start: &Start) -> u8 {
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(error) => return output::usage(error),
    };
    let clock = start.clock;
    let events = Arc::new(move |event: Event| match event {
        Event::Listening { .. } => {
            output::text(format!("{event}\n").as_bytes());
        }
        event => output::log(&format!("{} {event}", rfc3339(clock()))),
    });
    // Its log goes where progress would.
    let context = context(start, &Quiet);
    match serve::run(plan, &context, Arc::new(clock), events) {
        Ok(()) => 0,
        Err(failure) => failed("ca serve", Format::Human, failure, start),
    }
}
