//! The settings of `kind = "ejbca"`, checked.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::authority::connection::{Connection, under, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

/// `[ca.<name>]` with `kind = "ejbca"`, beside the keys of the connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The name of the CA in EJBCA.
    pub certificate_authority: String,
    /// The name of the certificate profile in EJBCA.
    pub certificate_profile: String,
    /// The name of the end entity profile in EJBCA.
    pub end_entity_profile: String,
    /// The end entity that gets the certificate; without it, the request's common name.
    pub username: Option<String>,
    /// The end entity's enrolment code; without it, a new random one for each order.
    pub password: Option<SecretSource>,
    /// An OAuth 2.0 access token, if the login is not the client certificate.
    pub token: Option<SecretSource>,
    /// Whether to send `ttl` as `end_time`; the certificate profile must allow it
    /// [default: true].
    #[serde(default = "yes")]
    pub send_end_time: bool,
}

const fn yes() -> bool {
    true
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    /// Up to and with `/ejbca/ejbca-rest-api`, without a slash at its end.
    pub base: Url,
    pub words: Words,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let mut words: Words = settings.own()?;
        let connection = Connection::read(settings, None)?;
        for (key, value) in [
            ("certificate_authority", &words.certificate_authority),
            ("certificate_profile", &words.certificate_profile),
            ("end_entity_profile", &words.end_entity_profile),
        ] {
            if value.trim().is_empty() {
                return Err(wrong(key, "it is empty: give the name that EJBCA shows"));
            }
        }
        if words.token.is_none() && connection.certificate.is_none() {
            return Err(wrong(
                "client_certificate",
                "EJBCA's API requires a login: give client_certificate and \
                 client_key, or token",
            ));
        }
        let beside = |source: Option<SecretSource>| {
            source.map(|source| source.relative_to(settings.directory))
        };
        words.password = beside(words.password);
        words.token = beside(words.token);
        Ok(Self {
            name: settings.name.to_owned(),
            base: base(&connection.url),
            connection,
            words,
        })
    }

    pub fn secrets(&self) -> Vec<SecretSource> {
        let own = [&self.words.password, &self.words.token];
        let own = own.into_iter().flatten().cloned();
        self.connection.secrets().into_iter().chain(own).collect()
    }
}

fn base(url: &Url) -> Url {
    if url.path().contains("/ejbca-rest-api") {
        return url.clone();
    }
    if url.path().ends_with("/ejbca") {
        return under(url, "/ejbca-rest-api");
    }
    under(url, "/ejbca/ejbca-rest-api")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_api_is_added_once() {
        for (url, expected) in [
            (
                "https://ca.lab:8443",
                "https://ca.lab:8443/ejbca/ejbca-rest-api",
            ),
            (
                "https://ca.lab/ejbca",
                "https://ca.lab/ejbca/ejbca-rest-api",
            ),
            (
                "https://ca.lab/pki/ejbca/ejbca-rest-api",
                "https://ca.lab/pki/ejbca/ejbca-rest-api",
            ),
        ] {
            assert_eq!(base(&Url::parse(url).unwrap()).as_str(), expected);
        }
    }
}
