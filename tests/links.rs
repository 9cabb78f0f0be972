//! Every link in the documentation that leads into this repository leads somewhere.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_link_between_the_pages_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let broken: Vec<String> = pages(root)
        .iter()
        .flat_map(|page| broken_links(page))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The Markdown files of the repository, build output left out.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.file_name().unwrap().to_str().unwrap() {
            ".git" | "target" => Vec::new(),
            _ if path.is_dir() => pages(&path),
            name if name.ends_with(".md") => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

fn broken_links(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let files = targets
        .map(|(target, _)| target.split('#').next().unwrap())
        .filter(|target| !target.is_empty() && !target.contains("://"));
    let broken = files.filter(|file| !page.parent().unwrap().join(file).exists());
    broken
        .map(|file| format!("{}: {file} is not there", page.display()))
        .collect()
}
