//! A [`Report`] in, bytes out: one file per format, and one row in [`FORMATS`]. Nothing here reads
//! the clock, the environment or a file; colour and width are parameters.

use std::io::{self, Write};

use crate::finding::Code;
use crate::outcome::Report;

mod escape;
pub mod exit_codes;
mod facts;
pub mod github;
pub mod gitlab;
mod group;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod prometheus;
mod selection;
mod words;

pub use escape::visible;
pub use json::schema;
pub use selection::{Selection, SelectionError};

/// How text may look; ignored by the formats that machines read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    /// ANSI escape sequences may be written.
    pub colour: bool,
    /// Columns; below 40 counts as 40.
    pub width: usize,
}

impl Style {
    /// No colour, and as wide as a log is read.
    pub const PLAIN: Self = Self {
        colour: false,
        width: 100,
    };
}

/// Turns a report into bytes.
///
/// Names, paths and messages in a report come from certificates and servers: a renderer writes
/// no control character and no character that reorders or hides text, unless it put it there.
pub trait Renderer: Sync {
    /// # Errors
    /// Those of `out` alone.
    fn render(&self, report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()>;
}

/// A row of [`FORMATS`].
pub struct Format {
    /// As `--report` takes it.
    pub name: &'static str,
    pub renderer: &'static dyn Renderer,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every format, in the order in which they are listed; the first is the default.
pub const FORMATS: &[Format] = &[
    human::FORMAT,
    json::FORMAT,
    github::FORMAT,
    gitlab::FORMAT,
    junit::FORMAT,
    prometheus::FORMAT,
    markdown::FORMAT,
];

/// What shows the page that explains a finding.
fn page(code: Code) -> String {
    format!("certbake docs {code}")
}
