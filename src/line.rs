//! Text from outside (a server's answer, a command's complaint) as one line that can be printed.

use std::cmp::Reverse;

/// Bytes from outside as one line of at most `limit` characters; `None` where they are not text.
pub fn sanitized(bytes: &[u8], limit: usize) -> Option<String> {
    let head = &bytes[..bytes.len().min(limit.saturating_mul(8))];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // Cut inside a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.chars().any(|c| c == '\0') {
        return None;
    }
    let line = text
        .split(|c: char| c.is_whitespace() || is_hidden(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let cut: String = line.chars().take(limit).collect();
    match cut.len() {
        0 => None,
        length if length < line.len() => Some(format!("{cut}…")),
        _ => Some(cut),
    }
}

/// `text` with `[withheld]` where one of `secrets` stood.
pub fn redacted<'s>(text: &[u8], secrets: impl IntoIterator<Item = &'s [u8]>) -> Vec<u8> {
    let mut secrets: Vec<_> = secrets
        .into_iter()
        .filter(|secret| !secret.is_empty())
        .collect();
    // Where one begins another, the longer one: nothing of it may be left over.
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    let mut redacted = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(secret) = secrets.iter().find(|secret| rest.starts_with(secret)) {
            redacted.extend_from_slice(b"[withheld]");
            rest = &rest[secret.len()..];
        } else {
            redacted.push(first);
            rest = after;
        }
    }
    redacted
}

/// A character that does not stand for itself on a screen: controls, separators of lines, and
/// those that reorder (UAX #9), join, or are not seen at all.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_redacted_wherever_it_stands() {
        let secrets = [&b"wit"[..], b"", b"xyz"];
        assert_eq!(
            redacted(b"a wit, xyzxyz", secrets),
            b"a [withheld], [withheld][withheld]"
        );
    }

    #[test]
    fn a_secret_that_begins_another_leaves_nothing_of_it() {
        for secrets in [[&b"wit"[..], b"wit-and-more"], [b"wit-and-more", b"wit"]] {
            assert_eq!(
                redacted(b"wit-and-more wit", secrets),
                b"[withheld] [withheld]"
            );
        }
    }

    #[test]
    fn hostile_text_becomes_one_harmless_line() {
        let hostile = b"denied\r\n\x1b[31m::error::  \xe2\x80\xaered";
        assert_eq!(sanitized(hostile, 300).unwrap(), "denied [31m::error:: red");
        assert_eq!(sanitized(&[0x30, 0x82, 0xff, 0x00], 300), None);
        assert_eq!(sanitized(&[b'x'; 500], 10).unwrap(), "xxxxxxxxxx…");
        assert_eq!(sanitized(b" \n", 10), None);
    }
}
