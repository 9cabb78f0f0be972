//! `certbake doctor`: its words.

use clap::Args as ClapArgs;

use super::provision;

/// Find what would make provision fail, without requesting a certificate
///
/// Asks every CA at the same time: reach, TLS and trust, clock, login, and limits against what the
/// configuration asks for. Also checks the image's paths and owners, secrets and passwords. Says what
/// is wrong and what to do about it, and what is fine. Takes the flags of provision; without --root,
/// the image is not checked. Exit codes are those of provision.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How long the CAs may take [default: 10s]
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        env = "CERTBAKE_WITHIN",
        display_order = 10
    )]
    pub within: Option<String>,

    #[command(flatten)]
    pub plan: provision::PlanArgs,
}
