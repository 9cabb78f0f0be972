//! `authorities`: the catalogue, and every setting of a kind, read from its schema.

use serde_json::{Map, Value, json};

use crate::authority::{Ability, CATALOGUE, Entry, is_about_connection};
use crate::listing::{Kind, Listing, Setting};

#[derive(Default)]
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
            // No command renews yet.
            .filter(|ability| *ability != Ability::Renew)
            .map(Ability::as_str)
            .collect(),
        page: format!("docs/authorities/{}.md", entry.kind),
        example: format!("examples/{}.toml", entry.kind),
        settings: settings(&(entry.schema)().to_value(), plan),
    }
}

/// Those that must be given first, those of the connection last, those inside a table behind it.
fn settings(schema: &Value, plan: &Plan) -> Vec<Setting> {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let mut groups: Vec<Vec<Setting>> = properties
        .iter()
        .map(|(key, property)| {
            let mut group = vec![setting(key, property, schema, plan)];
            group.extend(members(key, property, schema));
            group[0].required = requires(schema, key);
            group
        })
        .collect();
    let connects = groups.iter().any(|group| group[0].connection);
    groups.push(vec![anchors(plan, connects)]);
    groups.sort_by_key(|group| (group[0].connection, !group[0].required));
    groups.into_iter().flatten().collect()
}

fn requires(object: &Value, key: &str) -> bool {
    let required = object["required"].as_array();
    required.is_some_and(|keys| keys.contains(&json!(key)))
}

/// The settings inside a table, `auth.token`; of a table in several shapes, each setting is told with
/// the shapes that have it.
fn members(table: &str, property: &Value, schema: &Value) -> Vec<Setting> {
    let shape = resolved(property, schema);
    let shapes: Vec<&Value> = match shape["oneOf"].as_array() {
        Some(shapes) => shapes.iter().collect(),
        None => vec![shape],
    };
    let mut found: Vec<(Setting, Vec<String>, &Value)> = Vec::new();
    for shape in &shapes {
        let Some(properties) = shape["properties"].as_object() else {
            return Vec::new();
        };
        let tag = properties
            .values()
            .find_map(|property| property["const"].as_str())
            .unwrap_or_default();
        for (key, property) in properties {
            let key_in_table = format!("{table}.{key}");
            match found
                .iter_mut()
                .find(|(known, ..)| known.key == key_in_table)
            {
                Some((known, tags, _)) => {
                    known.required &= requires(shape, key);
                    // Each shape has its own.
                    if known.default != setting(key, property, schema, &Plan::default()).default {
                        known.default = None;
                    }
                    if property["const"].is_string() {
                        known.of += &format!(", `{tag}`");
                    }
                    tags.push(tag.to_owned());
                }
                None => {
                    let mut inside = setting(&key_in_table, property, schema, &Plan::default());
                    inside.required = requires(shape, key);
                    if property["const"].is_string() {
                        "Which of these.".clone_into(&mut inside.meaning);
                    }
                    found.push((inside, vec![tag.to_owned()], property));
                }
            }
        }
    }
    let mut all = Vec::new();
    for (mut inside, tags, property) in found {
        if tags.len() < shapes.len() {
            inside.meaning = format!("With `{}`: {}", tags.join("`, `"), inside.meaning);
        }
        let below = members(&inside.key, property, schema);
        all.push(inside);
        all.extend(below);
    }
    all
}

/// Behind references, and beside the null of what may be left out.
fn resolved<'v>(property: &'v Value, schema: &'v Value) -> &'v Value {
    if let Some(name) = property["$ref"].as_str() {
        return &schema["$defs"][name.trim_start_matches("#/$defs/")];
    }
    let choices = property["anyOf"].as_array();
    let mut given = choices
        .into_iter()
        .flatten()
        .filter(|choice| choice["type"] != "null");
    match (given.next(), given.next()) {
        (Some(choice), None) => resolved(choice, schema),
        _ => property,
    }
}

/// The key that every kind has and the front reads.
fn anchors(plan: &Plan, connection: bool) -> Setting {
    Setting {
        key: "anchors".to_owned(),
        of: "text".to_owned(),
        required: false,
        default: None,
        flag: flag("anchors", plan),
        connection,
        meaning: "PEM file of the roots for this CA's certificates and for its server's."
            .to_owned(),
    }
}

fn setting(key: &str, property: &Value, schema: &Value, plan: &Plan) -> Setting {
    let (meaning, stated) = meaning(property);
    let default = stated.or_else(|| match &property["default"] {
        Value::Null | Value::Bool(false) => None,
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        value => Some(value.to_string()),
    });
    Setting {
        key: key.to_owned(),
        of: in_words(property, schema),
        required: false,
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
    let default = default.trim_end_matches('.');
    let default = default.strip_suffix(']').unwrap_or(default);
    let before = before.trim_end().trim_end_matches('.');
    (format!("{before}."), Some(default.to_owned()))
}

/// What a value looks like, for a person.
fn in_words(property: &Value, schema: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return match name {
            "Span" => "duration".to_owned(),
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
