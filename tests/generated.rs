//! What the program writes of itself stands in `docs/` as it writes it: help, man pages, schemas.
//! `CERTBAKE_UPDATE=1 cargo test --test generated` writes them anew.
#![allow(clippy::disallowed_methods)]

mod built;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every command that has a help text and a man page of its own.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["provision"],
    &["check"],
    &["inspect"],
    &["doctor"],
    &["revoke"],
    &["authorities"],
    &["init"],
    &["ca"],
    &["ca", "init"],
    &["ca", "show"],
    &["ca", "issue-log"],
    &["ca", "serve"],
    &["docs"],
    &["completions"],
    &["man"],
    &["schema"],
];

/// Columns of a help text: what a narrow terminal and a page of documentation show.
const WIDEST: usize = 100;

fn certbake(arguments: &[&str]) -> String {
    let output = built::certbake()
        .args(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "certbake {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name)
}

fn help(command: &[&str]) -> String {
    certbake(&[command, &["--help"]].concat())
}

fn generated() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut reference = "# Commands\n\nWhat `certbake --help` says of each command. Made by the program, and compared with it by a test.\n".to_owned();
    for command in COMMANDS {
        let title = [&["certbake"], *command].concat().join(" ");
        let text = help(command);
        let indented: String = text
            .lines()
            .map(|line| {
                if line.trim().is_empty() {
                    "\n".to_owned()
                } else {
                    format!("    {}\n", line.trim_end())
                }
            })
            .collect();
        reference.push_str(&format!("\n## {title}\n\n{indented}"));
        let page = command.join(" ");
        let arguments: Vec<&str> = if page.is_empty() {
            vec!["man"]
        } else {
            vec!["man", &page]
        };
        files.insert(
            format!("man/{}.1", title.replace(' ', "-")),
            certbake(&arguments),
        );
    }
    files.insert("cli.md".to_owned(), reference);
    for document in ["config", "inspection", "record", "report"] {
        files.insert(
            format!("schema/{document}.schema.json"),
            certbake(&["schema", document]),
        );
    }
    files
}

#[test]
fn help_man_pages_and_schemas_stand_in_docs_as_the_program_writes_them() {
    let update = std::env::var_os("CERTBAKE_UPDATE").is_some();
    let mut stale = Vec::new();
    for (name, text) in generated() {
        let path = docs(&name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "docs/ differs from what the program writes in {stale:?}: run CERTBAKE_UPDATE=1 cargo test --test generated"
    );
}

#[test]
fn every_command_that_the_program_has_is_documented() {
    for command in COMMANDS {
        let below: Vec<String> = help(command)
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                line.strip_prefix("  ")
                    .filter(|line| !line.starts_with(' '))
            })
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect();
        for name in below {
            let whole: Vec<&str> = command.iter().copied().chain([name.as_str()]).collect();
            assert!(
                COMMANDS.contains(&whole.as_slice()),
                "add {whole:?} to COMMANDS"
            );
        }
    }
}

#[test]
fn help_fits_the_width_of_a_terminal() {
    for command in COMMANDS {
        for line in help(command).lines() {
            assert!(
                line.chars().count() <= WIDEST,
                "certbake {command:?} --help: {line}"
            );
        }
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = certbake(&["completions", shell]);
        assert!(script.contains("min-validity"), "{shell}: {script}");
    }
    let bash = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bash.path(), certbake(&["completions", "bash"])).unwrap();
    let checked = Command::new("bash")
        .arg("-n")
        .arg(bash.path())
        .status()
        .unwrap();
    assert!(checked.success(), "bash cannot read its completions");
}

/// What bash offers behind these words, of which the last is begun.
fn offered(words: &[&str]) -> Vec<String> {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), certbake(&["completions", "bash"])).unwrap();
    let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _certbake "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", ask, "bash"])
        .arg(script.path())
        .arg("certbake")
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_offers_the_values_that_a_flag_takes() {
    for (words, values) in [
        (
            &["provision", "--ca", "e"][..],
            &["ejbca", "embedded", "est", "exec"][..],
        ),
        (
            &["provision", "--key-algorithm", "ecdsa"],
            &["ecdsa-p256", "ecdsa-p384"],
        ),
        (&["provision", "--on-shortened", ""], &["fail", "warn"]),
        (&["check", "--usage", "s"], &["server"]),
        (&["check", "--report", "j"], &["json", "junit"]),
        (&["revoke", "--reason", "key"], &["key-compromise"]),
        (&["docs", "window"], &["window-below-floor"]),
        (&["authorities", "vau"], &["vault"]),
    ] {
        assert_eq!(offered(words), values, "{words:?}");
    }
}

#[test]
fn every_man_page_has_the_variables_and_the_exit_codes() {
    let page = certbake(&["man", "provision"]);
    assert!(page.contains("CERTBAKE_MIN_VALIDITY"), "{page}");
    for command in COMMANDS {
        let page = certbake(&["man", &command.join("-")][..1 + usize::from(!command.is_empty())]);
        assert_eq!(
            page.matches(".SH \"EXIT STATUS\"\nExit codes: 0 ok")
                .count(),
            1,
            "{page}"
        );
    }
}

#[test]
fn an_editor_marks_the_values_that_the_program_refuses() {
    let schema: serde_json::Value = serde_json::from_str(&certbake(&["schema", "config"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (refused, taken) in [
        (
            serde_json::json!({ "min_validity": "7" }),
            serde_json::json!({ "min_validity": "066%" }),
        ),
        (
            serde_json::json!({ "min_validity": "150%" }),
            serde_json::json!({ "min_validity": "1w2d" }),
        ),
        (
            serde_json::json!({ "placements": { "pkcs12": { "path": "/a.p12", "password": "plain" } } }),
            serde_json::json!({ "placements": { "pkcs12": { "path": "/a.p12", "password": "env:PASSWORD" } } }),
        ),
    ] {
        let with =
            |identity: &serde_json::Value| serde_json::json!({ "identity": { "app": identity } });
        assert!(
            !validator.is_valid(&with(&refused)),
            "the schema takes {refused}"
        );
        assert!(
            validator.is_valid(&with(&taken)),
            "the schema refuses {taken}"
        );
    }
}

#[test]
fn records_and_examples_fit_their_schemas() {
    let schema: serde_json::Value = serde_json::from_str(&certbake(&["schema", "config"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(docs("../examples")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let config: toml::Value =
                toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let config = serde_json::to_value(config).unwrap();
            let wrong: Vec<String> = validator
                .iter_errors(&config)
                .map(|error| error.to_string())
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2, "found only {seen} examples");
    let misspelt = serde_json::json!({ "identity": { "app": { "min_validty": "21d" } } });
    assert!(
        !validator.is_valid(&misspelt),
        "the schema takes a key that the program refuses"
    );
    let foreign =
        serde_json::json!({ "ca": { "lab": { "kind": "embedded", "url": "https://x" } } });
    assert!(
        !validator.is_valid(&foreign),
        "the schema takes another authority's key"
    );

    let lab = tempfile::tempdir().unwrap();
    let dir = lab.path().to_str().unwrap();
    std::fs::create_dir(lab.path().join("rootfs")).unwrap();
    let (ca, root) = (format!("{dir}/ca"), format!("{dir}/rootfs"));
    certbake(&[
        "provision",
        "--ca",
        "embedded",
        "--ca-dir",
        &ca,
        "--root",
        &root,
        "--common-name",
        "app",
        "--combined",
        "/app.pem",
    ]);
    let record =
        std::fs::read_to_string(lab.path().join("rootfs/var/lib/certbake/app.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&certbake(&["schema", "record"])).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert!(jsonschema::is_valid(&schema, &record), "{record}");
}
