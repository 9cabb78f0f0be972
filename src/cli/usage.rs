//! Words that cannot be used: a flag, a setting, a line of the configuration file. Says where it
//! stands, what is wrong, and what is allowed.

use crate::finding::{Code, Finding};

/// The command line or the environment cannot be used.
pub const USAGE: Code = Code::new("usage-invalid");
/// The configuration file cannot be used.
pub const CONFIG: Code = Code::new("config-invalid");

/// Something that a person wrote and that cannot be used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UsageError {
    /// The configuration file, where it stands there.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// `identity.app-server.ttl`, or `--ttl`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What is allowed, or what was probably meant.
    pub hint: String,
    /// It is about where reports go: none is written then.
    pub of_reports: bool,
}

impl UsageError {
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn into_finding(self) -> Finding {
        let code = if self.file.is_some() { CONFIG } else { USAGE };
        let summary = if self.key.is_empty() {
            self.reason
        } else {
            format!("{}: {}", self.key, self.reason)
        };
        let mut finding = Finding::error(code, summary).hint(self.hint);
        if !self.key.is_empty() {
            finding = finding.fact("key", self.key);
        }
        finding.file = self.file;
        finding.line = self.line;
        finding
    }
}
