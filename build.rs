//! What a build needs beside the sources: how a release is linked, and the pages that the binary carries.

#![allow(clippy::print_stdout, reason = "how a build script tells cargo")]
#![allow(clippy::disallowed_methods, reason = "nothing it writes is certbake's")]

#[path = "benches/layout/link.rs"]
mod link;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folders of `docs/` by what their pages are about, as `pages::Subject` has them.
const FOLDERS: [(&str, &str); 3] = [
    ("docs", "Guide"),
    ("docs/authorities", "Authority"),
    ("docs/findings", "Finding"),
];

/// About certbake itself, generated from its help, or a list of the others.
const LEFT_OUT: [&str; 4] = ["architecture", "cli", "docs", "performance"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    link::tell();
    pages();
}

/// Writes the list that `src/pages.rs` includes, a row for each page.
fn pages() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::from("&[\n");
    for (folder, subject) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        for page in markdown(&root.join(folder)) {
            let name = match stem(&page) {
                "README" => stem(Path::new(folder)),
                name => name,
            };
            if !LEFT_OUT.contains(&name) {
                writeln!(list, "    Page {{ name: {name:?}, subject: Subject::{subject}, text: include_str!({page:?}) }},")
                    .expect("a String takes all");
            }
        }
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("pages.rs"), list).expect("cargo made the directory");
}

fn stem(path: &Path) -> &str {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.expect("names in the repository are ASCII")
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the repository has it");
    let mut pages: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.sort();
    pages
}
