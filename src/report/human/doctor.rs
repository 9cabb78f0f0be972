//! What was looked at, a subject after the other.

use super::paper::{Paper, Tone};
use crate::outcome::{Look, LookState};

pub fn write(paper: &mut Paper, looks: &[Look]) {
    let mut subject = "";
    for look in looks {
        let label = if look.subject == subject {
            ""
        } else {
            &look.subject
        };
        if !label.is_empty() {
            paper.blank();
        }
        match look.state {
            LookState::Fine => paper.row(label, &look.said),
            LookState::Wrong => paper.row_in(label, Tone::Bad, &look.said),
            LookState::NotLookedAt => paper.row(label, &format!("not checked: {}", look.said)),
        }
        subject = &look.subject;
    }
    paper.blank();
}
