//! What is wrong in a TOML text, in words: where, what, and what is allowed there.

use std::fmt;

use toml::de::{DeTable, DeValue};

use crate::choice::advice;

/// Why a text does not fit what is read from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TomlFault {
    /// From 1.
    pub line: usize,
    /// `user.builder.pasword`; empty where the text is no TOML at all.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What is allowed, or what was probably meant.
    pub hint: String,
    /// The key that is missing, where that is what is wrong.
    pub missing: Option<String>,
}

impl TomlFault {
    pub fn new(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().trim();
        let key = DeTable::parse(text)
            .ok()
            .map(|root| key_at(root.get_ref(), at).join("."))
            .unwrap_or_default();
        let (reason, hint) = match error.span().and_then(|span| text.get(span)) {
            Some(twice) if message == "duplicate key" => (
                format!("`{twice}` is given twice"),
                "keep one of them; merge two tables of the same name into one".to_owned(),
            ),
            // The parser makes a table of a date.
            Some(date) if message.starts_with(A_TABLE) && is_date(date) => {
                in_words(&message.replacen(A_TABLE, &format!("invalid type: date `{date}`"), 1))
            }
            _ if message.starts_with("unexpected leading zero") => with_leading_zero(text, at),
            _ => in_words(message),
        };
        Self {
            line: LineEnds::of(text).line_of(at),
            key,
            reason,
            hint,
            missing: match About::of(message) {
                About::MissingKey(key) => Some(key.to_owned()),
                _ => None,
            },
        }
    }
}

/// An octal mode without its quotes, as a rule.
fn with_leading_zero(text: &str, at: usize) -> (String, String) {
    let is_digit = |c: char| c.is_ascii_digit() || c == '_';
    let before = &text[..at];
    let start = before.trim_end_matches(is_digit).len();
    let number = text[start..]
        .split(|c| !is_digit(c))
        .next()
        .unwrap_or_default();
    let line = before[..start].lines().last().unwrap_or_default();
    let key = line
        .trim_end()
        .strip_suffix('=')
        .unwrap_or_default()
        .trim_end();
    let key = key
        .rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')))
        .next();
    let assigned = match key.unwrap_or_default() {
        "" => String::new(),
        key => format!("{key} = "),
    };
    (
        format!("a number cannot begin with a zero, as {number} does"),
        format!("write it in quotes: {assigned}\"{number}\""),
    )
}

const A_TABLE: &str = "invalid type: map";

fn is_date(text: &str) -> bool {
    text.parse::<toml::value::Datetime>().is_ok()
}

impl fmt::Display for TomlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

/// What serde's sentence is about, where that is a key.
#[derive(Clone, Copy)]
pub enum About<'m> {
    UnknownKey(&'m str),
    MissingKey(&'m str),
    Other,
}

impl<'m> About<'m> {
    pub fn of(message: &'m str) -> Self {
        let key = |rest: &'m str| rest.split('`').next().unwrap_or_default();
        if let Some(rest) = message.strip_prefix("unknown field `") {
            Self::UnknownKey(key(rest))
        } else if let Some(rest) = message.strip_prefix("missing field `") {
            Self::MissingKey(key(rest))
        } else {
            Self::Other
        }
    }
}

/// serde's sentence in our words: what is wrong, and what is allowed.
pub fn in_words(message: &str) -> (String, String) {
    if let Some(types) = message.strip_prefix("invalid type: ") {
        return wrong_type(types);
    }
    if let About::MissingKey(key) = About::of(message) {
        return (format!("the key `{key}` is missing"), String::new());
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some(word), allowed) = (quoted.first(), quoted.get(1..).unwrap_or_default()) else {
        return (message.to_owned(), String::new());
    };
    let what = if message.starts_with("unknown field") {
        "is not a key of this table"
    } else if message.starts_with("unknown variant") {
        "is not allowed here"
    } else {
        return (message.to_owned(), String::new());
    };
    let hint = advice(word, "allowed", allowed.iter().copied());
    (format!("`{word}` {what}"), hint)
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
        "date" => format!("the date {shown}"),
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => found.to_owned(),
    };
    let (wanted, hint) = match wanted {
        "a string" if value.is_some() => (
            "text",
            format!(
                "write it in quotes: \"{shown}\"; a duration has a unit (\"30d\"), a mode four digits (\"0640\")"
            ),
        ),
        "a string" => ("text", "write one value in quotes".to_owned()),
        "a sequence" if found.starts_with("the text") => {
            ("a list", format!("write it in brackets: [\"{shown}\"]"))
        }
        "a sequence" => ("a list", "write it in brackets".to_owned()),
        "path string" => ("a path", "write one path in quotes".to_owned()),
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
            "write a table: { key = \"value\", … }, or its keys under a [heading]".to_owned(),
        ),
        other => (other, String::new()),
    };
    (format!("expected {wanted}, found {found}"), hint)
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

/// Where the lines of a text end, for asking often on which line something stands.
pub struct LineEnds(Vec<usize>);

impl LineEnds {
    pub fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}
