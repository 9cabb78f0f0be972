//! `certbake init`: a configuration to begin with, every setting explained in it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::finding::{Code, Finding};
use crate::image::{self, Mode};
use crate::outcome::Outcome;

const EXISTS: Code = Code::new("config-exists");

/// What is written.
pub const TEMPLATE: &str = include_str!("../../templates/certbake.toml");

/// Where to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The directory and the name of the file in it.
    pub directory: PathBuf,
    pub name: String,
    /// Replaces what is there.
    pub force: bool,
}

/// The file that was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written(PathBuf);

/// # Errors
/// When there is something of that name and `force` is not given, or it cannot be written.
pub fn run(plan: &Plan) -> Result<Written, Failure> {
    let path = plan.directory.join(&plan.name);
    if path.is_dir() {
        return Err(directory(&path));
    }
    // Not followed: a link that leads nowhere is also something that is there.
    if !plan.force && path.symlink_metadata().is_ok() {
        return Err(exists(&path));
    }
    image::place_file(
        &plan.directory,
        &plan.name,
        Mode::new(0o644),
        TEMPLATE.as_bytes(),
    )
    .map_err(|error| Failure {
        finding: Box::new(error.finding()),
        outcome: Outcome::Usage,
    })?;
    Ok(Written(path))
}

fn exists(path: &Path) -> Failure {
    refused(
        path,
        "already exists",
        "use --force to replace it; `certbake init -` prints the new one without writing it"
            .to_owned(),
    )
}

fn directory(path: &Path) -> Failure {
    let within = path.join("certbake.toml");
    let hint = format!(
        "give the path of the file: certbake init {}",
        within.display()
    );
    refused(path, "is a directory", hint)
}

fn refused(path: &Path, why: &str, hint: String) -> Failure {
    let summary = format!("{} {why}, and nothing was written", path.display());
    Failure {
        finding: Box::new(
            Finding::error(EXISTS, summary)
                .hint(hint)
                .in_file(path.display().to_string()),
        ),
        outcome: Outcome::Usage,
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "wrote {}: change the names and paths in it, then try it without requesting a certificate:",
            self.0.display()
        )?;
        writeln!(
            f,
            "  certbake provision --dry-run --config {} --root DIR",
            self.0.display()
        )
    }
}
