//! `human`: one calm screen. What was asked, what came, how long it lasts, where it landed, and
//! what is worth knowing; after a failure, first what happened and what to do.

use std::io::{self, Write};

use super::{Format, Renderer, Style, escape, exit_codes};
use crate::outcome::{Outcome, Report};
pub(super) use headline::verb;
use paper::Paper;

pub use authorities::authorities;
pub use inspection::inspection;

mod authorities;
mod bar;
mod doctor;
mod findings;
mod headline;
mod identity;
mod inspection;
mod paper;
mod table;

pub const FORMAT: Format = Format {
    name: "human",
    renderer: &Human,
};

struct Human;

impl Renderer for Human {
    fn render(&self, report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
        out.write_all(screen(&escape::visible_report(report), style).as_bytes())
    }
}

/// The screen for a report whose texts are visible already. After a failure, everything that was
/// found stands before what was asked for.
pub(super) fn screen(report: &Report, style: Style) -> String {
    let mut paper = Paper::new(style);
    let told = headline::write(&mut paper, report);
    if report.exit_code == 0 {
        doctor::write(&mut paper, &report.looked_at);
        identities(&mut paper, report);
        findings::write(&mut paper, report, told);
    } else {
        findings::write(&mut paper, report, told);
        paper.blank();
        doctor::write(&mut paper, &report.looked_at);
        identities(&mut paper, report);
    }
    ending(&mut paper, report.outcome, exit_codes::again(report));
    paper.finish()
}

fn identities(paper: &mut Paper, report: &Report) {
    match report.identities.as_slice() {
        [] => {}
        [one] => identity::write(paper, report, one),
        several => identity::write_several(paper, report, several),
    }
}

/// The exit code, where it is not 0: whoever reads a log has no `$?`.
fn ending(paper: &mut Paper, outcome: Outcome, again: Option<bool>) {
    if outcome.exit_code() == 0 {
        return;
    }
    let again = match again {
        Some(true) => "; a retry may help",
        Some(false) => "; a retry will not help",
        None => "",
    };
    paper.blank();
    paper.dim(&format!(
        "exit {} ({}), see docs/exit-codes.md{again}",
        outcome.exit_code(),
        outcome.as_str(),
    ));
}
