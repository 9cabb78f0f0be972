//! `certbake authorities`: its words.

use clap::Args as ClapArgs;

use super::shared::Format;
use crate::authority::CATALOGUE;
use crate::choice::advice;
use crate::cli::resolve::flags_of_settings;
use crate::cli::usage::UsageError;
use crate::command::authorities::Plan;

/// List the kinds of certificate authorities, or show every setting of one
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Only this kind, with every setting of its [ca.NAME] table
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// Output for people or for programs
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Human)]
    pub report: Format,
}

impl Args {
    /// # Errors
    /// When there is no such kind.
    pub fn plan(&self) -> Result<Plan, UsageError> {
        let kind = self.kind.as_deref().map(known).transpose()?;
        Ok(Plan {
            kind,
            flags: flags_of_settings(),
        })
    }
}

fn known(name: &str) -> Result<&'static str, UsageError> {
    let kinds = || CATALOGUE.iter().map(|entry| entry.kind);
    kinds().find(|kind| *kind == name).ok_or_else(|| {
        UsageError::new("", format!("`{name}` is not a kind of authority")).hint(advice(
            name,
            "there are",
            kinds(),
        ))
    })
}
