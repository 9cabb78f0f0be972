//! `certbake doctor`: its words.

use clap::Args as ClapArgs;

use super::provision;

/// Look at everything that would keep provision from its end, without asking for a certificate
///
/// Every authority is asked at the same time: reach, TLS and trust, clock, login, limits against what
/// the configuration asks. Beside them the image's paths and owners, secrets and passwords. What is
/// found wrong is told with what to do; what is well is told too. Takes what provision takes; without
/// --root, the image is not looked at. Exit codes are those of provision.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How long the authorities may take [default: 10s]
    #[arg(long, value_name = "SPAN", env = "CERTBAKE_WITHIN", display_order = 10)]
    pub within: Option<String>,

    #[command(flatten)]
    pub plan: provision::PlanArgs,
}
