//! The command line: one file per verb, its words and how they become a plan.

pub mod authorities;
pub mod ca;
pub mod check;
pub mod completions;
pub mod docs;
pub mod doctor;
pub mod generated;
pub mod init;
pub mod inspect;
pub mod provision;
pub mod revoke;
pub mod shared;

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 2 usage, 3 window below the floor, 4 flawed, 5 refused, 6 unreachable, 7 image.
`certbake docs exit-codes` has them all.";

/// Bake fresh mTLS client certificates into machine images; fail the build if they would not last
#[derive(Debug, Parser)]
#[command(
    name = "certbake",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

// Each is described here for `certbake --help`, since its own words are made when it is called.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Verb {
    /// Ask a CA for fresh certificates and land them in an image root
    Provision(Box<provision::Args>),
    /// Find what would make provision fail, without requesting a certificate
    Doctor(Box<doctor::Args>),
    /// Check certificates offline: in an image, in files, in folders
    Check(Box<check::Args>),
    /// Show what is in files: certificates, keys, requests, chains, key stores
    Inspect(inspect::Args),
    /// Have a certificate revoked by the CA that issued it
    Revoke(Box<revoke::Args>),
    /// Write a configuration file with every setting explained
    Init(init::Args),
    /// List the kinds of certificate authorities, or show every setting of one
    Authorities(authorities::Args),
    /// Make, show and serve the embedded CA
    Ca(ca::Args),
    /// Show a page of the documentation: on a finding, on a kind of CA, a guide
    Docs(docs::Args),
    /// Write shell completions
    Completions(completions::Args),
    /// Write a man page
    Man(generated::Man),
    /// Write a JSON Schema, for editors and for programs that read what certbake writes
    Schema(generated::Schema),
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    #[test]
    fn a_command_is_described_in_the_list_as_in_its_own_help() {
        fn described(command: &Command) -> Vec<(String, String)> {
            let below = command.get_subcommands();
            below
                .map(|below| {
                    let about = below.get_about().map(ToString::to_string);
                    (below.get_name().to_owned(), about.unwrap_or_default())
                })
                .collect()
        }
        let listed = described(&Cli::command());
        let mut built = Cli::command();
        built.build();
        assert_eq!(listed, described(&built));
        assert!(listed.iter().all(|(_, about)| !about.is_empty()));
    }
}
