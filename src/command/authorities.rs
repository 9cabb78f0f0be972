//! `authorities`: the catalogue, and every setting of a kind, read from its schema.

use serde_json::{Map, Value, json};

use crate::authority::{Ability, CATALOGUE, Entry, is_about_connection};
use crate::listing::{Kind, Listing, Setting};

pub struct Plan {
    /// Only this one.
    pub kind: Option<&'static str>,
    /// Keys that have a flag of their own: key, flag.
    pub flags: Vec<(&'static str, String)>,
}

pub fn run(plan: &Plan) -> Listing {
    let wanted = |entry: &&Entry| plan.kind.is_none_or(|kind| kind == entry.kind);
    Listing {
        schema: 1,
        command: "authorities",
        certbake: env!("CARGO_PKG_VERSION"),
        authorities: CATALOGUE
            .iter()
            .filter(wanted)
            .map(|entry| kind(entry, plan))
            .collect(),
    }
}

fn kind(entry: &Entry, plan: &Plan) -> Kind {
    Kind {
        kind: entry.kind,
        summary: entry.summary,
        abilities: entry
            .abilities
            .iter()
            .copied()
            .map(Ability::as_str)
            .collect(),
        page: format!("docs/authorities/{}.md", entry.kind),
        example: format!("examples/{}.toml", entry.kind),
        settings: settings(&(entry.schema)().to_value(), plan),
    }
}

/// Those that must be given first, those of the connection last.
fn settings(schema: &Value, plan: &Plan) -> Vec<Setting> {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let mut settings: Vec<Setting> = properties
        .iter()
        .map(|(key, property)| setting(key, property, schema, plan))
        .collect();
    if settings.iter().any(|setting| setting.connection) {
        settings.push(anchors(plan));
    }
    settings.sort_by_key(|setting| (setting.connection, !setting.required));
    settings
}

/// The key that every kind has and the front reads.
fn anchors(plan: &Plan) -> Setting {
    Setting {
        key: "anchors".to_owned(),
        of: "text".to_owned(),
        required: false,
        default: None,
        flag: flag("anchors", plan),
        connection: true,
        meaning: "PEM file of the roots that the server and what it issues must lead to."
            .to_owned(),
    }
}

fn setting(key: &str, property: &Value, schema: &Value, plan: &Plan) -> Setting {
    let required = schema["required"].as_array();
    let (meaning, stated) = meaning(property);
    let default = stated.or_else(|| match &property["default"] {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    });
    Setting {
        key: key.to_owned(),
        of: in_words(property, schema),
        required: required.is_some_and(|keys| keys.contains(&json!(key))),
        default,
        flag: flag(key, plan),
        connection: is_about_connection(key),
        meaning,
    }
}

fn flag(key: &str, plan: &Plan) -> Option<String> {
    let of_key = plan.flags.iter().find(|(flagged, _)| *flagged == key);
    of_key.map(|(_, flag)| flag.clone())
}

/// The description in one line, and the default that it ends with: `[default: 30s]`.
fn meaning(property: &Value) -> (String, Option<String>) {
    let text = property["description"].as_str().unwrap_or_default();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((before, default)) = line.rsplit_once("[default: ") else {
        return (line, None);
    };
    let default = default.trim_end_matches('.').trim_end_matches(']');
    let before = before.trim_end().trim_end_matches('.');
    (format!("{before}."), Some(default.to_owned()))
}

/// What a value looks like, for a person.
fn in_words(property: &Value, schema: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return match name {
            "Span" => "length of time".to_owned(),
            "SecretSource" => "secret source".to_owned(),
            _ => in_words(&schema["$defs"][name], schema),
        };
    }
    if let Some(value) = property.get("const") {
        return format!("`{}`", plain(value));
    }
    if let Some(values) = property["enum"].as_array() {
        return one_of(
            values
                .iter()
                .map(|value| format!("`{}`", plain(value)))
                .collect(),
        );
    }
    for part in ["anyOf", "oneOf"] {
        if let Some(choices) = property[part].as_array() {
            let choices = choices.iter().filter(|choice| choice["type"] != "null");
            return one_of(choices.map(|choice| in_words(choice, schema)).collect());
        }
    }
    let name = match &property["type"] {
        Value::Array(names) => names.iter().find(|name| *name != "null"),
        name => Some(name),
    };
    match name.and_then(Value::as_str) {
        Some("boolean") => "true or false".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("array") => format!("list of {}", in_words(&property["items"], schema)),
        Some("object") => "table".to_owned(),
        _ => "text".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn one_of(mut choices: Vec<String>) -> String {
    choices.dedup();
    match choices.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}
