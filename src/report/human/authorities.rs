//! The kinds of authorities, or all about one.

use super::screen::Screen;
use crate::listing::{Kind, Listing, Setting};
use crate::report::Style;

/// The screen for a listing.
pub fn authorities(listing: &Listing, style: Style) -> String {
    let mut screen = Screen::new(style);
    match listing.authorities.as_slice() {
        [one] => in_full(&mut screen, one),
        several => {
            for kind in several {
                screen.row(kind.kind, kind.summary);
                screen.row("", &format!("can {}", abilities(kind)));
            }
            screen.blank();
            screen.dim("certbake authorities KIND shows every setting of one");
        }
    }
    screen.finish()
}

fn abilities(kind: &Kind) -> String {
    let mut all = vec!["issue"];
    all.extend(&kind.abilities);
    all.join(", ")
}

fn in_full(screen: &mut Screen, kind: &Kind) {
    screen.row(kind.kind, kind.summary);
    screen.row("can", &abilities(kind));
    screen.row(
        "more",
        &format!("certbake docs {}, {}", kind.kind, kind.example),
    );
    screen.blank();
    screen.dim(&format!(
        "Settings, in [ca.NAME] with kind = \"{}\":",
        kind.kind
    ));
    screen.blank();
    let (connection, own): (Vec<_>, Vec<_>) =
        kind.settings.iter().partition(|setting| setting.connection);
    for each in own {
        setting(screen, each);
    }
    if !connection.is_empty() {
        screen.blank();
        screen.dim("Shared by several kinds:");
        screen.blank();
        for each in connection {
            setting(screen, each);
        }
    }
    screen.blank();
    screen.dim("On the command line, --ca-set KEY=VALUE sets those without a flag of their own.");
}

fn setting(screen: &mut Screen, setting: &Setting) {
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
    screen.row(&setting.key, &words.join("; "));
    screen.row("", &setting.meaning);
}
