//! `certbake docs`: its words.

use clap::Args as ClapArgs;

use crate::choice::nearest;
use crate::cli::usage::UsageError;
use crate::pages::{self, PAGES, Page};

/// Show a page of the documentation: on a finding, on a kind of CA, a guide
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Its name, such as a finding's code, or a link to it [default: a list of all pages]
    #[arg(value_name = "PAGE")]
    pub page: Option<String>,
}

impl Args {
    /// `None` when all are to be listed.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn page(&self) -> Result<Option<&'static Page>, UsageError> {
        self.page.as_deref().map(known).transpose()
    }
}

fn known(name: &str) -> Result<&'static Page, UsageError> {
    pages::find(name).ok_or_else(|| {
        let meant = nearest(name, PAGES.iter().map(|page| page.name))
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        UsageError::new("", format!("there is no page `{name}`"))
            .hint(format!("{meant}`certbake docs` lists all pages"))
    })
}
