//! The settings of `kind = "cfssl"`, checked: which CA and profile, and the key that opens it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::connection::Connection;
use crate::authority::{Settings, SettingsError};
use crate::net::admissible;
use crate::secret_source::SecretSource;

/// `[ca.<name>]` with `kind = "cfssl"`, beside the keys of the connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The HMAC key of the profile (`auth_keys` on the server), hexadecimal. Without it, certbake uses
    /// `sign`, which signs for everybody who can reach it.
    pub key: Option<SecretSource>,
    /// The signing profile; without it, the server's default one.
    pub profile: Option<String>,
    /// Which CA of a multirootca; without it, its default one.
    pub label: Option<String>,
    /// Also ask for the issuers above the certificate; the server needs a bundle of them
    /// [default: false].
    #[serde(default)]
    pub bundle: bool,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub key: Option<SecretSource>,
    pub profile: String,
    pub label: String,
    pub bundle: bool,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        Ok(Self {
            name: settings.name.to_owned(),
            connection: Connection::read(settings, None)?,
            key: words
                .key
                .map(|source| source.relative_to(settings.directory)),
            profile: words.profile.unwrap_or_default(),
            label: words.label.unwrap_or_default(),
            bundle: words.bundle,
        })
    }

    /// Where the secrets come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.key.clone());
        secrets
    }

    /// How we present ourselves, in words.
    pub fn login(&self) -> String {
        let key = self.key.as_ref().map(|_| "an HMAC key");
        let certificate = self
            .connection
            .certificate
            .as_ref()
            .map(|_| "a client certificate");
        match (key, certificate) {
            (Some(key), Some(certificate)) => format!("{key} and {certificate}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => "no login".to_owned(),
        }
    }

    /// Whoever listens on the way can send what he heard once more: nothing in it expires.
    pub fn can_be_overheard(&self) -> bool {
        admissible(&self.connection.url, false).is_err()
    }

    /// The profile and the CA, for people.
    pub fn profile_in_words(&self) -> String {
        let profile = if self.profile.is_empty() {
            "the default profile".to_owned()
        } else {
            format!("the profile \"{}\"", self.profile)
        };
        if self.label.is_empty() {
            profile
        } else {
            format!("{profile} of \"{}\"", self.label)
        }
    }
}
