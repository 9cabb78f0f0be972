//! `certbake ca …`: its words.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

pub use super::shared::Format;
use crate::authority::embedded::{CaName, INTERMEDIATE_LIFETIME, NewCa, ROOT_LIFETIME, TTL};
use crate::cli::usage::UsageError;
use crate::command::ca::{init, issue_log, serve, show};
use crate::pki::{AltName, KeyAlgorithm};
use crate::secret_source::SecretSource;
use crate::span::Span;

/// Make, show and serve the embedded CA
#[derive(ClapArgs, Clone, Debug)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    Init(Init),
    Show(Show),
    IssueLog(IssueLog),
    Serve(Box<Serve>),
}

#[derive(ClapArgs, Clone, Debug)]
pub struct Directory {
    /// Directory of the CA
    #[arg(long = "ca-dir", value_name = "DIR", env = "CERTBAKE_CA_DIR")]
    pub dir: PathBuf,
}

#[derive(ClapArgs, Clone, Copy, Debug)]
pub struct Shape {
    /// Output for people or for programs
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Human)]
    pub report: Format,
}

/// Make a CA: a root, and an intermediate that signs
///
/// An existing CA stays as it is; a half-made one is completed. If one is there already and is not as
/// the options ask, nothing is changed, and the exit code is 2.
#[derive(ClapArgs, Clone, Debug)]
pub struct Init {
    #[command(flatten)]
    pub directory: Directory,
    /// Prefix of its certificates' names [default: certbake and 8 digits of its key]
    #[arg(long, value_name = "NAME")]
    pub name: Option<CaName>,
    /// Key of the root and of the intermediate: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072,
    /// rsa-4096 [default: ecdsa-p256]
    #[arg(long, value_name = "ALGORITHM")]
    pub key_algorithm: Option<KeyAlgorithm>,
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        help = format!("Lifetime of the root [default: {ROOT_LIFETIME}]")
    )]
    pub root_lifetime: Option<Span>,
    #[arg(
        long,
        value_name = "SPAN",
        allow_hyphen_values = true,
        help = format!("Lifetime of the intermediate, within the root's [default: {INTERMEDIATE_LIFETIME}]")
    )]
    pub intermediate_lifetime: Option<Span>,
    #[command(flatten)]
    pub shape: Shape,
}

/// Show a CA's certificates and when they expire
#[derive(ClapArgs, Clone, Debug)]
pub struct Show {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub shape: Shape,
}

/// List what a CA has issued
#[derive(ClapArgs, Clone, Debug)]
pub struct IssueLog {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub shape: Shape,
}

/// Serve a CA as EST over HTTPS (RFC 7030), for a lab or a test
///
/// Prints its address on standard output and logs each request on standard error. On SIGTERM and
/// SIGINT, it answers the requests in flight and exits.
#[derive(ClapArgs, Clone, Debug)]
pub struct Serve {
    #[command(flatten)]
    pub directory: Directory,
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443", value_parser = address)]
    pub listen: SocketAddr,
    /// DNS name or IP address that clients use for the server; may be given several times
    #[arg(long, value_name = "NAME")]
    pub server_name: Vec<String>,
    /// File of [user.NAME] tables: users, their passwords and what they may request
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password"])]
    pub users: Option<PathBuf>,
    /// A single user, who may request any name
    #[arg(long, value_name = "NAME", requires = "password")]
    pub user: Option<String>,
    /// Where that user's password comes from: env:NAME, file:PATH, fd:N or cmd:…
    #[arg(long, value_name = "SOURCE", requires = "user")]
    pub password: Option<String>,
    /// PEM file of the roots whose client certificates may log in
    #[arg(long, value_name = "FILE")]
    pub client_anchors: Option<PathBuf>,
    /// Also answer under this additional path segment
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Lifetime granted; a user's max_ttl may shorten it
    #[arg(long, visible_alias = "max-ttl", value_name = "SPAN", allow_hyphen_values = true, default_value_t = TTL)]
    pub ttl: Span,
}

impl Init {
    pub fn plan(self) -> Result<init::Plan, UsageError> {
        for (flag, lifetime) in [
            ("--root-lifetime", self.root_lifetime),
            ("--intermediate-lifetime", self.intermediate_lifetime),
        ] {
            lifetime.map_or(Ok(()), |lifetime| positive(flag, lifetime))?;
        }
        if let (Some(root), Some(intermediate)) = (self.root_lifetime, self.intermediate_lifetime)
            && intermediate > root
        {
            return Err(UsageError::new(
                "--intermediate-lifetime",
                format!("an intermediate of {intermediate} would outlast its root of {root}"),
            )
            .hint("lower it, or raise --root-lifetime"));
        }
        Ok(init::Plan {
            dir: self.directory.dir,
            new: NewCa {
                name: self.name,
                key_algorithm: self.key_algorithm,
                root_lifetime: self.root_lifetime,
                intermediate_lifetime: self.intermediate_lifetime,
            },
        })
    }
}

impl Show {
    pub fn plan(self) -> show::Plan {
        show::Plan {
            dir: self.directory.dir,
        }
    }
}

impl IssueLog {
    pub fn plan(self) -> issue_log::Plan {
        issue_log::Plan {
            dir: self.directory.dir,
        }
    }
}

impl Serve {
    pub fn plan(self) -> Result<serve::Plan, UsageError> {
        positive("--ttl", self.ttl)?;
        let names = self.server_name.iter().map(|name| server_name(name));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        if let Some(label) = &self.label {
            check_label(label)?;
        }
        let login = match (self.users, self.user, self.password) {
            (Some(file), ..) => serve::Login::File(file),
            (None, Some(name), Some(password)) => serve::Login::One {
                name: user_name(name)?,
                password: source(&password)?,
            },
            _ if self.client_anchors.is_some() => serve::Login::Certificates,
            _ => {
                return Err(UsageError::new("--user", "nobody could log in").hint(
                    "give --user with --password, a file with --users, or roots with --client-anchors",
                ));
            }
        };
        Ok(serve::Plan {
            dir: self.directory.dir,
            listen: self.listen,
            names,
            login,
            client_anchors: self.client_anchors,
            label: self.label,
            ttl: self.ttl,
        })
    }
}

/// An address alone: a name could stand for several, and it is not said which.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address and a port are wanted, such as 127.0.0.1:8443 or [::1]:8443".to_owned()
    })
}

fn positive(flag: &str, span: Span) -> Result<(), UsageError> {
    if span.as_seconds() > 0 {
        return Ok(());
    }
    Err(UsageError::new(flag, "the lifetime must be longer than 0s"))
}

fn server_name(text: &str) -> Result<AltName, UsageError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(AltName::Ip(address)),
        Err(_) => {
            AltName::dns(text).map_err(|error| UsageError::new("--server-name", error.to_string()))
        }
    }
}

/// RFC 7617 section 2: the first colon ends the user's name.
fn user_name(name: String) -> Result<String, UsageError> {
    if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
        return Err(UsageError::new(
            "--user",
            "a user's name must not be empty or contain a colon",
        ));
    }
    Ok(name)
}

/// RFC 7030 section 3.2.2: one segment, and none of the operations.
fn check_label(label: &str) -> Result<(), UsageError> {
    const OPERATIONS: &[&str] = &[
        "cacerts",
        "simpleenroll",
        "simplereenroll",
        "fullcmc",
        "serverkeygen",
        "csrattrs",
    ];
    let plain = label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if label.is_empty() || !plain || OPERATIONS.contains(&label) {
        return Err(
            UsageError::new("--label", format!("{label:?} cannot be a label")).hint(
                "use letters, digits, dots, hyphens and underscores; no name of an EST operation",
            ),
        );
    }
    Ok(())
}

fn source(text: &str) -> Result<SecretSource, UsageError> {
    text.parse()
        .map_err(|error: crate::secret_source::NotASource| {
            UsageError::new("--password", error.to_string())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen_is_an_address_and_a_port() {
        assert!(address("[::1]:0").is_ok());
        for text in ["8443", ":8443", "localhost:8443", "127.0.0.1"] {
            let error = address(text).unwrap_err();
            assert!(error.contains("127.0.0.1:8443"), "{text}: {error}");
        }
    }
}
