//! Every kind of authority has its page, its example and its rows, and they say what the code does.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use certbake::authority::{Ability, CATALOGUE, Opened, Settings};
use certbake::pki::pem;
use serde_json::Value;

use built::{Lab, codes};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(folder: &str, end: &str) -> BTreeSet<String> {
    std::fs::read_dir(repository(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(end).map(str::to_owned))
        .collect()
}

fn kinds() -> BTreeSet<String> {
    CATALOGUE
        .iter()
        .map(|entry| entry.kind.to_owned())
        .collect()
}

fn listing(kind: &str) -> Value {
    Lab::new("").json(&["authorities", kind], 0)["authorities"][0].clone()
}

#[test]
fn every_kind_has_a_page_and_an_example_and_none_is_without_a_kind() {
    let mut pages = names("docs/authorities", ".md");
    pages.remove("README");
    assert_eq!(pages, kinds(), "docs/authorities");
    assert_eq!(names("examples", ".toml"), kinds(), "examples");
    for kind in kinds() {
        let example = read(&format!("examples/{kind}.toml"));
        assert!(
            example.contains(&format!("kind = \"{kind}\"")),
            "examples/{kind}.toml"
        );
    }
}

#[test]
fn every_kind_stands_in_the_tables_of_the_documentation() {
    for page in ["README.md", "docs/authorities/README.md"] {
        let text = read(page);
        for kind in kinds() {
            let row = |line: &str| line.starts_with('|') && line.contains(&format!("`{kind}`"));
            assert!(text.lines().any(row), "{page} has no row for `{kind}`");
        }
    }
}

#[test]
fn every_setting_has_a_meaning_and_is_named_in_the_page_of_its_kind() {
    let connection = read("docs/authorities/README.md");
    for kind in kinds() {
        let name = format!("docs/authorities/{kind}.md");
        let page = read(&name);
        let settings = listing(&kind)["settings"].as_array().unwrap().clone();
        assert!(!settings.is_empty(), "{kind}");
        for setting in settings {
            let key = setting["key"].as_str().unwrap();
            assert_ne!(setting["meaning"], "", "{kind}: {key} has no doc comment");
            let last = key.rsplit('.').next().unwrap();
            let quoted = format!("`{key}`");
            if setting["connection"] == true {
                assert!(
                    connection.contains(&quoted),
                    "docs/authorities/README.md: {key}"
                );
                assert!(
                    page.contains("README.md"),
                    "{name} does not lead to the connection's keys"
                );
            } else {
                let named = page.contains(&quoted) || key.contains('.') && page.contains(last);
                assert!(named, "{name} does not name {key}");
            }
        }
    }
}

/// A directory with the example and the anchors that it names, as PEM files.
fn with_example(kind: &str) -> (Lab, toml::Table) {
    let lab = Lab::new(&read(&format!("examples/{kind}.toml")));
    let example: toml::Table = lab.read("certbake.toml").parse().unwrap();
    lab.text(&["ca", "init", "--ca-dir", "roots"], 0);
    for (_, table) in example["ca"].as_table().unwrap() {
        if let Some(anchors) = table.get("anchors") {
            let path = lab.path(anchors.as_str().unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(lab.path("roots/root.pem"), path).unwrap();
        }
    }
    (lab, example)
}

#[test]
fn every_example_is_taken_by_the_program() {
    for kind in kinds() {
        let (lab, _) = with_example(&kind);
        // What cannot be used is told before the image is opened, and that before anybody is asked.
        let report = lab.json(&["provision", "--root", "not-there"], 7);
        assert_eq!(
            codes(&report),
            ["image-root-unusable"],
            "examples/{kind}.toml: {report}"
        );
        lab.write(
            "certbake.toml",
            &lab.read("certbake.toml").replacen(
                &format!("kind = \"{kind}\""),
                &format!("kind = \"{kind}\"\nno_such_key = 1"),
                1,
            ),
        );
        let report = lab.json(&["provision", "--root", "not-there"], 2);
        assert_eq!(
            report["findings"][0]["facts"]["key"]
                .as_str()
                .unwrap()
                .rsplit('.')
                .next(),
            Some("no_such_key"),
            "{kind}: {report}"
        );
    }
}

#[test]
fn the_abilities_that_are_listed_are_those_that_are_opened() {
    for entry in CATALOGUE {
        let (lab, example) = with_example(entry.kind);
        let root = pem::certificates(lab.read("roots/root.pem").as_bytes()).unwrap();
        let ca = example["ca"].as_table().unwrap();
        let (name, table) = ca
            .iter()
            .find(|(_, table)| table["kind"].as_str() == Some(entry.kind))
            .unwrap();
        let mut table = table.as_table().unwrap().clone();
        table.remove("kind");
        let anchors = table.remove("anchors").map(|_| root).unwrap_or_default();
        let opened: Opened = (entry.open)(&Settings {
            name,
            table,
            anchors: &anchors,
            directory: &lab.path(""),
            now: time::OffsetDateTime::now_utc(),
            environment: &|_| None,
            on_wait: None,
        })
        .unwrap();
        let has = [
            (Ability::Renew, opened.renew.is_some()),
            (Ability::Preflight, opened.preflight.is_some()),
            (Ability::Revoke, opened.revoke.is_some()),
        ];
        for (ability, has) in has {
            let listed = entry.abilities.contains(&ability);
            assert_eq!(listed, has, "{}: {}", entry.kind, ability.as_str());
        }
    }
}

#[test]
fn the_list_is_for_people_and_for_programs() {
    let lab = Lab::new("");
    let text = lab.text(&["authorities"], 0);
    for entry in CATALOGUE {
        assert!(
            text.contains(entry.kind) && text.contains(&entry.summary[..30]),
            "{text}"
        );
    }
    assert!(text.contains("can issue, preflight, revoke"), "{text}");
    // No command does.
    assert!(!text.contains("renew"), "{text}");
    let all = lab.json(&["authorities"], 0);
    assert_eq!(all["schema"], 1);
    assert_eq!(
        all["authorities"].as_array().unwrap().len(),
        CATALOGUE.len()
    );
}

#[test]
fn a_kind_shows_key_type_default_flag_and_meaning() {
    let text = Lab::new("").text(&["authorities", "est"], 0);
    for line in [
        "  label        text; --ca-label",
        "  password     secret source; --ca-password",
        "  timeout      duration; default 30s",
        "               For one attempt, answer included.",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}: {text}");
    }
    let dir = &listing("embedded")["settings"][0];
    assert_eq!(
        (&dir["key"], &dir["required"]),
        (&"dir".into(), &true.into())
    );
    assert_eq!(dir["flag"], "--ca-dir");
}

#[test]
fn an_unknown_kind_is_told_what_was_meant() {
    let lab = Lab::new("");
    let command = built::certbake()
        .args(["authorities", "embeded"])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    assert_eq!(command.status.code(), Some(2));
    let said = String::from_utf8(command.stderr).unwrap();
    assert!(said.contains("did you mean `embedded`?"), "{said}");
}
