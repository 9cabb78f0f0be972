//! The pages of the documentation, a line each.

use super::screen::Screen;
use super::table;
use crate::pages::{PAGES, Subject};
use crate::report::Style;

const SUBJECTS: [(Subject, &str); 3] = [
    (Subject::Guide, "Guides"),
    (Subject::Authority, "Kinds of CAs"),
    (Subject::Finding, "Findings"),
];

/// The screen for the list of all pages. Lines are left whole: whoever looks for a word greps.
pub fn pages(style: Style) -> String {
    let mut screen = Screen::new(style);
    screen.dim("certbake docs PAGE shows one of these; a link to it does for its name");
    for (subject, title) in SUBJECTS {
        screen.blank();
        screen.dim(title);
        let rows: Vec<_> = PAGES
            .iter()
            .filter(|page| page.subject == subject)
            .map(|page| vec![page.name.to_owned(), page.summary()])
            .collect();
        for line in table::lines(&rows) {
            screen.whole(&line);
        }
    }
    screen.finish()
}
