//! An identity on its way from words to a plan: the values, and where each was written.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::DEFAULT_CONFIG;
use crate::cli::file;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;

/// One identity, its values merged, each traceable to its flag, variable or line.
pub struct Draft<'a> {
    pub name: String,
    pub identity: file::Identity,
    pub source: Option<&'a Source>,
    /// Keys that a flag or a variable set, by which.
    origins: BTreeMap<&'static str, String>,
}

impl<'a> Draft<'a> {
    pub fn of_file(name: &str, identity: file::Identity, source: &'a Source) -> Self {
        Self {
            name: name.to_owned(),
            identity,
            source: Some(source),
            origins: BTreeMap::new(),
        }
    }

    pub fn of_flags(name: String) -> Self {
        Self {
            name,
            identity: file::Identity::default(),
            source: None,
            origins: BTreeMap::new(),
        }
    }

    /// Remembers that `key` was set by this flag or its variable.
    pub fn set_by(&mut self, key: &'static str, origin: String) {
        self.origins.insert(key, origin);
    }

    /// Whether a flag or its variable set `key`.
    pub fn is_set_by(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Where a value was written: `--ttl`, `CERTBAKE_TTL`, or `certbake.toml:12`.
    pub fn origin(&self, key: &str) -> String {
        if let Some(origin) = self.origins.get(key) {
            return origin.clone();
        }
        match self.source {
            Some(source) => {
                let line = source.line(&["identity", &self.name, key]).unwrap_or(1);
                format!("{}:{line}", source.path.display())
            }
            None => "the default".to_owned(),
        }
    }

    /// The setting itself, for messages about another: `--key`, or its key in the file with file and line.
    /// A dotted key reaches into a table.
    pub fn named(&self, key: &str) -> String {
        match (self.origins.get(key), self.source) {
            (Some(origin), _) => origin.clone(),
            (None, Some(source)) => {
                let keys: Vec<_> = ["identity", &self.name]
                    .into_iter()
                    .chain(key.split('.'))
                    .collect();
                source.named(&keys)
            }
            (None, None) => format!("--{}", key.replace(['_', '.'], "-")),
        }
    }

    /// An error about the value of `key`, wherever it was written. A dotted key reaches into a table.
    pub fn error(&self, key: &str, reason: impl Into<String>) -> UsageError {
        let top = key.split('.').next().unwrap_or(key);
        if let Some(origin) = self.origins.get(key).or_else(|| self.origins.get(top)) {
            return UsageError::new(origin.clone(), reason);
        }
        match self.source {
            Some(source) => {
                let mut keys = vec!["identity", self.name.as_str()];
                keys.extend(key.split('.').filter(|part| !part.is_empty()));
                source.error(&keys, reason)
            }
            // No flag stands for the whole table.
            None if key == "placements" => UsageError::new("", reason),
            None => UsageError::new(format!("--{}", key.replace(['_', '.'], "-")), reason),
        }
    }

    /// A hint about something that is missing: perhaps it stands in the file that flags leave unread.
    pub fn missing(&self, hint: &str) -> String {
        if self.source.is_none() && Path::new(DEFAULT_CONFIG).exists() {
            format!(
                "{hint}; {DEFAULT_CONFIG} is not read beside a --ca that is a kind: to use it, give --config {DEFAULT_CONFIG}, or --ca NAME for a [ca.NAME] in it"
            )
        } else {
            hint.to_owned()
        }
    }

    /// Relative paths of this key start here.
    pub fn directory_of(&self, key: &str) -> &Path {
        match self.source {
            Some(source) if !self.origins.contains_key(key) => source.directory(),
            _ => Path::new("."),
        }
    }
}

/// Whether somebody wrote it on this command line; a variable may be there for other runs of a build.
pub fn is_flag(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// `--ttl` or `CERTBAKE_TTL`, whichever gave the value; `None` when neither did.
pub fn origin_of(matches: &ArgMatches, id: &str) -> Option<String> {
    match matches.value_source(id)? {
        ValueSource::CommandLine => Some(format!("--{}", id.replace('_', "-"))),
        ValueSource::EnvVariable => Some(format!("CERTBAKE_{}", id.to_ascii_uppercase())),
        _ => None,
    }
}
