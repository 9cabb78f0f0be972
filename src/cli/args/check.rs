//! `certbake check`: its words.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::shared::ReportArgs;

/// Check certificates offline: in an image, in files, in folders
///
/// In one of three ways: --root checks an image against its records (and a configuration file, if
/// given); --cert checks one credential; paths check every certificate below them, on all cores.
/// The findings and exit codes are those of provision.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Files and folders; a folder without any certificate is a failure
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub image: ImageArgs,
    #[command(flatten)]
    pub credential: CredentialArgs,
    #[command(flatten)]
    pub demands: DemandArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "An image")]
pub struct ImageArgs {
    /// The image's root directory
    #[arg(long, value_name = "DIR", env = "CERTBAKE_ROOT")]
    pub root: Option<PathBuf>,
    /// Configuration file that says what the image must carry [default: what its records list]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only this identity; may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub identity: Vec<String>,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "One credential (each file PEM or DER)")]
pub struct CredentialArgs {
    /// The certificate; its chain may follow in the same file
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Certificates between it and the anchors
    #[arg(long, value_name = "FILE")]
    pub intermediates: Vec<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "What is demanded")]
pub struct DemandArgs {
    /// Roots to which every certificate must chain
    #[arg(long, value_name = "FILE")]
    pub anchors: Vec<PathBuf>,
    /// Revocation lists of the issuers; they need anchors, which an image may carry
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// client or server [default: client if there are anchors]
    #[arg(long, value_name = "USAGE")]
    pub usage: Option<String>,
    /// A DNS name or IP address that peers look for; uri:… and email:… must match exactly
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
    /// Minimum validity left: 21d, or 66% of the lifetime
    #[arg(
        long,
        value_name = "SPAN|PERCENT",
        allow_hyphen_values = true,
        env = "CERTBAKE_MIN_VALIDITY"
    )]
    pub min_validity: Option<String>,
    /// Maximum number of intermediates (nginx: ssl_verify_depth, Apache: SSLVerifyDepth)
    #[arg(long, value_name = "COUNT")]
    pub max_depth: Option<usize>,
    /// Fail on what only strict peers refuse (Python 3.13, Java) and, with --usage server, only linters
    /// of public CAs (zlint); without it these are warnings and notes
    #[arg(long)]
    pub strict: bool,
    /// Check as of this moment instead of now: 2026-05-01T00:00:00Z
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<String>,
}
