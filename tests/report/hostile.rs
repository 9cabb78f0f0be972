//! Text from certificates and servers that would rather be something else.

use certbake::report::{FORMATS, Style};

use super::canned::all_texts;
use super::{plain, render};

const HOSTILE: &[&str] = &[
    "a\u{1b}[2J\u{1b}]0;title\u{7}b",
    "a\r\nb\n::error::c\u{b}\u{c}\u{85}\u{2028}\u{2029}",
    "\u{202e}moc.elpmaxe\u{2066}\u{200f}\u{feff}\u{200b}\u{ad}",
    "\u{9b}31m\u{7f}\u{0}\u{e0041}",
    "</failure>]]><x a=\"'\">&amp;|`*_[l](javascript:x) @team #1",
    "::add-mask::x ##[error]y ##vso[task.setvariable]z",
];

#[test]
fn no_format_lets_a_hidden_character_through() {
    for hostile in HOSTILE {
        let report = all_texts(hostile);
        for format in FORMATS {
            let text = render(format, &report, Style::PLAIN);
            let hidden: Vec<char> = text
                .chars()
                .filter(|&c| {
                    (c.is_control() && c != '\n')
                        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}' | '\u{feff}' | '\u{ad}' | '\u{e0041}')
                })
                .collect();
            assert!(hidden.is_empty(), "{}: {hidden:?}\n{text}", format.name);
        }
    }
}

#[test]
fn no_format_lets_a_line_of_a_certificate_become_a_command() {
    for hostile in HOSTILE {
        let report = all_texts(hostile);
        for format in FORMATS {
            let text = render(
                format,
                &report,
                Style {
                    colour: false,
                    width: 40,
                },
            );
            for line in text.lines() {
                // A Markdown heading has its own signs, and ends in no bracket.
                assert!(
                    !line.contains("##[") && !line.contains("##vso["),
                    "{}: {line}",
                    format.name
                );
                let command = line.trim_start().strip_prefix("::");
                let ours = [
                    "group::certbake",
                    "endgroup::",
                    "error ",
                    "warning ",
                    "notice ",
                ];
                assert!(
                    command.is_none_or(|command| {
                        format.name == "github" && ours.iter().any(|own| command.starts_with(own))
                    }),
                    "{}: {line}",
                    format.name
                );
            }
        }
    }
}

#[test]
fn json_keeps_hostile_text_exactly() {
    for hostile in HOSTILE {
        let value: serde_json::Value =
            serde_json::from_str(&plain("json", &all_texts(hostile))).unwrap();
        assert_eq!(value["findings"][0]["summary"], *hostile);
        assert_eq!(value["identities"][0]["certificate"]["subject"], *hostile);
    }
}
