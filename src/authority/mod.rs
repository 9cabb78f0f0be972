//! Authorities: who signs. Each is one file or folder and one row in [`CATALOGUE`].

pub mod answer;
pub mod embedded;
mod est;

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use crate::finding::Finding;
use crate::outcome::{AuthorityPlace, Outcome};
use crate::pki::{PrivateKey, SigningRequest};
use crate::secret_source::SecretSource;
use crate::span::Span;

/// What is asked for.
#[derive(Debug)]
pub struct Order {
    pub request: SigningRequest,
    /// The lifetime wanted, where the protocol can ask for one.
    pub ttl: Option<Span>,
    /// When the whole order must have ended, waits and retries included.
    pub deadline: Instant,
}

/// What came: untrusted until it has been assembled and verified.
#[derive(Debug, Default)]
pub struct Issued {
    /// DER, in any order, the leaf among them.
    pub certificates: Vec<Vec<u8>>,
    /// DER roots that the authority itself vouches for, over a connection already trusted. Used
    /// where the configuration pins none.
    pub anchors: Vec<Vec<u8>>,
    /// The authority's clock (the `Date` header), for the clock-offset check.
    pub date: Option<OffsetDateTime>,
    /// What the authority said beside the certificate: warnings, shortenings.
    pub findings: Vec<Finding>,
}

/// The one joint between certbake and a certificate authority.
pub trait Authority: Send + Sync {
    /// Has the request signed. Blocks until an answer, a refusal or the deadline.
    ///
    /// # Errors
    /// [`AuthorityError`], whose kind tells whether asking again can help.
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError>;

    /// Who is asked, and where; never a credential.
    fn place(&self) -> AuthorityPlace;
}

/// A further ability: renewal with the present credential as the login.
pub trait Renew: Send + Sync {
    /// # Errors
    /// As [`Authority::issue`].
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError>;
}

/// The credential in use: DER chain, leaf first, and its key.
pub struct Current<'a> {
    pub chain: &'a [Vec<u8>],
    pub key: &'a PrivateKey,
}

/// A further ability: what can be known before the order, in under two seconds.
pub trait Preflight: Send + Sync {
    /// # Errors
    /// As [`Authority::issue`], as far as it can be known without an order.
    fn preflight(&self, order: &Order) -> Result<Vec<Finding>, AuthorityError>;
}

/// An authority ready to be asked, with the further abilities that it has.
#[derive(Clone)]
pub struct Opened {
    pub authority: Arc<dyn Authority>,
    pub renew: Option<Arc<dyn Renew>>,
    pub preflight: Option<Arc<dyn Preflight>>,
    /// Where its secrets come from, for a CI runner that is to hide them.
    pub secrets: Vec<SecretSource>,
}

impl Opened {
    pub fn new(authority: impl Authority + 'static) -> Self {
        Self {
            authority: Arc::new(authority),
            renew: None,
            preflight: None,
            secrets: Vec::new(),
        }
    }
}

/// Why no certificate came. The finding carries the words, the facts and the hint.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It said no; asking again will not help.
    #[error("the authority refused: {}", .0.summary)]
    Refused(Box<Finding>),
    /// It could not be reached, or was busy to the end; asking again may help.
    #[error("the authority could not be reached: {}", .0.summary)]
    Unreachable(Box<Finding>),
    /// It answered, but not with what is needed.
    #[error("the authority's answer is unusable: {}", .0.summary)]
    Unusable(Box<Finding>),
    /// Its settings or credentials cannot be used.
    #[error("the authority's settings cannot be used: {}", .0.summary)]
    Settings(Box<Finding>),
}

impl AuthorityError {
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::Refused,
            Self::Unreachable(_) => Outcome::Unreachable,
            Self::Unusable(_) => Outcome::Flawed,
            Self::Settings(_) => Outcome::Usage,
        }
    }

    pub fn into_finding(self) -> Finding {
        match self {
            Self::Refused(finding)
            | Self::Unreachable(finding)
            | Self::Unusable(finding)
            | Self::Settings(finding) => *finding,
        }
    }
}

/// A row of the catalogue.
pub struct Entry {
    /// As in `kind = "est"` and `--ca est`.
    pub kind: &'static str,
    /// One line for `--help` and `certbake authorities`.
    pub summary: &'static str,
    /// Reads the settings of `[ca.<name>]`; nothing is connected yet.
    pub open: fn(&Settings<'_>) -> Result<Opened, SettingsError>,
    /// JSON Schema of the settings, for editors.
    pub schema: fn() -> schemars::Schema,
}

/// The settings of one `[ca.<name>]` table.
pub struct Settings<'a> {
    /// `<name>`.
    pub name: &'a str,
    /// The table without `kind`.
    pub table: toml::Table,
    /// Roots that are pinned for this authority (`anchors = …`), DER.
    pub anchors: &'a [Vec<u8>],
    /// Relative paths in the settings start here.
    pub directory: &'a std::path::Path,
    /// When the run read the clock.
    pub now: OffsetDateTime,
    /// The environment by name, for proxies and the like.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl Settings<'_> {
    /// The table as the authority's own settings, which should deny unknown fields.
    ///
    /// # Errors
    /// Which key does not fit, and what is allowed.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, SettingsError> {
        self.table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| {
                let text = error.to_string();
                // The path is only in the printed form: `in \`client.key\`` on a line of its own.
                let key = text
                    .rsplit_once("in `")
                    .map_or("", |(_, path)| path.trim_end().trim_end_matches('`'));
                SettingsError {
                    key: key.to_owned(),
                    reason: error.message().to_owned(),
                }
            })
    }
}

/// Settings that cannot be used: which key, and why. The front adds file and line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct SettingsError {
    /// The key inside the `[ca.<name>]` table; empty when it is the table as a whole.
    pub key: String,
    pub reason: String,
}

/// Every authority; adding one is a row here and a file beside.
pub const CATALOGUE: &[Entry] = &[embedded::ENTRY, est::ENTRY];
