//! A finding: one thing that is worth saying about a certificate, a file, an authority or a
//! connection, with the facts that prove it and what to do next.
//!
//! A check that says "no" returns findings; `Err` is for a check that could not run.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A stable kebab-case name of a kind of finding; each has a page `docs/findings/<code>.md`.
///
/// Declare it as a constant beside the check: `const CODE: Code = Code::new("window-below-floor");`.
/// `tests/findings.rs` finds every declaration and demands its page.
#[derive(Clone, Copy, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
pub struct Code {
    name: &'static str,
    #[serde(skip)]
    passing: bool,
}

impl Code {
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            passing: false,
        }
    }

    /// What it names passes by itself, though what else ends with the same exit code does not.
    #[must_use]
    pub const fn passing(self) -> Self {
        Self {
            passing: true,
            ..self
        }
    }

    pub const fn is_passing(self) -> bool {
        self.passing
    }

    pub const fn as_str(self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How much a finding weighs: an error fails the run, a warning and a note do not.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing found, as every report format shows it.
///
/// `summary` is one sentence without a full stop; `facts` are the values that prove it (dates as
/// RFC 3339 UTC, durations in seconds under a key ending in `_seconds`); `hint` says what to
/// do next.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// The identity it is about, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The file it is about, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in `file`, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub summary: String,
    pub facts: Map<String, Value>,
    pub hint: String,
}

impl Finding {
    pub fn new(code: Code, severity: Severity, summary: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            identity: None,
            file: None,
            line: None,
            summary: summary.into(),
            facts: Map::new(),
            hint: String::new(),
        }
    }

    pub fn error(code: Code, summary: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, summary)
    }

    pub fn warning(code: Code, summary: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, summary)
    }

    pub fn note(code: Code, summary: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, summary)
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// A fact that is an instant, stored as RFC 3339 in UTC.
    #[must_use]
    pub fn instant(self, name: &str, at: OffsetDateTime) -> Self {
        self.fact(name, rfc3339(at))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    #[must_use]
    pub fn about(mut self, identity: &str) -> Self {
        self.identity = Some(identity.to_owned());
        self
    }

    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// RFC 3339 in UTC with whole seconds, as certificates count time.
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.checked_to_offset(time::UtcOffset::UTC)
        .unwrap_or(at)
        .replace_nanosecond(0)
        .unwrap_or(at)
        .format(&Rfc3339)
        .unwrap_or_else(|_| format!("unix:{}", at.unix_timestamp()))
}
