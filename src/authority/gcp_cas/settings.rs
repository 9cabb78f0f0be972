//! The settings of `kind = "gcp-cas"`, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::credentials::Login;
use crate::authority::connection::{Connection, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

/// Where the service is; `url` is for private endpoints.
const SERVICE: &str = "https://privateca.googleapis.com";

/// `[ca.<name>]` with `kind = "gcp-cas"`, beside the keys of the connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The project of the CA pool.
    pub project: String,
    /// Its region, such as `europe-west1`.
    pub location: String,
    /// The CA pool.
    pub pool: String,
    /// One CA of the pool; without it, the service chooses.
    pub certificate_authority: Option<String>,
    /// A certificate template of the same location: its name, or `projects/…`.
    pub certificate_template: Option<String>,
    /// Labels of the certificate resource.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A JSON file of credentials, instead of the application default credentials.
    pub credentials: Option<PathBuf>,
    /// An OAuth 2.0 access token, instead of any credentials.
    pub access_token: Option<SecretSource>,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    /// `projects/P/locations/L/caPools/POOL`.
    pub pool: String,
    pub certificate_authority: Option<String>,
    /// In full.
    pub template: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub login: Login,
    /// What is issued is verified against anchors of the configuration.
    pub pinned: bool,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        for (key, value) in [
            ("project", Some(&words.project)),
            ("location", Some(&words.location)),
            ("pool", Some(&words.pool)),
            (
                "certificate_authority",
                words.certificate_authority.as_ref(),
            ),
        ] {
            if value.is_some_and(|value| !is_identifier(value)) {
                return Err(wrong(key, "give only the name: letters, digits, - and _"));
            }
        }
        let location = format!("projects/{}/locations/{}", words.project, words.location);
        Ok(Self {
            name: settings.name.to_owned(),
            connection: Connection::read_public(settings, SERVICE)?,
            pool: format!("{location}/caPools/{}", words.pool),
            certificate_authority: words.certificate_authority,
            template: words
                .certificate_template
                .map(|name| template(&name, &location))
                .transpose()?,
            labels: words.labels,
            login: login(settings, words.credentials, words.access_token)?,
            pinned: !settings.anchors.is_empty(),
        })
    }

    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.login.secret().cloned());
        secrets
    }
}

fn login(
    settings: &Settings<'_>,
    credentials: Option<PathBuf>,
    token: Option<SecretSource>,
) -> Result<Login, SettingsError> {
    match (token, credentials) {
        (Some(_), Some(_)) => Err(wrong(
            "access_token",
            "credentials are also given: give only one of them",
        )),
        (Some(token), None) => Ok(Login::Token(token.relative_to(settings.directory))),
        (None, Some(path)) => Ok(Login::File(settings.directory.join(path))),
        (None, None) => Ok(Login::found(settings.environment)),
    }
}

/// Projects of a domain hold a colon and dots (`example.com:images`).
fn is_identifier(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    !text.is_empty() && text.chars().all(fits) && !text.starts_with('.')
}

fn template(name: &str, location: &str) -> Result<String, SettingsError> {
    let full = if name.contains('/') {
        name.to_owned()
    } else {
        format!("{location}/certificateTemplates/{name}")
    };
    let parts: Vec<&str> = full.split('/').collect();
    match parts[..] {
        [
            "projects",
            project,
            "locations",
            place,
            "certificateTemplates",
            template,
        ] if [project, place, template].into_iter().all(is_identifier) => Ok(full),
        _ => Err(wrong(
            "certificate_template",
            "give a name, or projects/P/locations/L/certificateTemplates/NAME",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_name_or_a_full_one() {
        let here = "projects/p/locations/l";
        let full = "projects/p/locations/l/certificateTemplates/mtls";
        assert_eq!(template("mtls", here).unwrap(), full);
        assert_eq!(template(full, "elsewhere").unwrap(), full);
        for name in ["a/b", "projects/p/locations/l/caPools/x", "a?b", ""] {
            assert!(template(name, here).is_err(), "{name}");
        }
    }
}
