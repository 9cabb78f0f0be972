//! Who may log in, with which password, and for what.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::names::AllowedNames;
use crate::pki::digest::sha256;
use crate::secret::Secret;
use crate::secret_source::{SecretSource, SecretSourceError};
use crate::span::Span;
use crate::toml_fault::TomlFault;

/// One user.
#[derive(Debug)]
pub struct User {
    pub name: String,
    /// Without one, the user logs in by a client certificate with this common name.
    pub password: Option<Secret>,
    /// Without them, any name may be asked for.
    pub allowed_names: Option<AllowedNames>,
    /// A shorter lifetime than the server grants.
    pub max_ttl: Option<Span>,
}

/// Everybody who may log in.
#[derive(Debug, Default)]
pub struct Users {
    users: Vec<User>,
    /// A file of users names all of them: a certificate of the client anchors whose common name is
    /// not in it is refused.
    complete: bool,
}

/// The file: `[user.<name>]` tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: BTreeMap<String, Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    password: Option<SecretSource>,
    allowed_names: Option<AllowedNames>,
    #[serde(default, deserialize_with = "some_time")]
    max_ttl: Option<Span>,
}

/// Certificates that last for nothing are no wish of anybody's.
fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    match Span::deserialize(deserializer)? {
        span if span.as_seconds() == 0 => Err(D::Error::custom(
            "the duration is zero: give one such as \"7d\", or leave it out",
        )),
        span => Ok(Some(span)),
    }
}

impl Users {
    /// One user who may ask for any name.
    pub fn single(name: &str, password: Secret) -> Self {
        Self {
            users: vec![User {
                name: name.to_owned(),
                password: Some(password),
                allowed_names: None,
                max_ttl: None,
            }],
            complete: false,
        }
    }

    /// Reads `[user.<name>]` tables and the passwords they point to; relative `file:` paths start
    /// in `directory`.
    ///
    /// # Errors
    /// What in the text, or which password, cannot be used.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, UsersError> {
        let file: File =
            toml::from_str(text).map_err(|error| UsersError::Text(TomlFault::new(text, &error)))?;
        let mut users = Vec::new();
        for (name, words) in file.user {
            // RFC 7617 section 2: the first colon ends the user's name.
            if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
                return Err(UsersError::Name { name });
            }
            let password = words
                .password
                .map(|source| source.relative_to(directory).read())
                .transpose()
                .map_err(|source| UsersError::Password {
                    name: name.clone(),
                    source,
                })?;
            users.push(User {
                name,
                password,
                allowed_names: words.allowed_names,
                max_ttl: words.max_ttl,
            });
        }
        Ok(Self {
            users,
            complete: true,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether any of them could log in: by a password, or where the server takes certificates.
    pub fn can_log_in(&self, by_certificate: bool) -> bool {
        let can = |user: &User| by_certificate || user.password.is_some();
        self.users.iter().any(can) || by_certificate && !self.complete
    }

    /// Whom an `Authorization` header names, when its password is right (RFC 7617). Takes the same
    /// time for a wrong password as for a user who is not there.
    pub(super) fn by_basic(&self, header: &[u8]) -> Option<&User> {
        let credentials = basic(header)?;
        let colon = credentials.iter().position(|byte| *byte == b':')?;
        let (name, password) = (&credentials[..colon], &credentials[colon + 1..]);
        let user = self.users.iter().find(|user| user.name.as_bytes() == name);
        let right = user.and_then(|user| user.password.as_ref());
        let expected = Zeroizing::new(sha256(right.map_or(&[][..], Secret::expose)));
        let given = Zeroizing::new(sha256(password));
        let equal = verify_slices_are_equal(expected.as_slice(), given.as_slice()).is_ok();
        user.filter(|_| equal && right.is_some())
    }

    /// The terms for a certificate of the client anchors: its user's, or none where users were not
    /// listed.
    pub(super) fn by_common_name(&self, common_name: Option<&str>) -> ByCertificate<'_> {
        let user = self
            .users
            .iter()
            .find(|user| Some(user.name.as_str()) == common_name);
        match user {
            Some(user) => ByCertificate::User(user),
            None if self.complete => ByCertificate::Nobody,
            None => ByCertificate::Anybody,
        }
    }
}

pub(super) enum ByCertificate<'a> {
    User(&'a User),
    Anybody,
    Nobody,
}

fn basic(header: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    BASE64.decode(rest.trim_ascii()).ok().map(Zeroizing::new)
}

/// Why the users cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("{0}")]
    Text(TomlFault),
    #[error(
        "{name:?} cannot be a user's name: it is empty, or contains a colon or control character"
    )]
    Name { name: String },
    #[error("user {name}: {source}")]
    Password {
        name: String,
        source: SecretSourceError,
    },
}
