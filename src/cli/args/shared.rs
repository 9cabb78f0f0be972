//! Words that several verbs share: reports, and the form of what is shown.

use clap::{Args, ValueEnum};

use crate::report::FORMATS;

pub const REPORT_VARIABLE: &str = "CERTBAKE_REPORT";

/// How a run reports.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    #[arg(
        long = "report",
        value_name = "FORMAT[=PATH]",
        env = REPORT_VARIABLE,
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

/// Reads the variable of a flag without a value; pipelines set one to nothing where it is off.
pub fn yes_or_no(variable: &'static str) -> impl Fn(&str) -> Result<bool, String> + Clone {
    move |text| match text.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "y" | "yes" => Ok(true),
        "" | "0" | "off" | "false" | "n" | "no" => Ok(false),
        _ => Err(format!("{variable} is neither true nor false")),
    }
}
