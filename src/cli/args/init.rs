//! `certbake init`: its words.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use crate::cli::usage::UsageError;
use crate::command::init::Plan;

/// Write a configuration file with every setting explained
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// File to write; - is standard output
    #[arg(value_name = "FILE", default_value = "certbake.toml")]
    pub file: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

impl Args {
    /// `None` when the file is to be shown on standard output.
    ///
    /// # Errors
    /// When the path names no file.
    pub fn plan(&self) -> Result<Option<Plan>, UsageError> {
        if self.file == Path::new("-") {
            return Ok(None);
        }
        let (Some(name), Some(directory)) = (
            self.file.file_name().and_then(|name| name.to_str()),
            self.file.parent(),
        ) else {
            return Err(UsageError::new(
                "FILE",
                format!("{} names no file", self.file.display()),
            ));
        };
        Ok(Some(Plan {
            directory: if directory.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                directory.to_owned()
            },
            name: name.to_owned(),
            force: self.force,
        }))
    }
}
