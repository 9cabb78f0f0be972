//! The text of a configuration file, and where in it a key stands.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::file::File;
use super::usage::{UsageError, did_you_mean};

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
        let text = std::fs::read_to_string(path).map_err(|error| UsageError {
            file: Some(path.display().to_string()),
            reason: format!("reading the configuration file: {error}"),
            hint: "give its path with --config, or write one with `certbake init`".to_owned(),
            ..UsageError::default()
        })?;
        Self::parse(path, text)
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
            hint: String::new(),
        }
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
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let table = DeTable::parse(text);
        table.map_or_else(
            |_| Self::default(),
            |table| Self::below(table.get_ref(), &ends),
        )
    }

    fn below(table: &DeTable<'_>, ends: &[usize]) -> Self {
        let keys = table.iter().map(|(name, value)| {
            let start = name.span().start;
            let line = ends.partition_point(|end| *end < start) + 1;
            let below = match value.get_ref() {
                DeValue::Table(inner) => Self::below(inner, ends),
                _ => Self::default(),
            };
            (name.get_ref().to_string(), (line, below))
        });
        Self(keys.collect())
    }
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> UsageError {
    let at = error.span().map_or(0, |span| span.start);
    let message = error.message().trim();
    let key = DeTable::parse(text)
        .ok()
        .map(|root| key_at(root.get_ref(), at).join("."))
        .unwrap_or_default();
    let (reason, hint) = match error.span().and_then(|span| text.get(span)) {
        Some(twice) if message == "duplicate key" => (
            format!("`{twice}` stands here for the second time"),
            "keep one of them; two tables of one name are one table".to_owned(),
        ),
        _ => in_words(message),
    };
    UsageError {
        file: Some(path.display().to_string()),
        line: Some(line_of(text, at)),
        key,
        reason,
        hint,
    }
}

/// serde's sentence in our words: what is wrong, and what is allowed.
pub fn in_words(message: &str) -> (String, String) {
    if let Some(types) = message.strip_prefix("invalid type: ") {
        return wrong_type(types);
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some(word), allowed) = (quoted.first(), quoted.get(1..).unwrap_or_default()) else {
        return (message.to_owned(), String::new());
    };
    let what = if message.starts_with("unknown field") {
        "is not a key of this table"
    } else if message.starts_with("unknown variant") {
        "is not allowed here"
    } else if message.starts_with("missing field") {
        return (format!("the key `{word}` is missing"), String::new());
    } else {
        return (message.to_owned(), String::new());
    };
    let meant = did_you_mean(word, allowed.iter().copied())
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default();
    (
        format!("`{word}` {what}"),
        format!("{meant}allowed: {}", allowed.join(", ")),
    )
}

/// `integer `30`, expected a string`: both in the words of TOML, and how to write it instead.
fn wrong_type(types: &str) -> (String, String) {
    let (found, wanted) = types.split_once(", expected ").unwrap_or((types, ""));
    let value = found.split('`').nth(1);
    let shown = value.unwrap_or_else(|| found.split('"').nth(1).unwrap_or_default());
    let found = match found.split(' ').next().unwrap_or_default() {
        "string" => format!("the text \"{shown}\""),
        "integer" | "floating" => format!("the number {shown}"),
        "boolean" => shown.to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => found.to_owned(),
    };
    let (wanted, hint) = match wanted {
        "a string" if value.is_some() => (
            "a text",
            format!(
                "write it in quotes: \"{shown}\"; a length of time has a unit (\"30d\"), a mode four digits (\"0640\")"
            ),
        ),
        "a string" => ("a text", "write one text in quotes".to_owned()),
        "a sequence" if found.starts_with("the text") => {
            ("a list", format!("write it in brackets: [\"{shown}\"]"))
        }
        "a sequence" => ("a list", "write it in brackets".to_owned()),
        "a boolean" => (
            "true or false",
            "write true or false, without quotes".to_owned(),
        ),
        "a map" => (
            "a table",
            "write a table: { key = \"value\", … }".to_owned(),
        ),
        other if other.starts_with("struct ") => (
            "a table",
            "write a table: { key = \"value\", … }, or its keys below a [heading]".to_owned(),
        ),
        other => (other, String::new()),
    };
    (format!("{found} stands where {wanted} is wanted"), hint)
}

/// The path of the key or value at a byte of the text.
fn key_at(table: &DeTable<'_>, at: usize) -> Vec<String> {
    let mut deepest = Vec::new();
    for (key, value) in table.iter() {
        let mut path = vec![key.get_ref().to_string()];
        if let DeValue::Table(inner) = value.get_ref() {
            let below = key_at(inner, at);
            if !below.is_empty() {
                path.extend(below);
                return path;
            }
        }
        if key.span().contains(&at) || value.span().contains(&at) {
            deepest = path;
        }
    }
    deepest
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
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
            error.reason.contains("\"3 weeks\" is not a length of time"),
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
            assert!(error.reason.contains("second time"), "{}", error.reason);
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
        assert_eq!(error.reason, "the number 600 stands where a text is wanted");
        assert!(error.hint.contains("\"0640\""), "{}", error.hint);
    }

    #[test]
    fn a_wrong_type_is_told_with_how_to_write_it_instead() {
        for (line, reason, hint) in [
            (
                "ttl = 30",
                "the number 30 stands where a text is wanted",
                "\"30d\"",
            ),
            (
                "dns = \"app.internal\"",
                "the text \"app.internal\" stands where a list is wanted",
                "[\"app.internal\"]",
            ),
            (
                "common_name = [\"a\"]",
                "a list stands where a text is wanted",
                "quotes",
            ),
            (
                "common_name = true",
                "true stands where a text is wanted",
                "quotes",
            ),
            (
                "use_by = \"30d\"",
                "the text \"30d\" stands where a table is wanted",
                "table",
            ),
            (
                "placements = 1",
                "the number 1 stands where a table is wanted",
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
        assert_eq!(placements.certificate.all()[0].path, "/a");
        assert_eq!(
            placements.private_key.all()[0].mode.as_deref(),
            Some("0640")
        );
        assert_eq!(
            placements
                .full_chain
                .all()
                .iter()
                .map(|one| one.path.as_str())
                .collect::<Vec<_>>(),
            ["/c", "/d"]
        );
    }
}
