//! The kinds of authorities, or all about one.

use super::paper::Paper;
use crate::listing::{Kind, Listing, Setting};
use crate::report::Style;

/// The screen for a listing.
pub fn authorities(listing: &Listing, style: Style) -> String {
    let mut paper = Paper::new(style);
    match listing.authorities.as_slice() {
        [one] => in_full(&mut paper, one),
        several => {
            for kind in several {
                paper.row(kind.kind, kind.summary);
                paper.row("", &format!("can {}", abilities(kind)));
            }
            paper.blank();
            paper.dim("certbake authorities KIND shows every setting of one");
        }
    }
    paper.finish()
}

fn abilities(kind: &Kind) -> String {
    let mut all = vec!["issue"];
    all.extend(&kind.abilities);
    all.join(", ")
}

fn in_full(paper: &mut Paper, kind: &Kind) {
    paper.row(kind.kind, kind.summary);
    paper.row("can", &abilities(kind));
    paper.row("more", &format!("{}, {}", kind.page, kind.example));
    paper.blank();
    paper.dim(&format!(
        "Settings, in [ca.NAME] with kind = \"{}\":",
        kind.kind
    ));
    paper.blank();
    let (connection, own): (Vec<_>, Vec<_>) =
        kind.settings.iter().partition(|setting| setting.connection);
    for each in own {
        setting(paper, each);
    }
    if !connection.is_empty() {
        paper.blank();
        paper.dim("Shared by several kinds:");
        paper.blank();
        for each in connection {
            setting(paper, each);
        }
    }
    paper.blank();
    paper.dim("On the command line, --ca-set KEY=VALUE sets those without a flag of their own.");
}

fn setting(paper: &mut Paper, setting: &Setting) {
    let mut words = vec![setting.of.clone()];
    if setting.required {
        words.push("required".to_owned());
    }
    words.extend(
        setting
            .default
            .iter()
            .map(|value| format!("default {value}")),
    );
    words.extend(setting.flag.clone());
    paper.row(&setting.key, &words.join("; "));
    paper.row("", &setting.meaning);
}
