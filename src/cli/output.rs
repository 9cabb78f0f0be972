//! The streams: the only place that prints.

use std::io::Write;

use super::args::shared::ReportArgs;
use super::usage::UsageError;
use crate::outcome::{Outcome, Report};

pub struct Output;

impl Output {
    pub fn prepare(_: &ReportArgs, _: &dyn Fn(&str) -> Option<String>) -> Result<Self, UsageError> {
        Ok(Self)
    }

    pub fn report(&self, report: &Report) -> u8 {
        let mut out = anstream::stdout().lock();
        let _ = serde_json::to_writer_pretty(&mut out, report);
        let _ = writeln!(out);
        report.exit_code
    }
}

pub fn clap(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.use_stderr() {
        Outcome::Usage.exit_code()
    } else {
        0
    }
}

pub fn usage(error: UsageError) -> u8 {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "certbake: {}", error.reason);
    Outcome::Usage.exit_code()
}
