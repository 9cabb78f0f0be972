//! `certbake doctor`: its words.

use clap::Args as ClapArgs;

use super::provision;

/// Find what would make provision fail, without asking for a certificate
///
/// Every authority is asked at the same time: reach, TLS and trust, clock, login, limits against what
/// the configuration asks for. The image's paths and owners, secrets and passwords are looked at too.
/// Says what is wrong and what to do about it, and what is in order. Takes the flags of provision;
/// without --root, the image is not looked at. Exit codes are those of provision.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How long the authorities may take [default: 10s]
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
