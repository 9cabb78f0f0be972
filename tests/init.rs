//! `certbake init`: the configuration to begin with works as it is, and names every setting there is.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const TEMPLATE: &str = include_str!("../templates/certbake.toml");

fn certbake(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The template with every setting at rest awake, the explanations still comments.
fn awake() -> String {
    TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') => {
                setting
            }
            _ => line,
        })
        .filter(|line| {
            // Two ways to say the same, of which only one may be awake.
            !line.starts_with(
                "private_key = { path = \"/etc/app-server/tls/client.key\", mode = \"0600\" }",
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_configuration_to_begin_with_bakes_a_certificate_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let made = certbake(folder.path(), &["init"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("certbake.toml")).unwrap(),
        TEMPLATE
    );
    std::fs::create_dir(folder.path().join("rootfs")).unwrap();

    let dry = certbake(
        folder.path(),
        &["provision", "--dry-run", "--root", "rootfs"],
    );
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    assert!(!folder.path().join("rootfs/etc").exists(), "{}", said(&dry));

    let baked = certbake(folder.path(), &["provision", "--root", "rootfs"]);
    assert_eq!(baked.status.code(), Some(0), "{}", said(&baked));
    let certificate = folder.path().join("rootfs/etc/app-server/tls/client.crt");
    let shown = certbake(folder.path(), &["inspect", certificate.to_str().unwrap()]);
    assert!(
        said(&shown).contains("dns:app-server.internal"),
        "{}",
        said(&shown)
    );
}

#[test]
fn a_file_that_is_there_is_kept_unless_force_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certbake.toml");
    std::fs::write(&file, "mine").unwrap();
    let refused = certbake(folder.path(), &["init"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("already exists") && said(&refused).contains("--force"),
        "{}",
        said(&refused)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    assert_eq!(
        certbake(folder.path(), &["init", "--force"]).status.code(),
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), TEMPLATE);
}

#[test]
fn a_dangling_link_is_also_something_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.path().join("certbake.toml")).unwrap();
    assert_eq!(certbake(folder.path(), &["init"]).status.code(), Some(2));
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn it_goes_to_standard_output_or_into_another_folder_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let shown = certbake(folder.path(), &["init", "-"]);
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), TEMPLATE);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let missing = certbake(folder.path(), &["init", "conf/lab.toml"]);
    assert_eq!(missing.status.code(), Some(2), "{}", said(&missing));
    assert!(
        said(&missing).contains("create conf or"),
        "{}",
        said(&missing)
    );
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    assert_eq!(
        certbake(folder.path(), &["init", "conf/lab.toml"])
            .status
            .code(),
        Some(0)
    );
    assert!(folder.path().join("conf/lab.toml").is_file());
}

#[test]
fn every_setting_at_rest_can_be_woken() {
    let schema = certbake(Path::new("."), &["schema", "config"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let table: toml::Table = awake().parse().unwrap();
    let config = serde_json::to_value(table).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&config)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn every_setting_there_is_stands_in_it() {
    let schema = certbake(Path::new("."), &["schema", "config"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let mut known = BTreeSet::new();
    keys_of_schema(&of_template(&schema), &schema, &mut known);
    let table: toml::Table = awake().parse().unwrap();
    let mut named = BTreeSet::new();
    keys_of_table(&table, &mut named);
    let missing: Vec<_> = known.difference(&named).collect();
    assert!(missing.is_empty(), "not in the template: {missing:?}");
    assert!(known.len() > 40, "the schema has only {known:?}");
}

/// The kinds of authorities that the template begins with; `certbake authorities` shows the others.
const KINDS: [&str; 2] = ["embedded", "est"];

/// What a file may hold that names only these kinds.
fn of_template(schema: &Value) -> Value {
    let kinds = schema["$defs"]["Ca"]["oneOf"].as_array().unwrap();
    let ours = |kind: &&Value| {
        let kind = kind["properties"]["kind"]["const"].as_str().unwrap();
        KINDS.contains(&kind)
    };
    let kinds: Vec<&Value> = kinds.iter().filter(ours).collect();
    assert_eq!(kinds.len(), KINDS.len());
    serde_json::json!([schema["properties"], { "properties": schema["properties"] }, kinds])
}

/// The keys below a part of the schema, through its references; authorities are looked at by kind.
fn keys_of_schema(part: &Value, schema: &Value, keys: &mut BTreeSet<String>) {
    match part {
        Value::Object(object) => {
            for (name, value) in object {
                match (name.as_str(), value.as_object(), value.as_str()) {
                    ("properties", Some(properties), _) => keys.extend(properties.keys().cloned()),
                    ("$ref", _, Some("#/$defs/Ca")) => {}
                    ("$ref", _, Some(to)) => {
                        let name = to.trim_start_matches("#/$defs/");
                        keys_of_schema(&schema["$defs"][name], schema, keys);
                    }
                    _ => {}
                }
                keys_of_schema(value, schema, keys);
            }
        }
        Value::Array(all) => all
            .iter()
            .for_each(|value| keys_of_schema(value, schema, keys)),
        _ => {}
    }
}

fn keys_of_table(table: &toml::Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        keys.insert(key.clone());
        if let toml::Value::Table(inner) = value {
            keys_of_table(inner, keys);
        }
    }
}

#[test]
fn a_directory_is_not_replaced_and_the_file_in_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    for words in [&["init", "d"][..], &["init", "d", "--force"]] {
        let refused = certbake(folder.path(), words);
        assert_eq!(refused.status.code(), Some(2));
        let said = said(&refused);
        assert!(said.contains("is a directory"), "{said}");
        assert!(said.contains("d/certbake.toml"), "{said}");
    }
}
