//! Every link in the documentation that leads into this repository leads to a file, and to a heading in it.

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
    let broken = targets
        .map(|(target, _)| target)
        .filter(|target| !target.contains("://") && !leads_somewhere(page, target));
    broken
        .map(|target| format!("{}: {target} is not there", page.display()))
        .collect()
}

/// `page.md`, `page.md#heading`, or `#heading` of the same page.
fn leads_somewhere(page: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap().join(file),
    };
    heading.is_empty() && file.exists()
        || fs::read_to_string(file).is_ok_and(|text| {
            let headings = text.lines().filter(|line| line.starts_with('#'));
            headings.map(fragment).any(|known| known == heading)
        })
}

/// What GitHub calls a heading in links: in lower case, without punctuation, with hyphens for blanks.
fn fragment(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
