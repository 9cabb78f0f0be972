//! Words that several verbs share: reports, and the form of what is shown.

use clap::{Args, ValueEnum};

use crate::report::FORMATS;

/// How a run reports.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    #[arg(
        long = "report",
        value_name = "FORMAT[=PATH]",
        env = "CERTBAKE_REPORT",
        value_delimiter = ',',
        help = report_help()
    )]
    pub report: Vec<String>,
}

fn report_help() -> String {
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    format!(
        "How to report, several at once: {}; to a file with =PATH [default: {}]",
        names.join(", "),
        names[0]
    )
}

/// The form of what a verb shows instead of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    Human,
    Json,
}
