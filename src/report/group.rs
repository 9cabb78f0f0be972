//! Equal findings together, so that a hundred thousand of them are still one screen.

use crate::finding::Finding;

/// Findings of one severity and one code.
pub struct Group<'a> {
    pub first: &'a Finding,
    pub rest: Vec<&'a Finding>,
}

impl<'a> Group<'a> {
    pub fn len(&self) -> usize {
        1 + self.rest.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a Finding> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// The first `limit` of them, and how many more there are. A single one more is shown rather
    /// than counted.
    pub fn capped(&self, limit: usize) -> (impl Iterator<Item = &'a Finding>, usize) {
        let shown = if self.len() <= limit + 1 {
            self.len()
        } else {
            limit
        };
        (self.iter().take(shown), self.len() - shown)
    }

    /// What to do about those that [`Group::capped`] shows, each hint once.
    pub fn hints(&self, limit: usize) -> Vec<&'a str> {
        let mut hints: Vec<&str> = Vec::new();
        for finding in self.capped(limit).0 {
            if !finding.hint.is_empty() && !hints.contains(&finding.hint.as_str()) {
                hints.push(&finding.hint);
            }
        }
        hints
    }
}

/// The gravest first, and otherwise in the order of their first appearance.
pub fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for finding in findings {
        let equal = groups.iter_mut().find(|group| {
            group.first.code == finding.code && group.first.severity == finding.severity
        });
        match equal {
            Some(group) => group.rest.push(finding),
            None => groups.push(Group {
                first: finding,
                rest: Vec::new(),
            }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.first.severity));
    groups
}

/// What a finding is about: `certbake.toml:12`, `/etc/app/tls/client.key`, or the identity.
pub fn place(finding: &Finding) -> Option<String> {
    match (&finding.file, finding.line) {
        (Some(file), Some(line)) => Some(format!("{file}:{line}")),
        (Some(file), None) => Some(file.clone()),
        (None, _) => finding.identity.clone(),
    }
}

/// [`place`], where the summary does not name it itself.
pub fn unnamed_place(finding: &Finding) -> Option<String> {
    place(finding).filter(|place| !place.is_empty() && !names(&finding.summary, place))
}

/// Whether `place` stands in a sentence as itself, not as a part of a longer word.
fn names(sentence: &str, place: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    sentence.match_indices(place).any(|(at, _)| {
        let after = &sentence[at + place.len()..];
        !sentence[..at].ends_with(inner) && !after.starts_with(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    #[test]
    fn a_place_that_a_summary_only_seems_to_name_is_still_told() {
        for (place, summary, told) in [
            ("ca", "it contains no certificate", true),
            ("app", "the certificate \"app-server\" expired", true),
            ("app", "the certificate \"app\" expired", false),
            ("a.pem", "reading a.pem: it is empty", false),
            ("", "it is empty", false),
        ] {
            let finding = Finding::error(A, summary).in_file(place);
            assert_eq!(unnamed_place(&finding).is_some(), told, "{summary}");
        }
    }

    const A: Code = Code::new("a");
    const B: Code = Code::new("b");

    #[test]
    fn the_gravest_come_first_and_equal_ones_together() {
        let findings = [
            Finding::note(A, "1"),
            Finding::error(B, "2"),
            Finding::note(A, "3"),
            Finding::error(A, "4"),
        ];
        let shape: Vec<Vec<&str>> = groups(&findings)
            .iter()
            .map(|group| group.iter().map(|f| f.summary.as_str()).collect())
            .collect();
        assert_eq!(shape, [vec!["2"], vec!["4"], vec!["1", "3"]]);
    }

    #[test]
    fn each_hint_of_those_shown_is_given_once() {
        let findings = ["mend", "", "mend", "look", "ask", "wait"]
            .map(|hint| Finding::error(A, "").hint(hint));
        let groups = groups(&findings);
        assert_eq!(groups[0].hints(3), ["mend"]);
        assert_eq!(groups[0].hints(5), ["mend", "look", "ask", "wait"]);
    }

    #[test]
    fn one_more_than_the_cap_is_shown_rather_than_counted() {
        for (total, shown, more) in [(3, 3, 0), (4, 4, 0), (5, 3, 2)] {
            let findings = vec![Finding::note(A, ""); total];
            let groups = groups(&findings);
            let (all, hidden) = groups[0].capped(3);
            assert_eq!((all.count(), hidden), (shown, more));
        }
    }
}
