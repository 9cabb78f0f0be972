//! What was looked at, a subject after the other.

use super::paper::{Paper, Tone};
use crate::outcome::{Look, Sight};

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
            Sight::Fine => paper.row(label, &look.said),
            Sight::Wrong => paper.row_in(label, Tone::Bad, &look.said),
            Sight::NotLookedAt => paper.row(label, &format!("not looked at: {}", look.said)),
        }
        subject = &look.subject;
    }
    paper.blank();
}
