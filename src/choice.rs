//! A word that is not among those that are known: which one was meant, and which there are.

/// The known word that is most like the one given; `None` where none is close.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(given, word), word))
        .filter(|(likeness, word)| *likeness > 0.8 || strsim::osa_distance(given, word) == 1)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, word)| word)
}

/// The known word into which at most `most` changes of a letter turn the one given; [`nearest`] goes by
/// likeness, which finds more and mistakes more.
pub fn misspelt<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(changes, _)| *changes <= most)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, word)| word)
}

/// For a hint: "did you mean `est`? there are: embedded, est", where `there_are` is "there are".
pub fn advice<'a>(
    given: &str,
    there_are: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let meant = nearest(given, known.iter().copied())
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default();
    format!("{meant}{there_are}: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_close_is_proposed_and_all_are_listed() {
        let known = ["ca", "cfssl", "est"];
        assert_eq!(
            advice("csfl", "there are", known),
            "did you mean `cfssl`? there are: ca, cfssl, est"
        );
        // Too short for a likeness, and one letter away.
        assert_eq!(nearest("cb", known), Some("ca"));
        assert_eq!(advice("vault", "allowed", known), "allowed: ca, cfssl, est");
    }

    #[test]
    fn the_word_with_the_fewest_changes_is_meant_where_they_are_few_enough() {
        let known = ["nginx", "nginy", "postgres"];
        assert_eq!(misspelt("ngnix", known, 2), Some("nginx"));
        assert_eq!(misspelt("nginyy", known, 2), Some("nginy"));
        assert_eq!(misspelt("mysql", known, 2), None);
    }
}
