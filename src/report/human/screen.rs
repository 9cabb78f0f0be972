//! Lines with a column of labels, wrapped to the width, coloured or not.

use anstyle::{AnsiColor, Effects, Style as Ansi};

use crate::report::{Style, escape};

/// Labels stand to the left of this column.
const COLUMN: usize = 15;

/// Wider than this, lines are hard to read.
const WIDEST: usize = 120;

/// What a piece of text says by its colour; every one of them says it in words too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    Plain,
    Dim,
    Good,
    Caution,
    Bad,
}

impl Tone {
    const fn ansi(self) -> Ansi {
        match self {
            Self::Plain => Ansi::new(),
            Self::Dim => Ansi::new().effects(Effects::DIMMED),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Caution => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
        }
    }
}

/// The screen as it fills.
pub struct Screen {
    text: String,
    colour: bool,
    width: usize,
}

impl Screen {
    pub fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            colour: style.colour,
            width: style.width.clamp(40, WIDEST),
        }
    }

    pub fn finish(mut self) -> String {
        if self.text.ends_with("\n\n") {
            self.text.pop();
        }
        self.text
    }

    /// Columns to the right of the labels.
    pub fn body(&self) -> usize {
        self.width - COLUMN
    }

    /// One empty line, never two, and none at the top.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// `word  text`, from the left edge.
    pub fn headline(&mut self, word: &str, tone: Tone, text: &str) {
        let indent = word.chars().count() + 2;
        let lines = wrap(text, self.width.saturating_sub(indent));
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                let word = self.painted(word, tone.ansi().bold());
                self.line(&format!("{word}  {line}"));
            } else {
                self.line(&format!("{}{line}", " ".repeat(indent)));
            }
        }
    }

    /// A label in its column and the text beside it, wrapped.
    pub fn row(&mut self, label: &str, text: &str) {
        self.row_in(label, Tone::Dim, text);
    }

    pub fn row_in(&mut self, label: &str, tone: Tone, text: &str) {
        // A label that is too long for its column moves its own row to the right.
        let start = COLUMN.max(label.chars().count() + 4);
        for (index, line) in wrap(text, self.width.saturating_sub(start))
            .iter()
            .enumerate()
        {
            self.beside(if index == 0 { label } else { "" }, tone, line, start);
        }
    }

    /// A label and one line beside it, as it is; it may hold colours.
    pub fn raw(&mut self, label: &str, line: &str) {
        self.beside(label, Tone::Dim, line, COLUMN);
    }

    fn beside(&mut self, label: &str, tone: Tone, text: &str, start: usize) {
        let gap = " ".repeat(start - 2 - label.chars().count().min(start - 2));
        let label = self.painted(label, tone.ansi());
        self.line(&format!("  {label}{gap}{text}"));
    }

    /// A line without a label, however wide.
    pub fn whole(&mut self, line: &str) {
        self.line(&format!("  {line}"));
    }

    /// A quiet line from the left edge, wrapped.
    pub fn dim(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            let line = self.painted(&line, Tone::Dim.ansi());
            self.line(&line);
        }
    }

    pub fn paint(&self, text: &str, tone: Tone) -> String {
        self.painted(text, tone.ansi())
    }

    fn painted(&self, text: &str, ansi: Ansi) -> String {
        if self.colour && !text.is_empty() && ansi != Ansi::new() {
            format!("{ansi}{text}{ansi:#}")
        } else {
            text.to_owned()
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(escape::not_a_command(line).trim_end());
        self.text.push('\n');
    }
}

/// Breaks at spaces. A word that is wider than the line stays whole: paths and fingerprints are
/// copied with the mouse.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_hangs_under_its_own_beginning() {
        let mut screen = Screen::new(Style {
            colour: false,
            width: 40,
        });
        screen.row("hint", "ask for a longer lifetime, or renew the issuer");
        assert_eq!(
            screen.finish(),
            "  hint         ask for a longer\n               lifetime, or renew the\n               issuer\n"
        );
    }

    #[test]
    fn colours_are_written_only_where_they_are_asked_for() {
        let with = |colour| {
            let mut screen = Screen::new(Style { colour, width: 80 });
            screen.headline("failed", Tone::Bad, "x");
            screen.finish()
        };
        assert_eq!(with(false), "failed  x\n");
        assert!(with(true).contains("\u{1b}["));
    }

    #[test]
    fn a_wrapped_line_never_becomes_a_workflow_command() {
        let mut screen = Screen::new(Style {
            colour: false,
            width: 40,
        });
        screen.row("hint", "aaaaaaaaaaaaaaaaaaaaaaaa ::add-mask::x");
        assert!(screen.finish().contains(" \\::add-mask::x\n"));
    }
}
