//! JSON Schemas of what certbake reads and writes, made from the types that do so.

use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::file::File;
use crate::authority::CATALOGUE;
use crate::inspection::Inspection;
use crate::record::Record;
use crate::report;

/// Of `certbake.toml`: each kind of authority brings the keys of its own settings.
pub fn config() -> Schema {
    let mut schema = schema_for!(File);
    let kinds: Vec<Value> = CATALOGUE
        .iter()
        .map(|entry| kind(entry.kind, (entry.schema)()))
        .collect();
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        let mut hoisted = Map::new();
        let kinds = kinds
            .into_iter()
            .zip(CATALOGUE)
            .map(|(part, entry)| hoist(part, entry.kind, definitions, &mut hoisted))
            .collect::<Vec<_>>();
        definitions.extend(hoisted);
        definitions.insert(
            "Ca".to_owned(),
            json!({
                "description": "`[ca.<name>]`: a CA; its keys depend on `kind`.",
                "oneOf": kinds,
            }),
        );
    }
    titled(schema, "certbake.toml")
}

/// Of the record in an image.
pub fn record() -> Schema {
    titled(schema_for!(Record), "certbake record")
}

/// Of `--report json`.
pub fn report() -> Schema {
    titled(report::json::schema(), "certbake report")
}

/// Of `inspect --report json`.
pub fn inspection() -> Schema {
    titled(
        report::json::schema_of::<Inspection>(),
        "certbake inspection",
    )
}

/// The settings of one kind, with `kind` and `anchors` that every authority has.
fn kind(name: &str, settings: Schema) -> Value {
    let mut value = settings.to_value();
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    object.remove("$schema");
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("kind".to_owned(), json!({ "const": name }));
        properties.insert(
            "anchors".to_owned(),
            json!({
                "description": "PEM file of the roots to which this CA's certificates must chain.",
                "type": "string",
            }),
        );
    }
    let required = object.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("kind"));
    }
    value
}

/// Moves the definitions of a part to where `#/$defs/…` points from the whole. One that is called as
/// another and is not the same gets the kind's name before its own.
fn hoist(
    part: Value,
    kind: &str,
    known: &Map<String, Value>,
    into: &mut Map<String, Value>,
) -> Value {
    let names: Vec<String> = part["$defs"]
        .as_object()
        .map(|definitions| definitions.keys().cloned().collect())
        .unwrap_or_default();
    let mut text = part.to_string();
    for name in names {
        let there = known.get(&name).or_else(|| into.get(&name));
        if there.is_some_and(|there| *there != part["$defs"][&name]) {
            text = text
                .replace(
                    &format!("\"#/$defs/{name}\""),
                    &format!("\"#/$defs/{kind}-{name}\""),
                )
                .replace(&format!("\"{name}\":"), &format!("\"{kind}-{name}\":"));
        }
    }
    let mut part: Value = serde_json::from_str(&text).unwrap_or(part);
    if let Some(Value::Object(definitions)) = part
        .as_object_mut()
        .and_then(|object| object.remove("$defs"))
    {
        into.extend(definitions);
    }
    part
}

fn titled(mut schema: Schema, title: &str) -> Schema {
    schema.insert("title".to_owned(), json!(title));
    schema
}
