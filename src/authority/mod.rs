//! Authorities: who signs. Each is one file or folder and one row in [`CATALOGUE`].

mod acme;
pub mod answer;
#[cfg(feature = "aws")]
mod aws_pca;
mod cfssl;
mod clock;
mod connection;
mod delivered;
mod ejbca;
pub mod embedded;
mod est;
mod exec;
pub mod foresight;
mod gcp_cas;
mod given;
mod http;
mod jws;
mod kubernetes;
mod random;
mod received;
mod revocation;
mod shared;
mod step_ca;
mod vault;
mod waits;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use crate::finding::Finding;
use crate::net::OnWait;
use crate::outcome::{AuthorityPlace, Outcome};
use crate::pki::{PrivateKey, SigningRequest};
use crate::secret_source::SecretSource;
use crate::span::Span;

pub use revocation::{Reason, Revocation, Revoke};

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

    /// Whether one thread can wait for many orders.
    fn concurrent(&self) -> Option<&dyn Concurrent> {
        None
    }
}

/// A further ability: orders that hold no thread while they wait.
pub trait Concurrent: Send + Sync {
    /// What comes before the first of them and serves all: trust, a login. Blocks.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    fn open(&self, deadline: Instant) -> Result<Arc<dyn Conversation>, AuthorityError>;
}

/// In which any number of orders can be on their way at once.
pub trait Conversation: Send + Sync {
    /// As [`Authority::issue`].
    fn ask<'a>(&'a self, order: &'a Order) -> Asking<'a>;
}

/// An order on its way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Issued, AuthorityError>> + 'a>>;

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
    /// What speaks against the order, or is worth knowing before it.
    ///
    /// # Errors
    /// As [`Authority::issue`], as far as it can be known without an order.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError>;

    /// Whether anything is known at [`Depth::Order`]; if not, it is not asked for.
    fn looks_before_orders(&self) -> bool {
        true
    }
}

/// How much a preflight looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// An order follows at once: only what would cost a certificate to find out, such as limits
    /// that shorten what is asked for.
    Order,
    /// Everything that can be known: reach, trust, clock, login and its lifetime, limits.
    Whole,
}

/// A further ability: what the orders of a run opened at the authority is ended there.
pub trait Finish: Send + Sync {
    /// Ends what is open, such as the token of a login; called again, there is nothing left to end.
    /// Takes seconds at most, and what could not be ended is told and fails nothing.
    fn finish(&self) -> Vec<Finding>;
}

/// An authority ready to be asked, with the further abilities that it has.
#[derive(Clone)]
pub struct Opened {
    pub authority: Arc<dyn Authority>,
    pub renew: Option<Arc<dyn Renew>>,
    pub preflight: Option<Arc<dyn Preflight>>,
    pub revoke: Option<Arc<dyn Revoke>>,
    /// To be called once no more is asked, by every command that opened it.
    pub finish: Option<Arc<dyn Finish>>,
    /// Where its secrets come from, for a CI runner that is to hide them.
    pub secrets: Vec<SecretSource>,
    /// The directory of the keys with which it signs, where they are on this machine.
    pub keys_in: Option<PathBuf>,
}

/// Why no certificate came. The finding carries the words, the facts and the hint.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It said no; asking again will not help.
    #[error("the CA refused: {}", .0.summary)]
    Refused(Box<Finding>),
    /// It could not be reached, or was busy to the end; asking again may help.
    #[error("the CA could not be reached: {}", .0.summary)]
    Unreachable(Box<Finding>),
    /// It answered, but not with what is needed.
    #[error("the CA's answer is unusable: {}", .0.summary)]
    Unusable(Box<Finding>),
    /// Its settings or credentials cannot be used.
    #[error("the CA's settings cannot be used: {}", .0.summary)]
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
    /// What it can do beside issuing; [`Opened`] holds the same.
    pub abilities: &'static [Ability],
    /// Reads the settings of `[ca.<name>]`; nothing is connected yet.
    pub open: fn(&Settings<'_>) -> Result<Opened, SettingsError>,
    /// JSON Schema of the settings, for editors.
    pub schema: fn() -> schemars::Schema,
}

/// A further ability, as `certbake authorities` lists it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ability {
    Renew,
    Preflight,
    Revoke,
}

impl Ability {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Preflight => "preflight",
            Self::Revoke => "revoke",
        }
    }
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
    /// Told of every wait for the authority.
    pub on_wait: Option<OnWait>,
}

impl Settings<'_> {
    /// The table as the authority's own settings, which should deny unknown fields.
    ///
    /// # Errors
    /// Which key does not fit, and what is allowed.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, SettingsError> {
        read_table(self.table.clone())
    }

    /// The keys that are about the connection.
    fn connection(&self) -> Result<connection::Words, SettingsError> {
        read_table(self.filtered(is_about_connection))
    }

    /// All others, as the authority's own settings, which should deny unknown fields.
    fn own<T: serde::de::DeserializeOwned>(&self) -> Result<T, SettingsError> {
        let own = |key: &str| !is_about_connection(key);
        read_table(self.filtered(own)).map_err(|error| {
            if error.key.is_empty() && error.reason.starts_with("unknown field") {
                let keys = connection::KEYS.join("`, `");
                let reason = format!("{}, `{keys}`", error.reason);
                return SettingsError { reason, ..error };
            }
            error
        })
    }

    fn filtered(&self, takes: impl Fn(&str) -> bool) -> toml::Table {
        self.table
            .iter()
            .filter(|(key, _)| takes(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

fn read_table<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table.try_into().map_err(|error: toml::de::Error| {
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

/// Whether a key of `[ca.<name>]` is about the connection, and the same for every kind that has one.
pub fn is_about_connection(key: &str) -> bool {
    connection::KEYS.contains(&key)
}

/// The schema of an authority's own settings with those of the connection.
fn with_connection(own: schemars::Schema) -> schemars::Schema {
    let mut own = own;
    let mut connection = schemars::schema_for!(connection::Words).to_value();
    for part in ["properties", "$defs"] {
        let Some(serde_json::Value::Object(more)) = connection.get_mut(part).map(std::mem::take)
        else {
            continue;
        };
        match own.get_mut(part).and_then(serde_json::Value::as_object_mut) {
            Some(known) => known.extend(more),
            None => {
                own.insert(part.to_owned(), serde_json::Value::Object(more));
            }
        }
    }
    own
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
#[rustfmt::skip]
pub const CATALOGUE: &[Entry] = &[
    acme::ENTRY,
    #[cfg(feature = "aws")]
    aws_pca::ENTRY,
    cfssl::ENTRY,
    ejbca::ENTRY,
    embedded::ENTRY,
    est::ENTRY,
    exec::ENTRY,
    gcp_cas::ENTRY,
    http::ENTRY,
    kubernetes::ENTRY,
    step_ca::ENTRY,
    vault::ENTRY,
];
