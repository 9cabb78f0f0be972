//! `certbake provision`: its words.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::shared::{ReportArgs, yes_or_no};
use crate::authority::CATALOGUE;

/// Ask a CA for fresh certificates and land them in an image root
///
/// With a configuration file, bakes every identity in it, or those named. Without one, flags
/// describe a single identity. Flags win over CERTBAKE_… variables, those over the file.
#[derive(ClapArgs, Clone, Debug, Default)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Do everything except requesting a certificate and writing
    #[arg(long, display_order = 10)]
    pub dry_run: bool,
    /// If the run fails after certificates were issued, have them revoked
    #[arg(
        long,
        env = "CERTBAKE_REVOKE_ON_FAILURE",
        value_parser = yes_or_no("CERTBAKE_REVOKE_ON_FAILURE"),
        display_order = 11
    )]
    pub revoke_on_failure: bool,

    #[command(flatten)]
    pub plan: PlanArgs,
}

/// What to bake, where, and how to report it.
#[derive(ClapArgs, Clone, Debug, Default)]
pub struct PlanArgs {
    /// Configuration file [default: certbake.toml if it exists and no --ca is given]
    #[arg(long, value_name = "FILE", env = "CERTBAKE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Only this identity; may be given several times
    #[arg(
        long,
        value_name = "NAME",
        env = "CERTBAKE_IDENTITY",
        value_delimiter = ','
    )]
    pub identity: Vec<String>,
    /// The image's root directory
    #[arg(long, value_name = "DIR", env = "CERTBAKE_ROOT")]
    pub root: Option<PathBuf>,

    #[command(flatten)]
    pub ca: CaArgs,
    #[command(flatten)]
    pub subject: SubjectArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub placements: PlacementArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

fn ca_help() -> String {
    let kinds: Vec<_> = CATALOGUE.iter().map(|entry| entry.kind).collect();
    format!(
        "A [ca.NAME] of the file, or a kind of authority: {}; several are tried in this order when one \
         cannot be reached",
        kinds.join(", ")
    )
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "Authority")]
pub struct CaArgs {
    #[arg(
        long,
        value_name = "NAME|KIND",
        env = "CERTBAKE_CA",
        value_delimiter = ',',
        help = ca_help()
    )]
    pub ca: Vec<String>,
    /// URL of the CA
    #[arg(long, value_name = "URL", env = "CERTBAKE_CA_URL")]
    pub ca_url: Option<String>,
    /// PEM file of the roots to which its certificates must chain
    #[arg(long, value_name = "FILE", env = "CERTBAKE_CA_ANCHORS")]
    pub ca_anchors: Option<PathBuf>,
    /// How to trust its server without --ca-anchors: "system", "file:PATH" (PEM), or the root's "sha256:…"
    #[arg(long, value_name = "TRUST", env = "CERTBAKE_CA_TRUST")]
    pub ca_trust: Option<String>,
    /// User name to log in with
    #[arg(long, value_name = "NAME", env = "CERTBAKE_CA_USER")]
    pub ca_user: Option<String>,
    /// Where the password comes from: env:NAME, file:PATH, fd:N or cmd:…
    #[arg(long, value_name = "SOURCE", env = "CERTBAKE_CA_PASSWORD")]
    pub ca_password: Option<String>,
    /// Client certificate to log in with, PEM with its chain
    #[arg(long, value_name = "FILE", env = "CERTBAKE_CA_CERT")]
    pub ca_cert: Option<PathBuf>,
    /// Private key of that client certificate
    #[arg(long, value_name = "FILE", env = "CERTBAKE_CA_KEY")]
    pub ca_key: Option<PathBuf>,
    /// EST label: the additional path segment
    #[arg(long, value_name = "LABEL", env = "CERTBAKE_CA_LABEL")]
    pub ca_label: Option<String>,
    /// Directory of the embedded CA
    #[arg(long, value_name = "DIR", env = "CERTBAKE_CA_DIR")]
    pub ca_dir: Option<PathBuf>,
    /// Any other setting of the CA, as in the file: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub ca_set: Vec<String>,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "Certificate")]
pub struct SubjectArgs {
    /// Subject common name
    #[arg(long, value_name = "NAME", env = "CERTBAKE_COMMON_NAME")]
    pub common_name: Option<String>,
    /// DNS name; may be given several times
    #[arg(long, value_name = "NAME", env = "CERTBAKE_DNS", value_delimiter = ',')]
    pub dns: Vec<String>,
    /// IP address
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CERTBAKE_IP",
        value_delimiter = ','
    )]
    pub ip: Vec<String>,
    /// URI, such as spiffe://lab/app
    #[arg(long, value_name = "URI", env = "CERTBAKE_URI")]
    pub uri: Vec<String>,
    /// Email address
    #[arg(long, value_name = "ADDRESS", env = "CERTBAKE_EMAIL")]
    pub email: Vec<String>,
    /// Subject organization
    #[arg(long, value_name = "NAME", env = "CERTBAKE_ORGANIZATION")]
    pub organization: Option<String>,
    /// ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072 or rsa-4096 [default: ecdsa-p256]
    #[arg(long, value_name = "ALGORITHM", env = "CERTBAKE_KEY_ALGORITHM")]
    pub key_algorithm: Option<String>,
    /// client or server [default: client]
    #[arg(long, value_name = "USAGE", env = "CERTBAKE_USAGE")]
    pub usage: Option<String>,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    /// Lifetime to request: 30d, 36h
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        env = "CERTBAKE_TTL"
    )]
    pub ttl: Option<String>,
    /// Minimum validity that the build accepts: 21d, or 66% of the lifetime
    #[arg(
        long,
        value_name = "SPAN|PERCENT",
        allow_hyphen_values = true,
        env = "CERTBAKE_MIN_VALIDITY"
    )]
    pub min_validity: Option<String>,
    /// Refuse a certificate that is valid for longer than this
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        env = "CERTBAKE_MAX_VALIDITY"
    )]
    pub max_validity: Option<String>,
    /// If less than --ttl is granted: fail or warn [default: fail]
    #[arg(long, value_name = "ACTION", env = "CERTBAKE_ON_SHORTENED")]
    pub on_shortened: Option<String>,
    /// Maximum difference between the CA's clock and this machine's [default: 5m]
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        env = "CERTBAKE_MAX_CLOCK_OFFSET"
    )]
    pub max_clock_offset: Option<String>,
    /// How long the whole order may take [default: 2m]
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        env = "CERTBAKE_DEADLINE"
    )]
    pub deadline: Option<String>,
}

#[derive(ClapArgs, Clone, Debug, Default)]
#[command(next_help_heading = "Placements (paths inside the image)")]
pub struct PlacementArgs {
    /// The certificate followed by its intermediates, PEM
    #[arg(
        long,
        visible_alias = "full-chain",
        value_name = "PATH",
        env = "CERTBAKE_CERT"
    )]
    pub cert: Vec<String>,
    /// The private key, PKCS#8 PEM
    #[arg(long, value_name = "PATH", env = "CERTBAKE_KEY")]
    pub key: Vec<String>,
    /// The certificate alone, PEM
    #[arg(long, value_name = "PATH", env = "CERTBAKE_LEAF")]
    pub leaf: Vec<String>,
    /// The intermediates alone, PEM
    #[arg(long, value_name = "PATH", env = "CERTBAKE_ISSUERS")]
    pub issuers: Vec<String>,
    /// The roots, PEM
    #[arg(long, value_name = "PATH", env = "CERTBAKE_ANCHORS")]
    pub anchors: Vec<String>,
    /// Key, certificate and intermediates in one PEM file
    #[arg(long, value_name = "PATH", env = "CERTBAKE_COMBINED")]
    pub combined: Vec<String>,
    /// A PKCS#12 key store; needs --pkcs12-password
    #[arg(long, value_name = "PATH", env = "CERTBAKE_PKCS12")]
    pub pkcs12: Option<String>,
    /// Where the key store's password comes from: env:NAME, file:PATH, fd:N or cmd:…
    #[arg(long, value_name = "SOURCE", env = "CERTBAKE_PKCS12_PASSWORD")]
    pub pkcs12_password: Option<String>,
    /// Encrypt the key store with 3DES, for Java before 8u301 and old Windows
    #[arg(long, env = "CERTBAKE_PKCS12_LEGACY", value_parser = yes_or_no("CERTBAKE_PKCS12_LEGACY"))]
    pub pkcs12_legacy: bool,
    /// Owner of every file, by its name in the image or number
    #[arg(long, value_name = "USER", env = "CERTBAKE_OWNER")]
    pub owner: Option<String>,
    /// Group of every file, by its name in the image or number
    #[arg(long, value_name = "GROUP", env = "CERTBAKE_GROUP")]
    pub group: Option<String>,
    /// Mode of the files that hold the key [default: 0600]
    #[arg(long, value_name = "OCTAL", env = "CERTBAKE_KEY_MODE")]
    pub key_mode: Option<String>,
    /// Mode of the other files [default: 0644]
    #[arg(long, value_name = "OCTAL", env = "CERTBAKE_CERT_MODE")]
    pub cert_mode: Option<String>,
    /// A copy of the record outside the image
    #[arg(long, value_name = "FILE", env = "CERTBAKE_RECORD")]
    pub record: Option<PathBuf>,
}
