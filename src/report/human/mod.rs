//! `human`: one calm screen. What was asked, what came, how long it lasts, where it landed, and
//! what is worth knowing; after a failure, first what happened and what to do.

use std::io::{self, Write};

use super::{Format, Renderer, Style, escape};
use crate::outcome::{Outcome, Report};
use paper::Paper;

pub use inspection::inspection;

mod bar;
mod findings;
mod headline;
mod identity;
mod inspection;
mod paper;
mod table;

pub const FORMAT: Format = Format {
    name: "human",
    summary: "one calm screen, for people",
    alone: false,
    renderer: &Human,
};

struct Human;

impl Renderer for Human {
    fn render(&self, report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
        out.write_all(screen(&escape::visible_report(report), style).as_bytes())
    }
}

/// The screen for a report whose texts are visible already.
pub(super) fn screen(report: &Report, style: Style) -> String {
    let mut paper = Paper::new(style);
    let told = headline::write(&mut paper, report);
    match report.identities.as_slice() {
        [] => {}
        [one] => identity::write(&mut paper, report, one),
        several => identity::write_several(&mut paper, report, several),
    }
    findings::write(&mut paper, report, told);
    ending(&mut paper, report.outcome);
    paper.finish()
}

/// The exit code in words, where it is not 0: whoever reads a log has no `$?`.
fn ending(paper: &mut Paper, outcome: Outcome) {
    if outcome.exit_code() == 0 {
        return;
    }
    let row = super::exit_codes::of(outcome);
    let again = match row.again {
        "yes" => "; trying again may help",
        "no" => "; trying again will not help",
        _ => "",
    };
    paper.blank();
    paper.dim(&format!(
        "exit {} ({}): {}{again}",
        outcome.exit_code(),
        outcome.as_str(),
        row.meaning
    ));
}
