//! Keeps the picture in `docs/architecture.md` true: modules import only from lower layers or
//! inside their own directory, third-party crates stay in their homes, and what the page names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every module at the top of `src`, and the layer it stands in.
const LAYERS: &[(&str, u8)] = &[
    ("main", 5),
    ("cli", 4),
    ("command", 3),
    ("report", 3),
    ("authority", 2),
    ("verify", 2),
    ("image", 1),
    ("net", 1),
    ("secret_source", 1),
    ("subprocess", 1),
    ("choice", 0),
    ("finding", 0),
    ("inspection", 0),
    ("line", 0),
    ("listing", 0),
    ("os_error", 0),
    ("outcome", 0),
    ("pages", 0),
    ("pki", 0),
    ("record", 0),
    ("secret", 0),
    ("span", 0),
    ("thread", 0),
    ("toml_fault", 0),
];

/// Crates that may be named only in these places.
const HOMES: &[(&str, &[&str])] = &[
    ("anstream", &["cli/"]),
    ("anstyle", &["report/human/"]),
    ("anyhow", &["cli/"]),
    ("aws_config", &["authority/aws_pca/"]),
    ("aws_credential_types", &["authority/aws_pca/"]),
    ("aws_sdk_acmpca", &["authority/aws_pca/"]),
    ("aws_smithy_runtime_api", &["authority/aws_pca/"]),
    ("aws_smithy_types", &["authority/aws_pca/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("futures_util", &["net/"]),
    (
        "http_body_util",
        &["authority/acme/wire.rs", "authority/embedded/"],
    ),
    (
        "hyper",
        &["authority/acme/wire.rs", "authority/embedded/", "net/"],
    ),
    ("hyper_util", &["authority/embedded/", "net/"]),
    ("instant_acme", &["authority/acme/"]),
    ("minijinja", &["authority/http/"]),
    ("p12_keystore", &["pki/"]),
    ("pathrs", &["image/"]),
    ("pkcs8", &["pki/"]),
    ("rcgen", &["pki/", "authority/acme/", "authority/embedded/"]),
    ("reqwest", &["net/"]),
    ("rustix", &["image/", "secret_source", "subprocess"]),
    (
        "rustls",
        &[
            "net/",
            "authority/acme/",
            "authority/embedded/",
            "pki/path.rs",
            "pki/proof.rs",
        ],
    ),
    ("rustls_native_certs", &["net/"]),
    ("rustls_pemfile", &["pki/pem.rs"]),
    ("saphyr", &["authority/kubernetes/"]),
    ("signal_hook", &["subprocess/"]),
    ("strsim", &["choice.rs"]),
    ("terminal_size", &["cli/"]),
    (
        "tokio",
        &["authority/aws_pca/", "authority/embedded/", "net/"],
    ),
    ("tokio_rustls", &["authority/embedded/", "net/"]),
    ("toml", &["authority/", "cli/", "toml_fault.rs"]),
    ("webpki", &["pki/"]),
    ("x509_parser", &["pki/"]),
];

/// Crates of values, encodings and digests, which may be named everywhere.
const EVERYWHERE: &[&str] = &[
    "aws_lc_rs",
    "data_encoding",
    "schemars",
    "serde",
    "serde_json",
    "thiserror",
    "time",
    "url",
    "zeroize",
];

/// Siblings of one layer that may still be imported, each with its reason.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "secret_source",
    "subprocess",
    "a command that gives a secret is run as every other program is",
)];

struct Source {
    /// Relative to `src`, with `/`.
    path: String,
    /// Without tests, comments and string contents that are whole lines.
    code: String,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).unwrap()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&root, &path));
            }
        }
    }
    assert!(
        found.len() > 30,
        "found only {} files: is this the right folder?",
        found.len()
    );
    found
}

fn source(root: &Path, path: &PathBuf) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let production = match path.file_name() {
        Some(name) if name == "tests.rs" => "",
        _ => text.split("#[cfg(test)]\nmod ").next().unwrap_or_default(),
    };
    let code = production
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    Source {
        path: path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/"),
        code,
    }
}

fn top(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs")
}

/// The modules that a file names behind `crate::`, those in braces too.
fn imports(code: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && c.is_ascii_alphabetic() => {
                        found.insert(name(&list[at..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(name(rest));
        }
    }
    found
}

#[test]
fn every_module_stands_in_a_layer() {
    let known: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for source in sources() {
        let top = top(&source.path);
        assert!(
            top == "lib" || known.contains_key(top),
            "src/{} is in no layer: add `{top}` to LAYERS",
            source.path
        );
    }
}

#[test]
fn modules_import_only_from_lower_layers_or_their_own_directory() {
    let layer: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let own = top(&source.path);
        let Some(&from) = layer.get(own) else {
            continue;
        };
        for import in imports(&source.code) {
            let Some(&to) = layer.get(import.as_str()) else {
                wrong.push(format!(
                    "src/{} names crate::{import}, which is in no layer",
                    source.path
                ));
                continue;
            };
            let allowed = ALLOWED.iter().any(|(a, b, _)| *a == own && *b == import);
            let values_among_themselves = from == 0 && to == 0;
            if import != own && to >= from && !values_among_themselves && !allowed {
                wrong.push(format!(
                    "src/{} (layer {from}) imports crate::{import} (layer {to})",
                    source.path
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that do not go down:\n{}",
        wrong.join("\n")
    );
}

/// Whether the code names a crate.
fn names_crate(source: &Source, name: &str) -> bool {
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let path = format!("{name}::");
    let mut places = source.code.match_indices(&path);
    places.any(|(at, _)| !source.code[..at].ends_with(part_of_a_name))
}

#[test]
fn third_party_crates_stay_at_home() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (name, homes) in HOMES {
        let users: Vec<_> = sources
            .iter()
            .filter(|source| names_crate(source, name))
            .map(|source| source.path.as_str())
            .collect();
        let away = users
            .iter()
            .filter(|path| !homes.iter().any(|home| path.starts_with(home)));
        wrong.extend(away.map(|path| {
            let homes = homes.join(", ");
            format!("src/{path} names {name}, whose home is {homes}")
        }));
        let empty = homes
            .iter()
            .filter(|home| !users.iter().any(|path| path.starts_with(*home)));
        wrong.extend(empty.map(|home| format!("nothing in src/{home} names {name}")));
    }
    assert!(
        wrong.is_empty(),
        "crates away from home:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = read("Cargo.toml").parse::<toml::Table>().unwrap();
    let dependencies: BTreeSet<String> = manifest["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .map(|name| match name.as_str() {
            // The one that code calls by another name.
            "rustls-webpki" => "webpki".to_owned(),
            name => name.replace('-', "_"),
        })
        .collect();
    let known: BTreeSet<String> = HOMES
        .iter()
        .map(|(name, _)| *name)
        .chain(EVERYWHERE.iter().copied())
        .map(str::to_owned)
        .collect();
    assert_eq!(
        dependencies, known,
        "Cargo.toml beside HOMES and EVERYWHERE"
    );
}

#[test]
fn the_page_shows_every_module_in_its_layer() {
    let page = read("docs/architecture.md");
    let shown: BTreeSet<(&str, u8)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("    L"))
        .map(|row| {
            let mut words = row.split_whitespace();
            let layer = words.next().unwrap().parse().unwrap();
            let name = words.next().unwrap().trim_end_matches('/');
            (name.trim_end_matches(".rs"), layer)
        })
        .collect();
    assert_eq!(shown, LAYERS.iter().copied().collect());
}

#[test]
fn the_page_names_only_files_that_are_there() {
    let page = read("docs/architecture.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let below_src: Vec<_> = sources().into_iter().map(|source| source.path).collect();
    let is_there = |name: &str| {
        let within = |path: &String| {
            path.ends_with(name) || format!("/{path}").contains(&format!("/{name}"))
        };
        root.join(name).exists()
            || root.join("tests").join(name).exists()
            || below_src.iter().any(within)
    };
    let named = page.split('`').skip(1).step_by(2);
    let wrong: Vec<_> = named
        .filter(|name| name.ends_with(".rs") || name.ends_with('/') || name.ends_with(".md"))
        .filter(|name| !name.contains('<') && !is_there(name))
        .collect();
    assert!(wrong.is_empty(), "docs/architecture.md names {wrong:?}");
}

#[test]
fn files_stay_short_enough_to_be_read_in_one_go() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.code.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > 400)
        .map(|(lines, path)| format!("src/{path}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "longer than 400 lines without tests and comments:\n{}",
        long.join("\n")
    );
}

#[test]
fn every_file_says_first_what_belongs_in_it() {
    for source in sources() {
        let text = read(&format!("src/{}", source.path));
        assert!(
            text.starts_with("//! "),
            "src/{} does not open with a //! paragraph",
            source.path
        );
    }
}

#[test]
fn imports_in_braces_are_seen() {
    let code = "use crate::{cli::args, image::{self, Mode}, net};\nuse crate::pki;\nlet x = crate::verify::run();";
    let expected: BTreeSet<String> = ["cli", "image", "net", "pki", "verify"]
        .map(str::to_owned)
        .into();
    assert_eq!(imports(code), expected);
}
