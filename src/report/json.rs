//! `json`: the report itself, for programs. Every other format shows a part of it.

use std::io::{self, Write};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::{Format, Renderer, Style};
use crate::line::is_hidden;
use crate::outcome::Report;

pub const FORMAT: Format = Format {
    name: "json",
    renderer: &Json,
};

struct Json;

impl Renderer for Json {
    fn render(&self, report: &Report, out: &mut dyn Write, _: Style) -> io::Result<()> {
        writeln!(out, "{}", text(report)?)
    }
}

/// A value as JSON that is safe on a terminal and in a log.
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn text(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|json| ascii_where_hidden(&json))
}

/// JSON text with every character that a terminal would act upon as `\uXXXX`, which is the same
/// JSON (RFC 8259 section 7). serde escapes only what it must: the C0 controls.
///
/// The second `#` of `##` too: runners take `##[…]` for a command wherever it stands.
pub(super) fn ascii_where_hidden(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    let mut last = ' ';
    for c in json.chars() {
        if (c != '\n' && is_hidden(c)) || (c == '#' && last == '#') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
        last = c;
    }
    safe
}

/// The JSON Schema (draft 2020-12) of a report, published as `docs/schema/report.schema.json`.
pub fn schema() -> Schema {
    schema_of::<Report>()
}

/// The JSON Schema of a value as it is written.
pub fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_without_changing_the_value() {
        let value = serde_json::json!({"s": "a\u{202e}b\u{7f}\u{9b}\u{e0041}\n\"\\##[x]é"});
        let text = ascii_where_hidden(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.contains("\\u202eb\\u007f\\u009b\\udb40\\udc41\\n"),
            "{text}"
        );
        assert!(!text.contains("##"), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
