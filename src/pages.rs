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
    let path = name.split('#').next().unwrap_or(name);
    // Its folder's; beside the pages that link to it so, there is one.
    let path = match path.strip_suffix("README.md") {
        Some("") => "authorities",
        Some(folder) => folder,
        None => path,
    };
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".md").unwrap_or(name);
    let same = |page: &&Page| page.name.eq_ignore_ascii_case(name);
    PAGES.iter().find(same)
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
        for name in [
            "authorities",
            "Authorities/",
            "authorities/README.md",
            "README.md#the-connection",
        ] {
            assert_eq!(find(name).unwrap().name, "authorities");
        }
        assert!(find("expire").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn a_link_of_a_page_to_another_leads_there() {
        let links = PAGES.iter().flat_map(|page| page.text.split("](").skip(1));
        let links = links.filter_map(|rest| Some(rest.split_once(')')?.0));
        let pages = links.filter(|link| !link.contains("://") && link.contains(".md"));
        let not_carried = ["cli.md", "architecture.md", "performance.md"];
        let mut seen = 0;
        for link in pages.filter(|link| {
            !link.starts_with("../../") && !not_carried.iter().any(|page| link.contains(page))
        }) {
            assert!(find(link).is_some(), "{link}");
            seen += 1;
        }
        assert!(seen > 50, "the links are not found any more");
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
