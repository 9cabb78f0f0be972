//! `human`: one calm screen. What was asked, what came, how long it lasts, where it landed, and
//! what is worth knowing; after a failure, first what happened and what to do.

use std::io::{self, Write};

use super::{Format, Renderer, Style, escape, exit_codes};
use crate::outcome::{Outcome, Report};
pub(super) use headline::verb;
use screen::Screen;

pub use authorities::authorities;
pub use inspection::inspection;
pub use pages::pages;

mod authorities;
mod bar;
mod doctor;
mod findings;
mod headline;
mod identity;
mod inspection;
mod pages;
mod screen;
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
    let mut screen = Screen::new(style);
    let told = headline::write(&mut screen, report);
    if report.exit_code == 0 {
        doctor::write(&mut screen, &report.looked_at);
        identities(&mut screen, report);
        findings::write(&mut screen, report, told);
    } else {
        findings::write(&mut screen, report, told);
        screen.blank();
        doctor::write(&mut screen, &report.looked_at);
        identities(&mut screen, report);
    }
    ending(&mut screen, report.outcome, exit_codes::again(report));
    screen.finish()
}

fn identities(screen: &mut Screen, report: &Report) {
    match report.identities.as_slice() {
        [] => {}
        [one] => identity::write(screen, report, one),
        several => identity::write_several(screen, report, several),
    }
}

/// The exit code, where it is not 0: whoever reads a log has no `$?`.
fn ending(screen: &mut Screen, outcome: Outcome, again: Option<bool>) {
    if outcome.exit_code() == 0 {
        return;
    }
    let again = match again {
        Some(true) => "; a retry may help",
        Some(false) => "; a retry will not help",
        None => "",
    };
    screen.blank();
    screen.dim(&format!(
        "exit {} ({}), see `certbake docs exit-codes`{again}",
        outcome.exit_code(),
        outcome.as_str(),
    ));
}
