//! What was looked at, a subject after the other.

use super::screen::{Screen, Tone};
use crate::outcome::{Look, LookState};

pub fn write(screen: &mut Screen, looks: &[Look]) {
    let mut subject = "";
    for look in looks {
        let label = if look.subject == subject {
            ""
        } else {
            &look.subject
        };
        if !label.is_empty() {
            screen.blank();
        }
        match look.state {
            LookState::Fine => screen.row(label, &look.said),
            LookState::Wrong => screen.row_in(label, Tone::Bad, &look.said),
            LookState::NotLookedAt => screen.row(label, &format!("not checked: {}", look.said)),
        }
        subject = &look.subject;
    }
    screen.blank();
}
