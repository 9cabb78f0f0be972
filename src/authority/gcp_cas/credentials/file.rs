//! A JSON file of credentials: of a service account, of a person, of a workload identity.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{SOURCES, unusable};
use crate::authority::AuthorityError;
use crate::authority::connection::read_secret;
use crate::os_error;
use crate::secret::Secret;
use crate::secret_source::{LONGEST, SecretSource};

/// What the file holds, by its `type`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credentials {
    ServiceAccount(ServiceAccount),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(Box<ExternalAccount>),
    ImpersonatedServiceAccount(Impersonated),
}

#[derive(Deserialize)]
pub struct ServiceAccount {
    pub client_email: String,
    pub private_key_id: Option<String>,
    /// PEM, PKCS#8.
    pub private_key: String,
    #[serde(default = "token_uri")]
    pub token_uri: String,
    pub quota_project_id: Option<String>,
}

#[derive(Deserialize)]
pub struct AuthorizedUser {
    pub client_id: String,
    pub client_secret: String,
    pub refresh_token: String,
    #[serde(default = "token_uri")]
    pub token_uri: String,
    pub quota_project_id: Option<String>,
}

#[derive(Deserialize)]
pub struct ExternalAccount {
    pub audience: String,
    pub subject_token_type: String,
    pub token_url: String,
    pub credential_source: CredentialSource,
    pub service_account_impersonation_url: Option<String>,
    pub quota_project_id: Option<String>,
}

/// Where the token of the other side comes from.
#[derive(Deserialize)]
pub struct CredentialSource {
    pub file: Option<PathBuf>,
    pub url: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub format: Format,
    /// A program: not run.
    executable: Option<serde::de::IgnoredAny>,
    /// AWS's signed requests: not spoken.
    environment_id: Option<String>,
}

#[derive(Deserialize)]
pub struct Format {
    #[serde(rename = "type", default = "text")]
    pub kind: String,
    pub subject_token_field_name: Option<String>,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            kind: text(),
            subject_token_field_name: None,
        }
    }
}

#[derive(Deserialize)]
pub struct Impersonated {
    pub service_account_impersonation_url: String,
    /// Service accounts in between, each of which may stand in for the next.
    #[serde(default)]
    pub delegates: Vec<String>,
    pub source_credentials: Box<Credentials>,
    pub quota_project_id: Option<String>,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn text() -> String {
    "text".to_owned()
}

/// # Errors
/// [`AuthorityError::Settings`]: not there, not of a kind that can be used, or with a key in it
/// that others may read. None of the content is repeated.
pub fn read(path: &Path) -> Result<Credentials, AuthorityError> {
    let shown = path.display();
    let fault = |reason: &str| {
        unusable(
            &format!("the credentials in {shown} cannot be used: {reason}"),
            SOURCES,
        )
    };
    // It may hold a key: wiped as a secret, whatever it turns out to be.
    let content = contents(path).map_err(|error| fault(&os_error::in_words(&error)))?;
    let content = Secret::new(content);
    let kind = kind(content.expose()).ok_or_else(|| fault("it is not JSON with a type"))?;
    if !KINDS.contains(&kind.as_str()) {
        let kind = crate::line::sanitized(kind.as_bytes(), 40).unwrap_or_default();
        return Err(fault(&format!(
            "its type is \"{kind}\", but it must be {}",
            KINDS.join(", ")
        )));
    }
    // Those of a workload identity are addresses; all others hold a key or a token.
    let secret = kind != "external_account";
    let content = if secret {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        read_secret(&SecretSource::File(absolute))?
    } else {
        content
    };
    let credentials: Credentials = serde_json::from_slice(content.expose())
        .map_err(|_| fault(&format!("members of \"{kind}\" are missing or not strings")))?;
    match credentials.not_spoken() {
        Some(reason) => Err(fault(reason)),
        None => Ok(credentials),
    }
}

impl Credentials {
    /// Why no token can be had for them, if so.
    fn not_spoken(&self) -> Option<&'static str> {
        let source = match self {
            Self::ExternalAccount(account) => &account.credential_source,
            Self::ImpersonatedServiceAccount(impersonated) => {
                return impersonated.source_credentials.not_spoken();
            }
            Self::ServiceAccount(_) | Self::AuthorizedUser(_) => return None,
        };
        if source.executable.is_some() {
            Some("its token comes from a program, which certbake does not run")
        } else if source.environment_id.is_some() {
            Some("it is for AWS's signed requests, which certbake does not make")
        } else if source.file.is_some() == source.url.is_some() {
            Some("its credential_source must have either a file or a url")
        } else {
            None
        }
    }
}

const KINDS: &[&str] = &[
    "service_account",
    "authorized_user",
    "external_account",
    "impersonated_service_account",
];

fn kind(content: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    let found: Kind = serde_json::from_slice(content).ok()?;
    Some(found.kind)
}

/// A bounded part of a file: neither a device nor a log file is read to its end.
pub fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST)
        .read_to_end(&mut content)?;
    Ok(content)
}
