//! A command line split into words as a shell would (POSIX Shell Command Language 2.2), without a
//! shell: what only a shell could do is refused, not passed on in silence.

/// The words of `text`, or the strings of a JSON array.
pub(super) fn split(text: &str) -> Result<Vec<String>, NotWords> {
    let words = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| NotWords::Json)?
    } else {
        shell_words(text)?
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(NotWords::Empty),
    }
}

fn shell_words(text: &str) -> Result<Vec<String>, NotWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let begins = word.is_none();
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let escaped = rest.next().ok_or(NotWords::Unfinished)?;
                word.get_or_insert_default().push(escaped);
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | '{' => {
                return Err(NotWords::Shell { character: c });
            }
            '~' | '#' if begins => return Err(NotWords::Shell { character: c }),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NotWords> {
    loop {
        match rest.next().ok_or(NotWords::Unfinished)? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NotWords> {
    loop {
        match rest.next().ok_or(NotWords::Unfinished)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(NotWords::Unfinished)? {
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c @ ('$' | '`') => return Err(NotWords::Shell { character: c }),
            c => word.push(c),
        }
    }
}

/// One word that a shell reads back as `text`, for commands that people paste.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A command line that cannot be split. None of it is kept: it may hold a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotWords {
    #[error("names no program")]
    Empty,
    #[error("ends inside a quoted string")]
    Unfinished,
    #[error("starts like a JSON array, but is not an array of strings")]
    Json,
    #[error(
        "has an unquoted {character}, and no shell is started to interpret it: quote it, or write cmd:sh -c '…'"
    )]
    Shell { character: char },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_read_as_a_shell_does() {
        for (text, words) in [
            ("pass show est/builder", vec!["pass", "show", "est/builder"]),
            (r#"a 'b c' "d e" f\ g"#, vec!["a", "b c", "d e", "f g"]),
            (r#"a '' "" b"#, vec!["a", "", "", "b"]),
            (r#"a'b'"c"d"#, vec!["abcd"]),
            ("a ''~ b~ c#", vec!["a", "~", "b~", "c#"]),
            (r#"a "\"\\\$\x" '\n'"#, vec!["a", r#""\$\x"#, r"\n"]),
            (r#"["a", "b c", "$"]"#, vec!["a", "b c", "$"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for text in [
            "a | b",
            "a > b",
            "a $B",
            r#"a "$B""#,
            "a; b",
            "a &",
            "a `b`",
            "a *",
            "a [bc]",
            "a {b,c}",
            "~/bin/a",
            "a # b",
        ] {
            assert!(matches!(split(text), Err(NotWords::Shell { .. })), "{text}");
        }
    }

    #[test]
    fn a_cut_command_is_an_error() {
        for text in ["a 'b", "a \"b", "a \\", "a \"b\\"] {
            assert_eq!(split(text), Err(NotWords::Unfinished), "{text}");
        }
        assert_eq!(split(" "), Err(NotWords::Empty));
        assert_eq!(split("''"), Err(NotWords::Empty));
        assert_eq!(split("[1]"), Err(NotWords::Json));
    }

    #[test]
    fn a_quoted_word_is_read_back_as_it_was() {
        for text in ["/etc/x", "it's here", "", "a b;c$"] {
            let line = format!("x {}", quoted(text));
            assert_eq!(split(&line).unwrap()[1], text);
        }
    }
}
