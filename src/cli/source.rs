//! The text of a configuration file, and where in it a key stands.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::file::File;
use super::usage::UsageError;
use crate::authority::CATALOGUE;
use crate::os_error;
use crate::toml_fault::{LineEnds, TomlFault};

/// A configuration file: its words, and the file as it was parsed.
#[derive(Debug)]
pub struct Source {
    /// As it was given.
    pub path: PathBuf,
    text: String,
    pub file: File,
    lines: OnceCell<Lines>,
}

/// The keys of a table with the line of each, and what is below it.
#[derive(Debug, Default)]
struct Lines(BTreeMap<String, (usize, Lines)>);

impl Source {
    /// # Errors
    /// When it cannot be read, is not TOML, or does not fit: with file, line and key.
    pub fn read(path: &Path) -> Result<Self, UsageError> {
        let bytes = std::fs::read(path).map_err(|error| UsageError {
            file: Some(path.display().to_string()),
            reason: format!(
                "reading the configuration file: {}",
                os_error::in_words(&error)
            ),
            hint: "give its path with --config, or write one with `certbake init`".to_owned(),
            ..UsageError::default()
        })?;
        Self::parse(path, utf8(path, bytes)?)
    }

    /// # Errors
    /// As [`Source::read`].
    pub fn parse(path: &Path, text: String) -> Result<Self, UsageError> {
        match toml::from_str(&text) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                text,
                file,
                lines: OnceCell::new(),
            }),
            Err(error) => Err(explain(path, &text, &error)),
        }
    }

    /// Relative paths in the file start here.
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// An error about the value at `keys`, with its line; the nearest table's where it is absent.
    pub fn error(&self, keys: &[&str], reason: impl Into<String>) -> UsageError {
        UsageError {
            file: Some(self.path.display().to_string()),
            line: self.line(keys),
            key: keys.join("."),
            reason: reason.into(),
            ..UsageError::default()
        }
    }

    /// A key for messages about another: `ca.lab.client_key (certbake.toml:7)`.
    pub fn named(&self, keys: &[&str]) -> String {
        let line = self.line(keys).unwrap_or(1);
        format!("{} ({}:{line})", keys.join("."), self.path.display())
    }

    /// The line of a key, from 1; of the deepest table on its path where it is absent.
    pub fn line(&self, keys: &[&str]) -> Option<usize> {
        let mut table = self.lines.get_or_init(|| Lines::of(&self.text));
        let mut found = None;
        for key in keys {
            let Some((line, below)) = table.0.get(*key) else {
                break;
            };
            found = Some(*line);
            table = below;
        }
        found
    }
}

impl Lines {
    fn of(text: &str) -> Self {
        let ends = LineEnds::of(text);
        let table = DeTable::parse(text);
        table.map_or_else(
            |_| Self::default(),
            |table| Self::below(table.get_ref(), &ends),
        )
    }

    fn below(table: &DeTable<'_>, ends: &LineEnds) -> Self {
        let keys = table.iter().map(|(name, value)| {
            let line = ends.line_of(name.span().start);
            let below = match value.get_ref() {
                DeValue::Table(inner) => Self::below(inner, ends),
                _ => Self::default(),
            };
            (name.get_ref().to_string(), (line, below))
        });
        Self(keys.collect())
    }
}

/// TOML is UTF-8; UTF-16 is what some editors and shells write instead.
fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, UsageError> {
    let (at, reason) = match String::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            None => return Ok(text),
            Some(at) => (
                text[..at].matches('\n').count(),
                "the file contains NUL bytes, as UTF-16 text does",
            ),
        },
        Err(error) => {
            let bytes = error.as_bytes();
            let before = &bytes[..error.utf8_error().valid_up_to()];
            let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
            (
                before.iter().filter(|byte| **byte == b'\n').count(),
                if utf16 {
                    "the file is UTF-16 text"
                } else {
                    "the file contains bytes that are not UTF-8"
                },
            )
        }
    };
    Err(UsageError {
        file: Some(path.display().to_string()),
        line: Some(at + 1),
        reason: reason.to_owned(),
        hint: "save the file as UTF-8".to_owned(),
        ..UsageError::default()
    })
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> UsageError {
    let mut fault = TomlFault::new(text, error);
    if fault.missing.as_deref() == Some("kind") {
        let kinds: Vec<_> = CATALOGUE.iter().map(|entry| entry.kind).collect();
        fault.hint = format!("add kind = \"…\"; there are: {}", kinds.join(", "));
    }
    if fault.hint.is_empty() {
        "`certbake init -` prints a file in which every key is explained"
            .clone_into(&mut fault.hint);
    }
    UsageError {
        file: Some(path.display().to_string()),
        line: Some(fault.line),
        key: fault.key,
        reason: fault.reason,
        hint: fault.hint,
        ..UsageError::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> UsageError {
        Source::parse(Path::new("certbake.toml"), text.to_owned()).unwrap_err()
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_what_was_meant() {
        let error =
            refused("[ca.lab]\nkind = \"embedded\"\n\n[identity.app]\nmin_validty = \"21d\"\n");
        assert_eq!(
            (error.line, error.key.as_str()),
            (Some(5), "identity.app.min_validty")
        );
        assert_eq!(error.reason, "`min_validty` is not a key of this table");
        assert!(
            error
                .hint
                .starts_with("did you mean `min_validity`? allowed: ca, common_name,"),
            "{}",
            error.hint
        );
    }

    #[test]
    fn a_length_of_time_that_cannot_be_read_names_its_line() {
        let error = refused("[identity.app]\nttl = \"3 weeks\"\n");
        assert_eq!(
            (error.line, error.key.as_str()),
            (Some(2), "identity.app.ttl")
        );
        assert!(
            error.reason.contains("\"3 weeks\" is not a duration"),
            "{}",
            error.reason
        );
    }

    #[test]
    fn a_key_that_stands_there_twice_is_named() {
        for text in [
            "[identity.app]\ncommon_name = \"a\"\ncommon_name = \"b\"\n",
            "[identity.app]\ncommon_name = { x = 1 }\n[identity.app]\n",
        ] {
            let error = refused(text);
            assert_eq!(error.line, Some(3));
            assert!(error.reason.contains("is given twice"), "{}", error.reason);
            let key = text.lines().last().unwrap();
            let named = error.reason.split('`').nth(1).unwrap();
            assert!(key.contains(named), "{}", error.reason);
        }
    }

    #[test]
    fn a_wrong_type_deep_in_a_placement_is_found() {
        let error =
            refused("[identity.app.placements]\nprivate_key = { path = \"/k\", mode = 600 }\n");
        assert_eq!(error.line, Some(2));
        assert_eq!(error.reason, "expected text, found the number 600");
        assert!(error.hint.contains("\"0640\""), "{}", error.hint);
    }

    #[test]
    fn a_mode_without_its_quotes_is_told_with_them() {
        for line in [
            "private_key = { path = \"/k\", mode = 0640 }",
            "private_key = {mode=0640, path = \"/k\"}",
            "[identity.app.placements.pkcs12]\nmode = 0640",
        ] {
            let error = refused(&format!("[identity.app.placements]\n{line}\n"));
            assert_eq!(error.line, Some(1 + line.lines().count()), "{line}");
            assert_eq!(
                error.reason, "a number cannot begin with a zero, as 0640 does",
                "{line}"
            );
            assert_eq!(error.hint, "write it in quotes: mode = \"0640\"", "{line}");
        }
        let in_list = refused("[identity.app]\nca = [007]\n");
        assert_eq!(in_list.hint, "write it in quotes: \"007\"");
    }

    #[test]
    fn a_wrong_type_is_told_with_how_to_write_it_instead() {
        for (line, reason, hint) in [
            ("ttl = 30", "expected text, found the number 30", "\"30d\""),
            (
                "dns = \"app.internal\"",
                "expected a list, found the text \"app.internal\"",
                "[\"app.internal\"]",
            ),
            (
                "common_name = [\"a\"]",
                "expected text, found a list",
                "quotes",
            ),
            ("common_name = true", "expected text, found true", "quotes"),
            (
                "use_by = \"30d\"",
                "expected a table, found the text \"30d\"",
                "table",
            ),
            (
                "placements = 1",
                "expected a table, found the number 1",
                "heading",
            ),
        ] {
            let error = refused(&format!("[identity.app]\n{line}\n"));
            assert_eq!(error.line, Some(2), "{line}");
            assert_eq!(error.reason, reason, "{line}");
            assert!(error.hint.contains(hint), "{line}: {}", error.hint);
        }
    }

    #[test]
    fn a_placement_may_be_a_path_a_table_or_a_list_of_both() {
        let text = "[identity.app.placements]\ncertificate = \"/a\"\nprivate_key = { path = \"/b\", mode = \"0640\" }\nfull_chain = [\"/c\", { path = \"/d\" }]\n";
        let source = Source::parse(Path::new("c"), text.to_owned()).unwrap();
        let placements = &source.file.identity["app"].placements;
        assert_eq!(placements.certificate.0[0].path, "/a");
        assert_eq!(placements.private_key.0[0].mode.as_deref(), Some("0640"));
        assert_eq!(
            placements
                .full_chain
                .0
                .iter()
                .map(|one| one.path.as_str())
                .collect::<Vec<_>>(),
            ["/c", "/d"]
        );
    }
}
