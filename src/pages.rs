//! The pages of `docs/` that the binary carries: whoever has nothing else can read them where a build failed.

/// A page in Markdown.
#[derive(Debug)]
pub struct Page {
    /// Its file's name without the ending: a finding's code, a kind of authority, `exit-codes`; a folder's
    /// for its README.
    pub name: &'static str,
    pub subject: Subject,
    pub text: &'static str,
}

/// What a page is about, by the folder it stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    Guide,
    Authority,
    Finding,
}

/// Written by `build.rs`: every page but those about certbake itself.
pub static PAGES: &[Page] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a name, or of a link to it as pages have them: `../findings/expired.md#example`.
pub fn find(name: &str) -> Option<&'static Page> {
    let name = name.split('#').next().unwrap_or(name);
    let name = name.trim_end_matches('/').trim_end_matches("/README.md");
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".md").unwrap_or(name);
    PAGES.iter().find(|page| page.name == name)
}

impl Page {
    /// On one line: the title; of a finding, whose title is its name, the first sentence below.
    pub fn summary(&self) -> String {
        if self.subject != Subject::Finding {
            let title = self.text.lines().next().unwrap_or_default();
            return title.trim_start_matches("# ").to_owned();
        }
        let below = self.text.split("\n\n").nth(1).unwrap_or_default();
        let line = below.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.split_once(". ") {
            Some((sentence, _)) => format!("{sentence}."),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_page_is_found_by_its_name_and_by_links_to_it() {
        for name in [
            "expired",
            "findings/expired.md",
            "docs/findings/expired.md",
            "../findings/expired.md#what-to-do",
        ] {
            let page = find(name).unwrap();
            assert_eq!((page.name, page.subject), ("expired", Subject::Finding));
            assert!(page.text.starts_with("# expired\n"));
        }
        for name in ["authorities", "authorities/", "authorities/README.md"] {
            assert_eq!(find(name).unwrap().name, "authorities");
        }
        assert!(find("expire").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn no_two_pages_have_one_name_and_each_can_be_told_in_a_line() {
        let names: BTreeSet<_> = PAGES.iter().map(|page| page.name).collect();
        assert_eq!(names.len(), PAGES.len());
        for page in PAGES {
            let summary = page.summary();
            assert!(
                summary.len() > 2 && !summary.starts_with(['|', '#', '-', '<']),
                "{}: {summary}",
                page.name
            );
        }
    }
}
