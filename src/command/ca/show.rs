//! `certbake ca show`: both certificates of a CA, and how long they last.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use crate::authority::embedded::CaDirectory;
use crate::command::{Context, Failure};
use crate::finding::rfc3339;
use crate::pki::Certificate;

pub struct Plan {
    pub dir: PathBuf,
}

/// A CA as people and programs see it. Times are RFC 3339 UTC, durations are seconds.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub directory: String,
    pub root: ShownCertificate,
    pub intermediate: ShownCertificate,
    /// Whether the intermediate lasts as long as the root lets it.
    #[serde(skip)]
    pub ends_with_root: bool,
    /// What to do, where the intermediate has expired: nothing is issued any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<&'static str>,
    /// Whether the root's key is in the directory; it may be kept elsewhere.
    pub root_key_is_here: bool,
    /// How many certificates it has issued.
    pub issued: usize,
}

#[derive(Debug, Serialize)]
pub struct ShownCertificate {
    pub subject: String,
    pub serial: String,
    pub key: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    pub not_before: String,
    pub not_after: String,
    /// Negative once past.
    pub remaining_seconds: i64,
}

/// # Errors
/// When there is no usable CA in the directory.
pub fn run(plan: &Plan, context: &Context<'_>) -> Result<Shown, Failure> {
    Shown::of(&CaDirectory::open(&plan.dir)?, context.moment())
}

impl Shown {
    pub(super) fn of(ca: &CaDirectory, now: OffsetDateTime) -> Result<Self, Failure> {
        let has_ended = ca.intermediate().window().not_after <= now;
        Ok(Self {
            directory: ca.path().display().to_string(),
            root: ShownCertificate::of(ca.root(), now),
            intermediate: ShownCertificate::of(ca.intermediate(), now),
            ends_with_root: ca.ends_with_root(),
            renewal: has_ended.then(|| ca.renewal()),
            root_key_is_here: ca.root_key_is_here(),
            issued: ca.log().read()?.entries.len(),
        })
    }
}

impl ShownCertificate {
    fn of(certificate: &Certificate, now: OffsetDateTime) -> Self {
        let facts = certificate.facts();
        Self {
            subject: facts.subject.clone(),
            serial: facts.serial.clone(),
            key: facts.key.to_string(),
            fingerprint: certificate.fingerprint(),
            not_before: rfc3339(facts.window.not_before),
            not_after: rfc3339(facts.window.not_after),
            remaining_seconds: facts.window.remaining(now).whole_seconds(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "directory     {}", self.directory)?;
        writeln!(f, "root          {}", self.root)?;
        writeln!(f, "intermediate  {}", self.intermediate)?;
        let indent = " ".repeat("intermediate  ".len());
        if self.ends_with_root {
            writeln!(f, "{indent}it cannot outlast its root, and expires with it")?;
        }
        if let Some(renewal) = self.renewal {
            writeln!(f, "{indent}nothing can be issued: {renewal}")?;
        }
        let root_key = if self.root_key_is_here {
            "keys/root.key; it may be moved offline until the intermediate is renewed"
        } else {
            "kept elsewhere"
        };
        writeln!(f, "root key      {root_key}")?;
        writeln!(f, "issued        {}", self.issued)
    }
}

impl fmt::Display for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = super::issue_log::left(self.remaining_seconds);
        let indent = " ".repeat("intermediate  ".len());
        writeln!(f, "{}, {}", self.subject, self.key)?;
        writeln!(
            f,
            "{indent}from {} to {}, {left}",
            self.not_before, self.not_after
        )?;
        write!(f, "{indent}sha256:{}", self.fingerprint)
    }
}
