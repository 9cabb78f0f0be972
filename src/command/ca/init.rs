//! `certbake ca init`: makes a CA, or completes one that was half made.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::show::Shown;
use crate::authority::embedded::{CaDirectory, NewCa};
use crate::command::{Context, Failure};

pub struct Plan {
    pub dir: PathBuf,
    pub new: NewCa,
}

/// The CA, and whether this run made it.
#[derive(Debug, Serialize)]
pub struct Initialised {
    pub made: bool,
    /// Whether its root was there, so that only what stood below it was made.
    #[serde(skip)]
    pub had_root: bool,
    #[serde(flatten)]
    pub ca: Shown,
}

/// # Errors
/// When the directory cannot be used.
pub fn run(plan: &Plan, context: &Context<'_>) -> Result<Initialised, Failure> {
    context.progress.step("making the CA's keys");
    let had_root = CaDirectory::has_root(&plan.dir);
    let made = CaDirectory::make(&plan.dir, &plan.new, context.moment())?;
    let ca = CaDirectory::open(&plan.dir)?;
    Ok(Initialised {
        made,
        had_root,
        ca: Shown::of(&ca, context.moment())?,
    })
}

impl fmt::Display for Initialised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.made && self.had_root {
            writeln!(
                f,
                "made a new intermediate in {}, under the existing root",
                self.ca.directory
            )?;
        } else if self.made {
            writeln!(f, "made a CA in {}", self.ca.directory)?;
        } else {
            writeln!(
                f,
                "there is already a CA in {}: nothing changed",
                self.ca.directory
            )?;
        }
        writeln!(f)?;
        self.ca.fmt(f)
    }
}
