//! `certbake inspect`: its words.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::shared::Format;
use crate::cli::usage::UsageError;
use crate::command::inspect::{Input, Plan};

/// Show what is in files: certificates, keys, requests, chains, key stores
///
/// Reads PEM, DER, PKCS#7 and PKCS#12, whatever the files are called, and shows how their contents
/// belong together. Never shows a private key. Does not validate: use `certbake check` for that.
#[derive(ClapArgs, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Files to show; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the password of keys and key stores is: env:NAME, file:PATH, fd:N or cmd:…
    #[arg(long, value_name = "SOURCE")]
    pub password: Option<String>,
    /// Output for people or for programs; `certbake schema inspection` says what programs read
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Human)]
    pub report: Format,
}

impl Args {
    /// # Errors
    /// When the password's source cannot be read as one.
    pub fn plan(&self) -> Result<Plan, UsageError> {
        let input = |path: &PathBuf| {
            if path == Path::new("-") {
                Input::Stdin
            } else {
                Input::File(path.clone())
            }
        };
        let password = self
            .password
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| UsageError::new("--password", format!("{error}")))?;
        Ok(Plan {
            inputs: self.files.iter().map(input).collect(),
            password,
        })
    }
}
