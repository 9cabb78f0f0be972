//! The connection that every authority over HTTP has: where it is, whom TLS must lead to, who we
//! are, how long we wait, through which proxy. Words of `[ca.<name>]` in, an open client out.

pub mod credential;
mod trust;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::{ParseError, Url};

use super::waits::Teller;
use super::{AuthorityError, Settings, SettingsError, answer};
use crate::net::{
    Client, ClientCertificate, ClientSettings, Endpoint, OnWait, Proxy, ProxyServer, Trust,
    admissible,
};
use crate::secret::Secret;
use crate::secret_source::SecretSource;
use crate::span::Span;

pub use credential::client_certificate;
pub use trust::{Bootstrap, Pinning};
pub use words::{KEYS, ServerTrust, Words};

/// The words, checked; nothing is read or connected yet.
pub struct Connection {
    /// Without user, password, query and fragment; its path does not end in a slash.
    pub url: Url,
    pub trust: Pinning,
    /// Certificate file, key file.
    pub certificate: Option<(PathBuf, PathBuf)>,
    timeout: Duration,
    connect_timeout: Duration,
    proxy: ProxyChoice,
    plain_http: bool,
    on_wait: Option<OnWait>,
}

/// The proxy, its password still unread.
struct ProxyChoice {
    proxy: Proxy,
    credentials: Option<(String, SecretSource)>,
}

/// A client, and the root that was found by its fingerprint (DER), where trust is such.
pub struct Reached {
    pub client: Client,
    pub root: Option<Vec<u8>>,
}

impl Connection {
    /// Reads the connection's keys. `default_url` stands in where the protocol has a usual place.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn read(settings: &Settings<'_>, default_url: Option<&str>) -> Result<Self, SettingsError> {
        let words: Words = settings.connection()?;
        let beside = |path: &PathBuf| settings.directory.join(path);
        let certificate = match (&words.client_certificate, &words.client_key) {
            (None, None) => None,
            (Some(certificate), key) => Some((
                beside(certificate),
                beside(key.as_ref().unwrap_or(certificate)),
            )),
            (None, Some(_)) => {
                return Err(wrong(
                    "client_key",
                    "it needs client_certificate, which is not given",
                ));
            }
        };
        let url = words
            .url
            .as_deref()
            .or(default_url)
            .ok_or_else(|| wrong("url", "no URL is given: write https://host:port"))?;
        let url = base(url, words.danger_plain_http)?;
        Ok(Self {
            trust: trust::pinning(words.trust.clone(), settings, &url)?,
            url,
            certificate,
            timeout: time_limit("timeout", words.timeout, Duration::from_secs(30))?,
            connect_timeout: time_limit(
                "connect_timeout",
                words.connect_timeout,
                Duration::from_secs(10),
            )?,
            proxy: proxy(&words, settings)?,
            plain_http: words.danger_plain_http,
            on_wait: settings.on_wait.clone(),
        })
    }

    /// As [`Connection::read`], for a service that everybody reaches by the system's trust store:
    /// `anchors` are then those of what it issues, and count for TLS where a `url` is given alone.
    ///
    /// # Errors
    /// As [`Connection::read`].
    pub fn read_public(settings: &Settings<'_>, url: &str) -> Result<Self, SettingsError> {
        let mut connection = settings.table.clone();
        let asked = |key: &str| settings.table.contains_key(key);
        if !asked("trust") && (!asked("url") || settings.anchors.is_empty()) {
            connection.insert("trust".to_owned(), "system".into());
        }
        let settings = Settings {
            table: connection,
            on_wait: settings.on_wait.clone(),
            ..*settings
        };
        Self::read(&settings, Some(url))
    }

    /// The proxy that was chosen, its password read.
    ///
    /// # Errors
    /// [`AuthorityError::Settings`] when the password cannot be read.
    pub fn proxy(&self) -> Result<Proxy, AuthorityError> {
        match (&self.proxy.proxy, &self.proxy.credentials) {
            (Proxy::Through(server), Some((name, source))) => {
                let mut server = server.clone();
                server.credentials = Some((name.clone(), read_secret(source)?));
                Ok(Proxy::Through(server))
            }
            (proxy, _) => Ok(proxy.clone()),
        }
    }

    /// Where the connection's passwords come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let credentials = self.proxy.credentials.iter();
        credentials.map(|(_, source)| source.clone()).collect()
    }

    /// The place of an operation: `path` is appended to that of the URL; it starts with a slash.
    pub fn at(&self, path: &str) -> Url {
        under(&self.url, path)
    }

    /// For waits between two questions to it.
    pub fn teller(&self) -> Teller {
        Teller::new(Endpoint::of(&self.url).to_string(), self.on_wait.clone())
    }

    /// Reads the credentials, establishes trust and makes the client. `current` stands in for the
    /// client certificate of the settings; `bootstrap` serves trust by fingerprint.
    ///
    /// # Errors
    /// [`AuthorityError::Settings`] for files and passwords that cannot be used, and whatever
    /// fetching a pinned root ends in.
    pub fn open(
        &self,
        current: Option<ClientCertificate>,
        bootstrap: Option<Bootstrap<'_>>,
    ) -> Result<Reached, AuthorityError> {
        let certificate = match (current, &self.certificate) {
            (Some(current), _) => Some(current),
            (None, Some((certificate, key))) => Some(client_certificate(certificate, key)?),
            (None, None) => None,
        };
        let mut settings = ClientSettings::new(Trust::System);
        settings.connect_timeout = self.connect_timeout;
        settings.request_timeout = self.timeout;
        settings.proxy = self.proxy()?;
        settings.danger_plain_http = self.plain_http;
        settings.on_wait.clone_from(&self.on_wait);
        let mut root = None;
        settings.trust = match &self.trust {
            Pinning::System => Trust::System,
            Pinning::Nobody => Trust::Nobody,
            Pinning::Anchors(anchors) => Trust::Anchors(anchors.clone()),
            Pinning::Fingerprint(pin) => {
                let found = trust::pinned_root(&settings, pin, bootstrap)?;
                Trust::Anchors(vec![root.insert(found).clone()])
            }
        };
        settings.client_certificate = certificate;
        let client = Client::open(settings).map_err(|error| answer::unopened(&error))?;
        Ok(Reached { client, root })
    }
}

/// `path`, which starts with a slash, appended to the path of `url`.
pub fn under(url: &Url, path: &str) -> Url {
    let mut joined = url.clone();
    joined.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    joined
}

/// # Errors
/// [`AuthorityError::Settings`] with the place of the secret, never any of it.
pub fn read_secret(source: &SecretSource) -> Result<Secret, AuthorityError> {
    source.read().map_err(|error| answer::no_secret(&error))
}

/// A user name and where its password comes from: both or neither.
///
/// # Errors
/// Which of the two is missing, or a name that HTTP Basic cannot carry.
pub fn login(
    settings: &Settings<'_>,
    name: Option<String>,
    secret: Option<SecretSource>,
    keys: [&str; 2],
) -> Result<Option<(String, SecretSource)>, SettingsError> {
    // RFC 7617 section 2: the first colon ends the user name.
    if name.as_ref().is_some_and(|name| name.contains(':')) {
        return Err(wrong(keys[0], "a user name cannot contain a colon"));
    }
    key_pair(settings, name, secret, keys)
}

/// A key's identifier, whatever it looks like, and where the key comes from: both or neither.
///
/// # Errors
/// Which of the two is missing.
pub fn key_pair(
    settings: &Settings<'_>,
    name: Option<String>,
    secret: Option<SecretSource>,
    keys: [&str; 2],
) -> Result<Option<(String, SecretSource)>, SettingsError> {
    match (name, secret) {
        (None, None) => Ok(None),
        (Some(name), Some(secret)) => Ok(Some((name, secret.relative_to(settings.directory)))),
        (Some(_), None) => Err(wrong(
            keys[1],
            format!("{} needs it, and it is not given", keys[0]),
        )),
        (None, Some(_)) => Err(wrong(
            keys[0],
            format!("{} needs it, and it is not given", keys[1]),
        )),
    }
}

pub fn wrong(key: &str, reason: impl fmt::Display) -> SettingsError {
    SettingsError {
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}

/// A limit of nothing would be told as the fault of whoever did not answer within it.
///
/// # Errors
/// When it is zero.
pub fn time_limit(
    key: &str,
    given: Option<Span>,
    default: Duration,
) -> Result<Duration, SettingsError> {
    match given.map_or(default, Span::std) {
        Duration::ZERO => Err(wrong(
            key,
            "the duration is zero: give one such as \"30s\", or leave it out",
        )),
        limit => Ok(limit),
    }
}

const NO_SCHEME: &str = "it does not start with https://: write https://host:port";

fn base(text: &str, plain_http: bool) -> Result<Url, SettingsError> {
    // The text itself is never shown: it may hold a password.
    let mut url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => wrong("url", NO_SCHEME),
        ParseError::EmptyHost | ParseError::InvalidPort if text.matches(':').count() > 2 => wrong(
            "url",
            format!("{error}: write an IPv6 address in brackets, https://[2001:db8::7]:8443"),
        ),
        error => wrong("url", format!("{error}: write https://host:port")),
    })?;
    // `ca.lab:8443` is read as the scheme `ca.lab`.
    if url.cannot_be_a_base() {
        return Err(wrong("url", NO_SCHEME));
    }
    admissible(&url, plain_http).map_err(|fault| wrong("url", fault))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("url", "it must end with the path, without ? or #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn proxy(words: &Words, settings: &Settings<'_>) -> Result<ProxyChoice, SettingsError> {
    let proxy = match words.proxy.as_deref() {
        Some("none") => Proxy::Direct,
        Some(url) => {
            let server = ProxyServer::parse(url, String::new())
                .ok_or_else(|| wrong("proxy", "it must be http://host:port or none"))?;
            if server.credentials.is_some() {
                return Err(wrong(
                    "proxy",
                    "move the credentials to proxy_username and proxy_password",
                ));
            }
            Proxy::Through(server)
        }
        None => {
            Proxy::from_environment(settings.environment).map_err(|error| wrong("proxy", error))?
        }
    };
    let credentials = login(
        settings,
        words.proxy_username.clone(),
        words.proxy_password.clone(),
        ["proxy_username", "proxy_password"],
    )?;
    Ok(ProxyChoice { proxy, credentials })
}

#[cfg(test)]
mod tests;
