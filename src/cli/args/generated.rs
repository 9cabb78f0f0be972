//! What the program writes of itself: man pages, JSON Schemas. The copies in `docs/` are compared with these
//! by a test.

use clap::{Args as ClapArgs, CommandFactory, ValueEnum};

use super::{Cli, EXIT_CODES};
use crate::cli::schema;

/// Write a man page
#[derive(ClapArgs, Clone, Debug)]
pub struct Man {
    /// Of which command [default: certbake itself]
    pub command: Option<String>,
}

/// Write a JSON Schema, for editors and for programs that read what certbake writes
#[derive(ClapArgs, Clone, Debug)]
pub struct Schema {
    /// Of what
    pub of: Document,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Document {
    /// certbake.toml
    Config,
    /// /var/lib/certbake/IDENTITY.json
    Record,
    /// --report json
    Report,
    /// certbake inspect --report json
    Inspection,
}

impl Man {
    /// `None` when there is no such command. A nested one is asked for as `ca-serve` or `ca serve`.
    pub fn text(&self) -> Option<Vec<u8>> {
        let mut command = Cli::command();
        command.build();
        let mut title = "certbake".to_owned();
        let mut rest = self.command.clone().unwrap_or_default().replace(' ', "-");
        while !rest.is_empty() {
            let below = command.get_subcommands().find(|below| {
                rest.strip_prefix(below.get_name())
                    .is_some_and(|after| after.is_empty() || after.starts_with('-'))
            })?;
            let name = below.get_name().to_owned();
            rest = rest[name.len()..].trim_start_matches('-').to_owned();
            title = format!("{title}-{name}");
            command = below.clone();
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.name(leak(title)))
            .render(&mut page)
            .ok()?;
        Some(with_exit_status(&String::from_utf8_lossy(&page)).into_bytes())
    }
}

/// What clap calls extra is of every command, under the name that man pages have for it.
fn with_exit_status(page: &str) -> String {
    const EXTRA: &str = ".SH EXTRA\n";
    const STATUS: &str = ".SH \"EXIT STATUS\"\n";
    if page.contains(EXTRA) {
        return page.replace(EXTRA, STATUS);
    }
    format!("{page}{STATUS}{}\n", EXIT_CODES.replace('-', "\\-"))
}

/// clap wants names that live as long as the program; one is made per run.
fn leak(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

impl Schema {
    pub fn text(&self) -> Vec<u8> {
        let schema = match self.of {
            Document::Config => schema::config(),
            Document::Record => schema::record(),
            Document::Report => schema::report(),
            Document::Inspection => schema::inspection(),
        };
        let mut text = serde_json::to_vec_pretty(&schema).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
