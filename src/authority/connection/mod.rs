//! The connection that every authority over HTTP has: where it is, whom TLS must lead to, who we
//! are, how long we wait, through which proxy. Words of `[ca.<name>]` in, an open client out.

mod credential;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{AuthorityError, Settings, SettingsError, answer};
use crate::finding::{Code, Finding};
use crate::net::{
    Client, ClientCertificate, ClientSettings, OnWait, Proxy, ProxyServer, Trust, admissible,
    danger,
};
use crate::pki::{Certificate, digest, pem};
use crate::secret::Secret;
use crate::secret_source::SecretSource;
use crate::span::Span;

pub use credential::client_certificate;

pub const PIN_MISMATCH: Code = Code::new("ca-pin-mismatch");

/// The keys of `[ca.<name>]` that are about the connection, the same for every kind.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// `https://host:port` of the CA, with the path that its API stands under, if any; needed where
    /// the kind has no usual place.
    pub url: Option<String>,
    /// How the server is verified where no `anchors` are given: `system`; `file:PATH`, the roots of
    /// its TLS certificate as PEM; or `sha256:…`, the fingerprint of the CA's root, which is then
    /// fetched and compared. With `anchors` as well, `system` and `file:` verify TLS, and `anchors`
    /// what is issued.
    pub trust: Option<ServerTrust>,
    /// PEM file: the certificate shown by TLS, with its intermediates.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: its key, readable by nobody else; without it, the certificate's file holds both.
    pub client_key: Option<PathBuf>,
    /// For one attempt, answer included [default: 30s].
    pub timeout: Option<Span>,
    /// For name lookup, TCP and TLS together [default: 10s].
    pub connect_timeout: Option<Span>,
    /// `http://host:port`, or `none`; without it, `HTTPS_PROXY` and `NO_PROXY` count.
    pub proxy: Option<String>,
    /// For a proxy that wants a login.
    pub proxy_username: Option<String>,
    /// Where that login's password comes from.
    pub proxy_password: Option<SecretSource>,
    /// Permits `http://` to hosts other than loopback: everything sent can be read on the way.
    pub danger_plain_http: bool,
}

/// The keys of [`Words`].
pub const KEYS: &[&str] = &[
    "url",
    "trust",
    "client_certificate",
    "client_key",
    "timeout",
    "connect_timeout",
    "proxy",
    "proxy_username",
    "proxy_password",
    "danger_plain_http",
];

/// How the server is verified.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^(system|file:.+|(sha256:)?[0-9A-Fa-f: ]{64,})$"))]
pub enum ServerTrust {
    System,
    /// PEM.
    File(PathBuf),
    /// SHA-256 of the root's DER.
    Fingerprint([u8; 32]),
}

impl FromStr for ServerTrust {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "system" {
            return Ok(Self::System);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self::File(path.into()));
        }
        digest::parse_sha256(text)
            .map(Self::Fingerprint)
            .map_err(|error| format!("{error}; or system, or file:PATH"))
    }
}

impl TryFrom<String> for ServerTrust {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

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

/// Whom TLS must lead to.
#[derive(Debug, Eq, PartialEq)]
pub enum Pinning {
    Anchors(Vec<Vec<u8>>),
    System,
    /// SHA-256 of a root that is fetched first.
    Fingerprint([u8; 32]),
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

/// Fetches the candidates for a pinned root, over a client that verifies nothing and sends nothing.
pub type Bootstrap<'a> = &'a dyn Fn(&Client) -> Result<Vec<Certificate>, AuthorityError>;

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
                return Err(wrong("client_key", "there is no client_certificate for it"));
            }
        };
        let url = words.url.as_deref().or(default_url).ok_or_else(|| {
            wrong(
                "url",
                "where the CA is, is not said: write https://host:port",
            )
        })?;
        let url = base(url, words.danger_plain_http)?;
        Ok(Self {
            trust: pinning(words.trust.clone(), settings, &url)?,
            url,
            certificate,
            timeout: words.timeout.map_or(Duration::from_secs(30), Span::std),
            connect_timeout: words
                .connect_timeout
                .map_or(Duration::from_secs(10), Span::std),
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
            // Plain http:// alone goes without them.
            Pinning::Anchors(anchors) if anchors.is_empty() => Trust::Nobody,
            Pinning::Anchors(anchors) => Trust::Anchors(anchors.clone()),
            Pinning::Fingerprint(pin) => {
                let found = pinned_root(&settings, pin, bootstrap)?;
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
    match (name, secret) {
        (None, None) => Ok(None),
        // RFC 7617 section 2: the first colon ends the user name.
        (Some(name), _) if name.contains(':') => Err(wrong(keys[0], "a user name holds no colon")),
        (Some(name), Some(secret)) => Ok(Some((name, secret.relative_to(settings.directory)))),
        (Some(_), None) => Err(wrong(keys[1], format!("{} is given without it", keys[0]))),
        (None, Some(_)) => Err(wrong(keys[0], format!("{} is given without it", keys[1]))),
    }
}

pub fn wrong(key: &str, reason: impl fmt::Display) -> SettingsError {
    SettingsError {
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}

fn base(text: &str, plain_http: bool) -> Result<Url, SettingsError> {
    let mut url = Url::parse(text)
        .map_err(|error| wrong("url", format!("{error}: write https://host:port")))?;
    admissible(&url, plain_http).map_err(|fault| wrong("url", fault))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("url", "it ends at the path: no ? and no #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn pinning(
    trust: Option<ServerTrust>,
    settings: &Settings<'_>,
    url: &Url,
) -> Result<Pinning, SettingsError> {
    let anchors = settings.anchors;
    match trust {
        Some(ServerTrust::System) => Ok(Pinning::System),
        Some(ServerTrust::File(path)) => {
            roots(&settings.directory.join(path)).map(Pinning::Anchors)
        }
        Some(ServerTrust::Fingerprint(_)) if !anchors.is_empty() => Err(wrong(
            "trust",
            "a fingerprint and anchors are given: one of them decides",
        )),
        Some(ServerTrust::Fingerprint(pin)) => Ok(Pinning::Fingerprint(pin)),
        // Without TLS there is nobody to trust, and nothing to trust them by.
        None if anchors.is_empty() && url.scheme() == "http" => Ok(Pinning::System),
        None if anchors.is_empty() => Err(wrong(
            "trust",
            "whom to trust is not said: give anchors (the CA's root as PEM), or trust = \"system\", \
             \"file:PATH\" or \"sha256:…\" (the fingerprint of its root)",
        )),
        None => Ok(Pinning::Anchors(anchors.to_vec())),
    }
}

fn proxy(words: &Words, settings: &Settings<'_>) -> Result<ProxyChoice, SettingsError> {
    let proxy = match words.proxy.as_deref() {
        Some("none") => Proxy::Direct,
        Some(url) => {
            let server = ProxyServer::parse(url, String::new())
                .ok_or_else(|| wrong("proxy", "it is http://host:port, or none"))?;
            if server.credentials.is_some() {
                return Err(wrong(
                    "proxy",
                    "credentials go to proxy_username and proxy_password",
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

fn roots(path: &Path) -> Result<Vec<Vec<u8>>, SettingsError> {
    let unusable = |reason: String| wrong("trust", format!("reading {}: {reason}", path.display()));
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let roots = pem::certificates(&text).map_err(|error| unusable(error.to_string()))?;
    if roots.is_empty() {
        return Err(unusable("it holds no PEM certificate".to_owned()));
    }
    Ok(roots)
}

/// The candidate that has the pinned SHA-256: the pin is the verification.
fn pinned_root(
    settings: &ClientSettings,
    pin: &[u8; 32],
    bootstrap: Option<Bootstrap<'_>>,
) -> Result<Vec<u8>, AuthorityError> {
    let Some(bootstrap) = bootstrap else {
        return Err(AuthorityError::Settings(Box::new(
            Finding::error(
                PIN_MISMATCH,
                "this kind of CA does not hand out its root, so a fingerprint cannot be compared",
            )
            .hint("give anchors (the root as PEM) instead of trust = \"sha256:…\""),
        )));
    };
    let mut unverified = settings.clone();
    unverified.trust = danger::trust_any_server_for_pinned_data();
    let client = Client::open(unverified).map_err(|error| answer::unopened(&error))?;
    let candidates = bootstrap(&client)?;
    if let Some(root) = candidates
        .iter()
        .find(|certificate| digest::sha256(certificate.der()) == *pin)
    {
        return Ok(root.der().to_vec());
    }
    let came: Vec<String> = candidates.iter().map(Certificate::fingerprint).collect();
    Err(AuthorityError::Unusable(Box::new(
        Finding::error(
            PIN_MISMATCH,
            "none of the server's CA certificates has the pinned fingerprint",
        )
        .fact("pinned", data_encoding::HEXLOWER.encode(pin))
        .fact("came", came)
        .hint(
            "compare the fingerprint with the CA's owner, over another way than this network: \
             either the pin is out of date, or somebody else answers",
        ),
    )))
}

#[cfg(test)]
mod tests;
