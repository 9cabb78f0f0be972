//! `certbake ca issue-log`: what a CA has issued, and how long each certificate lasts still.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::authority::embedded::{CaDirectory, IssuedEntry, RevokedEntry};
use crate::command::{Context, Failure};
use crate::span::Span;

pub struct Plan {
    pub dir: PathBuf,
}

/// The log, the oldest entry first.
#[derive(Debug, Serialize)]
pub struct Log {
    pub issued: Vec<Line>,
    /// Lines that cannot be read: what they recorded is unknown.
    pub unreadable: usize,
}

#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub entry: IssuedEntry,
    /// Negative once past; absent where the log's date cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_seconds: Option<i64>,
    /// When and why it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedEntry>,
}

/// # Errors
/// When there is no usable CA in the directory.
pub fn run(plan: &Plan, context: &Context<'_>) -> Result<Log, Failure> {
    let ca = CaDirectory::open(&plan.dir)?;
    let log = ca.log().read()?;
    let revoked = ca.revoked()?;
    let now = context.moment();
    let issued = log.entries.into_iter().map(|entry| Line {
        remaining_seconds: remaining(&entry, now),
        revoked: revoked
            .iter()
            .find(|revoked| revoked.fingerprint == entry.fingerprint)
            .cloned(),
        entry,
    });
    Ok(Log {
        issued: issued.collect(),
        unreadable: log.unreadable,
    })
}

fn remaining(entry: &IssuedEntry, now: OffsetDateTime) -> Option<i64> {
    let not_after = OffsetDateTime::parse(&entry.not_after, &Rfc3339).ok()?;
    Some((not_after - now).whole_seconds())
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.issued.is_empty() {
            writeln!(f, "nothing issued yet")?;
        }
        for Line {
            entry,
            remaining_seconds,
            revoked,
        } in &self.issued
        {
            let subject = if entry.subject.is_empty() {
                "(no subject)"
            } else {
                &entry.subject
            };
            let left = remaining_seconds.map_or_else(
                || format!("until \"{}\", which is no date", entry.not_after),
                left,
            );
            writeln!(f, "{}  {subject}  {left}", entry.at)?;
            let names = entry.names.join(", ");
            let known = format!("  {}  {names}", entry.usage.join(", "));
            writeln!(f, "{}", known.trim_end())?;
            writeln!(f, "  serial {}  by {}", entry.serial, entry.requester)?;
            if let Some(revoked) = revoked {
                writeln!(f, "  revoked {}  {}", revoked.at, revoked.reason)?;
            }
        }
        if self.unreadable > 0 {
            writeln!(
                f,
                "unreadable lines: {}; what they recorded is unknown, and may be certificates that were issued",
                self.unreadable
            )?;
        }
        Ok(())
    }
}

/// `6d 23h left`, or `expired 2h ago`.
pub(super) fn left(seconds: i64) -> String {
    let span = Span::seconds(seconds.abs());
    if seconds < 0 {
        format!("expired {span} ago")
    } else {
        format!("{span} left")
    }
}
