//! Words that several verbs share: reports, and the form of what is shown.

use clap::{Args, ValueEnum};

/// How a run reports.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    /// How to report, several at once: human, json, github, gitlab, junit, prometheus, markdown;
    /// to a file with =PATH [default: human]
    #[arg(
        long = "report",
        value_name = "FORMAT[=PATH]",
        env = "CERTBAKE_REPORT",
        value_delimiter = ','
    )]
    pub report: Vec<String>,
}

/// The form of what a verb shows instead of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    Human,
    Json,
}
