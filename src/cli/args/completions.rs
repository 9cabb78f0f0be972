//! `certbake completions`: its words, and what a shell offers behind each flag.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args as ClapArgs, Command, CommandFactory, ValueHint};
use clap_complete::Shell;

use super::Cli;
use crate::authority::{CATALOGUE, Reason};
use crate::cli::resolve::{ON_SHORTENED, USAGES};
use crate::pages::PAGES;
use crate::pki::KeyAlgorithm;
use crate::report::FORMATS;

/// Write shell completions
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// For which shell
    pub shell: Shell,
}

impl Args {
    pub fn text(&self) -> Vec<u8> {
        let mut command = Cli::command();
        // The words of each are made by now.
        command.build();
        let mut command = offering(command);
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut command, "certbake", &mut out);
        out
    }
}

fn offering(command: Command) -> Command {
    command.mut_args(offered).mut_subcommands(offering)
}

/// Values that clap does not know, since certbake reads them itself and says more of what it refuses.
fn offered(arg: Arg) -> Arg {
    if !arg.get_possible_values().is_empty() {
        return arg;
    }
    match arg.get_id().as_str() {
        "ca_dir" | "root" => arg.value_hint(ValueHint::DirPath),
        id => match values(id) {
            Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
            None => arg,
        },
    }
}

fn values(id: &str) -> Option<Vec<&'static str>> {
    Some(match id {
        "ca" | "kind" => CATALOGUE.iter().map(|entry| entry.kind).collect(),
        "key_algorithm" => KeyAlgorithm::ALL.map(|(_, name)| name).to_vec(),
        "on_shortened" => names(ON_SHORTENED),
        "page" => PAGES.iter().map(|page| page.name).collect(),
        "reason" => Reason::ALL.map(Reason::as_str).to_vec(),
        "report" => FORMATS.iter().map(|format| format.name).collect(),
        "usage" => names(USAGES),
        _ => return None,
    })
}

fn names<T>(known: &'static [(&'static str, T)]) -> Vec<&'static str> {
    known.iter().map(|(name, _)| *name).collect()
}
