//! The settings of `kind = "vault"`, checked: a place that can be asked, a login that is whole.

use schemars::JsonSchema;
use serde::Deserialize;

use super::login::Method;
use crate::authority::clock::Clock;
use crate::authority::connection::{Connection, Pinning, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

const MOUNT: &str = "pki";

/// `[ca.<name>]` with `kind = "vault"`, beside the keys of the connection. Without `url`, the
/// environment's `VAULT_ADDR` and `VAULT_NAMESPACE` say where it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Where the PKI secrets engine is mounted [default: pki].
    pub mount: Option<String>,
    /// The role that signs.
    pub role: String,
    /// The issuer by name or id, if it is not the role's own.
    pub issuer: Option<String>,
    /// The namespace of login and mount: `team/build`.
    pub namespace: Option<String>,
    /// How to log in.
    pub auth: Option<Method>,
    /// With `password` and without `auth`: a userpass login.
    pub username: Option<String>,
    /// Without `auth` and `username`: a token.
    pub password: Option<SecretSource>,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub namespace: Option<String>,
    pub mount: String,
    pub role: String,
    pub issuer: Option<String>,
    pub method: Method,
    pub clock: Clock,
    /// The configuration says which roots are trusted, so none have to be asked for.
    pub pins_anchors: bool,
    secrets: Vec<SecretSource>,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        let (address, of_address) = surroundings(settings);
        let mut connection = Connection::read(settings, address.as_deref())?;
        if matches!(connection.trust, Pinning::Fingerprint(_)) {
            return Err(wrong(
                "trust",
                "Vault does not send the root of its own TLS certificate, so certbake cannot compare a fingerprint: give anchors (the root as PEM)",
            ));
        }
        // Its API's own version stands in every path; people copy it along with the address.
        if let Some(path) = connection.url.path().strip_suffix("/v1") {
            let path = path.to_owned();
            connection.url.set_path(&path);
        }
        let shown = connection.certificate.is_some();
        let mut method = method(words.auth, words.username, words.password, shown)?;
        method.login_mut().complete(settings, shown)?;
        let namespace = words.namespace.or(of_address);
        Ok(Self {
            name: settings.name.to_owned(),
            namespace: namespace
                .map(|namespace| path("namespace", &namespace))
                .transpose()?,
            mount: path("mount", words.mount.as_deref().unwrap_or(MOUNT))?,
            role: segment("role", words.role)?,
            issuer: words
                .issuer
                .map(|issuer| segment("issuer", issuer))
                .transpose()?,
            clock: Clock::of_run(settings),
            pins_anchors: !settings.anchors.is_empty(),
            secrets: method.login().sources().into_iter().cloned().collect(),
            connection,
            method,
        })
    }

    /// Where the passwords come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.secrets.iter().cloned());
        secrets
    }

    /// Below `/v1`: where requests are signed.
    pub fn sign_path(&self) -> String {
        let Self { mount, role, .. } = self;
        match &self.issuer {
            None => format!("{mount}/sign/{role}"),
            Some(issuer) => format!("{mount}/issuer/{issuer}/sign/{role}"),
        }
    }
}

/// Address and namespace of the environment, as Vault's own programs read them. They belong
/// together: the namespace counts for that address alone.
fn surroundings(settings: &Settings<'_>) -> (Option<String>, Option<String>) {
    if settings.table.contains_key("url") {
        return (None, None);
    }
    let set = |name| (settings.environment)(name).filter(|value| !value.is_empty());
    (set("VAULT_ADDR"), set("VAULT_NAMESPACE"))
}

/// The login that is spelt out, or the one that the short keys stand for.
fn method(
    auth: Option<Method>,
    username: Option<String>,
    password: Option<SecretSource>,
    shows_certificate: bool,
) -> Result<Method, SettingsError> {
    match (auth, username, password) {
        (Some(auth), None, None) => Ok(auth),
        (Some(_), ..) => Err(wrong(
            "auth",
            "two logins are given, this and username or password: keep one",
        )),
        (None, Some(username), Some(password)) => Ok(Method::userpass(username, password)),
        (None, Some(_), None) => Err(wrong("password", "username needs it, and it is not given")),
        (None, None, Some(token)) => Ok(Method::token(token)),
        (None, None, None) if shows_certificate => Ok(Method::cert()),
        (None, None, None) => Err(wrong(
            "auth",
            "no login is given: write auth = { method = \"token\", token = \"env:VAULT_TOKEN\" }, \
             or another method: approle, jwt, kubernetes, cert, userpass, aws",
        )),
    }
}

/// One or more path segments, without slashes around them.
pub fn path(key: &str, text: &str) -> Result<String, SettingsError> {
    let path = text.trim_matches('/');
    if path.split('/').all(is_segment) {
        Ok(path.to_owned())
    } else {
        Err(wrong(
            key,
            "it must be a path as Vault lists it, without ? # %",
        ))
    }
}

/// One path segment.
pub fn segment(key: &str, text: String) -> Result<String, SettingsError> {
    if is_segment(&text) {
        Ok(text)
    } else {
        Err(wrong(key, "it must be one name, without / ? # %"))
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !matches!(text, "." | "..") && !text.contains(['/', '?', '#', '%', '\\'])
}
