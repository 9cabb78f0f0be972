//! The command line: one file per verb, its words and how they become a plan.

pub mod authorities;
pub mod ca;
pub mod check;
pub mod doctor;
pub mod generated;
pub mod init;
pub mod inspect;
pub mod provision;
pub mod revoke;
pub mod shared;

use clap::{Parser, Subcommand};

/// Bake fresh mTLS client certificates into machine images; fail the build when they would not last
#[derive(Debug, Parser)]
#[command(
    name = "certbake",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 ok, 2 usage, 3 window below the floor, 4 flawed, 5 refused, 6 unreachable, 7 image.\n\
                  docs/exit-codes.md has them all."
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Provision(Box<provision::Args>),
    Doctor(Box<doctor::Args>),
    Check(Box<check::Args>),
    Inspect(inspect::Args),
    Revoke(Box<revoke::Args>),
    Init(init::Args),
    Authorities(authorities::Args),
    Ca(ca::Args),
    Completions(generated::Completions),
    Man(generated::Man),
    Schema(generated::Schema),
}
