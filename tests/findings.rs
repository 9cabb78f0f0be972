//! Every code has its page, and every page its code; the binary carries them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
    found
}

/// Declared beside its check, and again by an authority that tells of it before an order: the two stand
/// beside each other and do not import from each other.
const FORETOLD: [&str; 2] = ["chain-untrusted", "usage-missing"];

/// Every code that is declared below `src`.
fn codes() -> BTreeSet<String> {
    declared().into_iter().collect()
}

/// Every `Code::new("…")` below `src`, tests left out.
fn declared() -> Vec<String> {
    let mut codes = Vec::new();
    for file in files(&repository("src"), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let declared = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| line.split("Code::new(\"").skip(1))
            .map(|rest| rest.split('"').next().unwrap().to_owned());
        codes.extend(declared);
    }
    codes
}

fn pages() -> BTreeSet<String> {
    files(&repository("docs/findings"), "md")
        .iter()
        .map(|page| page.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|page| page != "README")
        .collect()
}

#[test]
fn every_code_is_declared_once() {
    let mut seen = BTreeSet::new();
    let again: BTreeSet<_> = declared()
        .into_iter()
        .filter(|code| !seen.insert(code.clone()))
        .collect();
    assert_eq!(again, FORETOLD.map(str::to_owned).into());
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes = codes();
    assert!(codes.len() > 40, "the declarations are not found any more");
    let pages = pages();
    let missing: Vec<_> = codes.difference(&pages).collect();
    let orphaned: Vec<_> = pages.difference(&codes).collect();
    assert!(
        missing.is_empty(),
        "without a page in docs/findings: {missing:?}"
    );
    assert!(
        orphaned.is_empty(),
        "pages in docs/findings without a code: {orphaned:?}"
    );
}

/// What passes by itself is declared so beside its check; the page of the exit codes names all of it.
#[test]
fn the_codes_that_pass_by_themselves_are_those_of_the_page() {
    let mut declared = BTreeSet::new();
    for file in files(&repository("src"), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let passing = code
            .split("Code::new(\"")
            .skip(1)
            .filter_map(|rest| rest.split_once("\").passing()"))
            .filter(|(name, _)| !name.contains('"'))
            .map(|(name, _)| name.to_owned());
        declared.extend(passing);
    }
    let page = fs::read_to_string(repository("docs/exit-codes.md")).unwrap();
    let (_, exceptions) = page.split_once("are the exception").unwrap();
    let (exceptions, _) = exceptions.split_once("\n\n").unwrap();
    let named: BTreeSet<_> = exceptions
        .split("(findings/")
        .skip(1)
        .map(|rest| rest.split_once(".md)").unwrap().0.to_owned())
        .collect();
    assert_eq!(declared, named);
}

fn shown(arguments: &[&str], exit_code: i32) -> (String, String) {
    let output = built::certbake()
        .arg("docs")
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(exit_code), "{output:?}");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (out, err)
}

#[test]
fn the_binary_shows_the_page_of_every_finding_as_it_stands_in_docs() {
    let (list, _) = shown(&[], 0);
    for code in codes() {
        let page = repository(&format!("docs/findings/{code}.md"));
        let carried =
            certbake::pages::find(&code).unwrap_or_else(|| panic!("{code} is not carried"));
        assert_eq!(carried.text, fs::read_to_string(page).unwrap(), "{code}");
        let row = format!("\n  {code} ");
        assert!(list.contains(&row), "{code} is not in the list");
    }
    let (page, _) = shown(&["expired"], 0);
    assert_eq!(
        page,
        fs::read_to_string(repository("docs/findings/expired.md")).unwrap()
    );
}

#[test]
fn every_page_but_those_about_certbake_itself_is_carried() {
    let carried: BTreeSet<_> = certbake::pages::PAGES
        .iter()
        .map(|page| page.text)
        .collect();
    let left_out: BTreeSet<_> = files(&repository("docs"), "md")
        .into_iter()
        .filter(|page| !carried.contains(fs::read_to_string(page).unwrap().as_str()))
        .map(|page| page.strip_prefix(repository("docs")).unwrap().to_owned())
        .collect();
    let about_itself = ["README.md", "architecture.md", "cli.md", "performance.md"];
    assert_eq!(left_out, about_itself.map(PathBuf::from).into());
}

#[test]
fn a_page_that_there_is_not_is_refused_with_the_one_that_was_meant() {
    let (out, err) = shown(&["window-belw-floor"], 2);
    assert_eq!(out, "");
    assert!(
        err.contains("there is no page `window-belw-floor`"),
        "{err}"
    );
    assert!(err.contains("did you mean `window-below-floor`?"), "{err}");
}

#[test]
fn every_code_is_kebab_case() {
    for code in codes() {
        let plain = code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(
            plain && !code.starts_with('-') && !code.ends_with('-'),
            "{code}"
        );
    }
}

#[test]
fn every_page_says_what_it_means_how_it_is_known_why_it_matters_and_what_to_do() {
    for page in pages() {
        let text = fs::read_to_string(repository(&format!("docs/findings/{page}.md"))).unwrap();
        assert!(
            text.starts_with(&format!("# {page}\n\n")),
            "{page}: its title is not its code"
        );
        let mut rest = text.as_str();
        for heading in [
            "## How certbake knows",
            "## Why it matters",
            "## What to do",
            "## Example",
        ] {
            let (_, after) = rest
                .split_once(&format!("\n{heading}\n\n"))
                .unwrap_or_else(|| panic!("{page}: no \"{heading}\" in its place"));
            rest = after;
        }
        if let Err(line) = is_printed(rest) {
            panic!("{page}: the example is not what is printed: {line:?}");
        }
        let lines = text.lines().count();
        assert!((12..=45).contains(&lines), "{page}: {lines} lines");
    }
}

/// An example has lines as a report prints them, in their columns; facts and `more` may be left out. Two
/// alternatives are apart by an empty line. Gives back the first line that no report has.
fn is_printed(example: &str) -> Result<(), &str> {
    // What may come first: the end of a run, or a further finding; and what comes with no report at all.
    let begins = [
        "failed  ",
        "  error        ",
        "  warning      ",
        "  note         ",
        "certbake: ",
    ];
    // How the text of the line above goes on.
    let (mut hanging, mut first) = (None, true);
    for line in example.lines() {
        let Some(shown) = line.strip_prefix("    ") else {
            if line.is_empty() && !first {
                hanging = None;
                continue;
            }
            return Err(line);
        };
        let begins = begins.into_iter().find(|begin| shown.starts_with(begin));
        let begins = begins
            .or_else(|| Some("  hint         ").filter(|hint| !first && shown.starts_with(hint)));
        let text = match (begins, hanging) {
            (Some(begin), _) => {
                hanging = Some(begin.len());
                &shown[begin.len()..]
            }
            (None, Some(indent)) => {
                shown
                    .split_at_checked(indent)
                    .filter(|(before, _)| before.trim().is_empty())
                    .ok_or(line)?
                    .1
            }
            _ => return Err(line),
        };
        if text.is_empty() || text.starts_with(' ') || text.starts_with("hint:") {
            return Err(line);
        }
        first = false;
    }
    if first { Err("nothing") } else { Ok(()) }
}

#[test]
fn an_example_that_is_not_printed_is_noticed() {
    for printed in [
        "    failed  a.pem: expired\n            3d ago\n\n      hint         renew\n",
        "      warning      the CA is slow\n                   today\n      hint         wait\n",
    ] {
        assert_eq!(is_printed(printed), Ok(()));
    }
    for (example, line) in [
        ("", "nothing"),
        ("    reading a.pem: empty\n", "    reading a.pem: empty"),
        ("    error  expired\n", "    error  expired"),
        ("    failed  expired\n    hint: renew\n", "    hint: renew"),
        ("    failed  expired\n      did you?\n", "      did you?"),
        ("      hint         renew\n", "      hint         renew"),
        ("    failed  expired\nfailed\n", "failed"),
    ] {
        assert_eq!(is_printed(example), Err(line));
    }
}
