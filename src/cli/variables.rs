//! Variables of the environment that look like ours and are read by no one: a floor under a misspelt
//! name would be no floor.

use clap::{Command, CommandFactory};

use super::args::Cli;
use super::usage::UsageError;
use crate::choice::misspelt;

const PREFIX: &str = "CERTBAKE_";

/// Of two letters, too many are a letter away from each other.
const SHORTEST: usize = 3;
/// Shorter names are two letters away from too many others.
const LONG: usize = 5;

/// Flags of `provision` that have no variable. Who sets one believes that nothing is asked for.
const FLAGS_ALONE: &[(&str, &str)] = &[
    ("CERTBAKE_DRY_RUN", "--dry-run"),
    ("CERTBAKE_CA_SET", "--ca-set"),
];

/// The examples fetch the binary from there.
const NOT_MEANT: &str = "CERTBAKE_URL";

/// Refuses the first of `names` that is almost a variable of certbake's. What is called otherwise is
/// somebody else's.
pub fn none_misspelt(names: impl Iterator<Item = String>) -> Result<(), UsageError> {
    let ours: Vec<String> = names.filter(|name| name.starts_with(PREFIX)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let mut command = Cli::command();
    command.build();
    let mut known = Vec::new();
    collect(&command, &mut known);
    for name in ours {
        if let Some((_, flag)) = FLAGS_ALONE.iter().find(|(alone, _)| *alone == name) {
            return Err(
                UsageError::new(name, "certbake has no variable of this name").hint(format!(
                    "use the flag {flag} instead, and unset the variable"
                )),
            );
        }
        if let Some(meant) = almost(&name, &known) {
            return Err(
                UsageError::new(name, "certbake has no variable of this name")
                    .hint(format!("did you mean `{meant}`? rename or unset it")),
            );
        }
    }
    Ok(())
}

/// The variables of a command and of those below it.
fn collect(command: &Command, known: &mut Vec<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.filter_map(|name| name.to_str().map(str::to_owned)));
    for below in command.get_subcommands() {
        collect(below, known);
    }
}

/// The known variable of which `name` is a misspelling.
fn almost<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let length = name.len() - PREFIX.len();
    let is_right = name == NOT_MEANT || known.iter().any(|known| known == name);
    if is_right || length < SHORTEST {
        return None;
    }
    let most = if length < LONG { 1 } else { 2 };
    misspelt(name, known.iter().map(String::as_str), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Option<String> {
        let refused = none_misspelt([name.to_owned()].into_iter()).err();
        refused.map(|error| error.hint)
    }

    #[test]
    fn a_variable_that_is_almost_ours_is_refused_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("CERTBAKE_MIN_VALIDTY", "CERTBAKE_MIN_VALIDITY"),
            ("CERTBAKE_MINVALIDITY", "CERTBAKE_MIN_VALIDITY"),
            ("CERTBAKE_CA_PASWORD", "CERTBAKE_CA_PASSWORD"),
            ("CERTBAKE_COMON_NAME", "CERTBAKE_COMMON_NAME"),
            ("CERTBAKE_TTLL", "CERTBAKE_TTL"),
            ("CERTBAKE_TLL", "CERTBAKE_TTL"),
            ("CERTBAKE_IPS", "CERTBAKE_IP"),
            ("CERTBAKE_DNSS", "CERTBAKE_DNS"),
        ] {
            let hint = refused(name).expect(name);
            assert!(hint.contains(&format!("`{meant}`")), "{name}: {hint}");
        }
        // A dry run that is none would spend a certificate.
        for (name, flag) in FLAGS_ALONE {
            let hint = refused(name).expect(name);
            assert!(hint.contains(flag), "{name}: {hint}");
        }
    }

    #[test]
    fn variables_that_are_read_and_those_of_others_are_let_be() {
        for name in [
            "CERTBAKE_MIN_VALIDITY",
            "CERTBAKE_CA_DIR",
            "CERTBAKE_VERSION",
            "CERTBAKE_TEST_SERVERS",
            "CERTBAKE_ID",
            "CERTBAKE_HOME",
            "CERTBAKE_URL",
            "CERTBAKE_TEAM",
            // Of the programs that certbake runs, which may run it in turn.
            "CERTBAKE_OPERATION",
            "CERTBAKE_NAMES",
            "CERTBAKE_SERIAL",
            "CERTBAKE_ACME_VALUE",
            "MIN_VALIDTY",
        ] {
            assert_eq!(refused(name), None, "{name}");
        }
    }
}
