//! `certbake revoke`: its words.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::provision::CaArgs;
use super::shared::ReportArgs;

/// Have a certificate revoked by the CA that issued it
///
/// The record says which certificate it is and who issued it; the configuration file, or flags, say
/// how to reach that CA. An already revoked certificate is not an error. Not every kind of authority
/// can revoke: `certbake authorities` says which can.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The record of what was baked: /var/lib/certbake/NAME.json in the image, or its copy
    #[arg(long, value_name = "FILE", required_unless_present = "cert")]
    pub record: Option<PathBuf>,
    /// The certificate, PEM or DER, if there is no record or the record has none
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Its private key, which some CAs accept as the login
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// key-compromise, superseded, cessation-of-operation or unspecified [default: unspecified]
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Configuration file [default: certbake.toml if it exists and no --ca is given]
    #[arg(long, value_name = "FILE", env = "CERTBAKE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How long it may take [default: 30s]
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    pub deadline: Option<String>,

    #[command(flatten)]
    pub ca: CaArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}
