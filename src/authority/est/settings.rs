//! The settings of `kind = "est"`, checked: a URL that can be asked, a trust that was chosen, a
//! login that is whole.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::authority::{Settings, SettingsError};
use crate::net::{Proxy, ProxyServer, admissible};
use crate::pki::digest;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// `[ca.<name>]` with `kind = "est"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// `https://host:port`; `/.well-known/est` is added where the path does not hold it.
    pub url: String,
    /// The additional path segment by which some servers tell profiles or CAs apart.
    pub label: Option<String>,
    /// How the server is verified where no `anchors` are given: `system`, or `sha256:…`, the
    /// fingerprint of the CA's root, which is then fetched and compared.
    pub trust: Option<ServerTrust>,
    /// For HTTP Basic.
    pub username: Option<String>,
    pub password: Option<SecretSource>,
    /// PEM file: the certificate shown by TLS, with its intermediates.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: its key, readable by nobody else; without it, the certificate's file holds both.
    pub client_key: Option<PathBuf>,
    /// For one attempt, answer included. Default 30s.
    pub timeout: Option<Span>,
    /// For name lookup, TCP and TLS together. Default 10s.
    pub connect_timeout: Option<Span>,
    /// `http://host:port`, or `none`; without it, `HTTPS_PROXY` and `NO_PROXY` count.
    pub proxy: Option<String>,
    pub proxy_username: Option<String>,
    pub proxy_password: Option<SecretSource>,
}

/// How the server is verified.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^(system|(sha256:)?[0-9A-Fa-f: ]{64,})$"))]
pub enum ServerTrust {
    System,
    /// SHA-256 of the root's DER.
    Fingerprint([u8; 32]),
}

impl FromStr for ServerTrust {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "system" {
            return Ok(Self::System);
        }
        digest::parse_sha256(text)
            .map(Self::Fingerprint)
            .map_err(|error| format!("{error}; or system"))
    }
}

impl TryFrom<String> for ServerTrust {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    /// Up to and with `/.well-known/est` and the label, without a slash at its end.
    pub base: Url,
    pub trust: Pinning,
    pub basic: Option<(String, SecretSource)>,
    /// Certificate file, key file.
    pub certificate: Option<(PathBuf, PathBuf)>,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub proxy: ProxyChoice,
}

/// Whom TLS must lead to.
#[derive(Debug, Eq, PartialEq)]
pub enum Pinning {
    Anchors(Vec<Vec<u8>>),
    System,
    Fingerprint([u8; 32]),
}

/// The proxy, its password still unread.
pub struct ProxyChoice {
    pub proxy: Proxy,
    pub credentials: Option<(String, SecretSource)>,
}

impl Checked {
    /// Where the passwords come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let logins = [&self.basic, &self.proxy.credentials];
        logins
            .into_iter()
            .flatten()
            .map(|(_, source)| source.clone())
            .collect()
    }

    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.read()?;
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
        Ok(Self {
            name: settings.name.to_owned(),
            base: base(&words.url, words.label.as_deref())?,
            trust: pinning(words.trust, settings.anchors)?,
            basic: pair(
                settings,
                words.username.clone(),
                words.password.clone(),
                ["username", "password"],
            )?,
            certificate,
            timeout: words.timeout.map_or(Duration::from_secs(30), Span::std),
            connect_timeout: words
                .connect_timeout
                .map_or(Duration::from_secs(10), Span::std),
            proxy: proxy(&words, settings)?,
        })
    }
}

/// RFC 7030 section 3.2.2: `/.well-known/est`, then perhaps one label.
fn base(text: &str, label: Option<&str>) -> Result<Url, SettingsError> {
    let mut url = Url::parse(text)
        .map_err(|error| wrong("url", format!("{error}: write https://host:port")))?;
    admissible(&url, false).map_err(|fault| wrong("url", fault))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("url", "it ends at the path: no ? and no #"));
    }
    let mut path = url.path().trim_end_matches('/').to_owned();
    if !path.contains("/.well-known/est") {
        path += "/.well-known/est";
    }
    if let Some(label) = label {
        let is_segment =
            !label.is_empty() && !label.contains(['/', '?', '#', '%']) && label != "..";
        if !is_segment {
            return Err(wrong("label", "it is one path segment, without / ? # %"));
        }
        path = format!("{path}/{label}");
    }
    url.set_path(&path);
    Ok(url)
}

fn pinning(trust: Option<ServerTrust>, anchors: &[Vec<u8>]) -> Result<Pinning, SettingsError> {
    match trust {
        Some(ServerTrust::System) => Ok(Pinning::System),
        Some(ServerTrust::Fingerprint(_)) if !anchors.is_empty() => Err(wrong(
            "trust",
            "a fingerprint and anchors are given: one of them decides",
        )),
        Some(ServerTrust::Fingerprint(pin)) => Ok(Pinning::Fingerprint(pin)),
        None if anchors.is_empty() => Err(wrong(
            "trust",
            "whom to trust is not said: give anchors (the CA's root as PEM), or trust = \"system\" \
             or \"sha256:…\" (the fingerprint of its root)",
        )),
        None => Ok(Pinning::Anchors(anchors.to_vec())),
    }
}

fn pair(
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
    let credentials = pair(
        settings,
        words.proxy_username.clone(),
        words.proxy_password.clone(),
        ["proxy_username", "proxy_password"],
    )?;
    Ok(ProxyChoice { proxy, credentials })
}

fn wrong(key: &str, reason: impl fmt::Display) -> SettingsError {
    SettingsError {
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(table: &str, anchors: &[Vec<u8>]) -> Result<Checked, SettingsError> {
        Checked::read(&Settings {
            name: "lab",
            table: table.parse().unwrap(),
            anchors,
            directory: Path::new("/etc/certbake"),
            now: time::OffsetDateTime::UNIX_EPOCH,
            environment: &|_| None,
        })
    }

    fn fault(table: &str) -> SettingsError {
        read(table, &[vec![1]]).err().unwrap()
    }

    #[test]
    fn the_well_known_path_and_the_label_are_added_once() {
        for (url, label, expected) in [
            (
                "https://ca.lab:8443",
                "",
                "https://ca.lab:8443/.well-known/est",
            ),
            ("https://ca.lab/", "", "https://ca.lab/.well-known/est"),
            (
                "https://ca.lab/.well-known/est/",
                "dev",
                "https://ca.lab/.well-known/est/dev",
            ),
            (
                "https://lab/proxied",
                "a b",
                "https://lab/proxied/.well-known/est/a%20b",
            ),
        ] {
            let label = (!label.is_empty()).then_some(label);
            assert_eq!(base(url, label).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_url_that_must_not_be_asked_is_refused_without_repeating_its_password() {
        for url in [
            "https://bob:xyzzy@ca.lab",
            "http://ca.lab",
            "ca.lab:8443",
            "https://ca.lab?x",
        ] {
            let error = fault(&format!("url = {url:?}"));
            assert_eq!(error.key, "url");
            assert!(!error.to_string().contains("xyzzy"), "{error}");
        }
    }

    #[test]
    fn whom_to_trust_must_be_said() {
        let error = read("url = 'https://ca.lab'", &[]).err().unwrap();
        assert_eq!(error.key, "trust");
        assert!(error.reason.contains("anchors"), "{error}");
        let pin = "sha256:".to_owned() + &"ab".repeat(32);
        let table = format!("url = 'https://ca.lab'\ntrust = '{pin}'");
        let checked = read(&table, &[]).unwrap();
        assert_eq!(checked.trust, Pinning::Fingerprint([0xab; 32]));
        assert_eq!(fault(&table).key, "trust");
    }

    #[test]
    fn a_login_is_whole_and_its_password_is_never_written_out() {
        let url = "url = 'https://ca.lab'\n";
        assert_eq!(fault(&format!("{url}username = 'bob'")).key, "password");
        assert_eq!(fault(&format!("{url}password = 'env:P'")).key, "username");
        assert_eq!(
            fault(&format!("{url}client_key = 'k.pem'")).key,
            "client_key"
        );
        let error = fault(&format!("{url}username = 'bob'\npassword = 'xyzzy-canary'"));
        assert!(!error.to_string().contains("xyzzy"), "{error}");
        assert!(error.reason.contains("env:NAME"), "{error}");
    }

    #[test]
    fn relative_paths_start_where_the_configuration_stands() {
        let table = "url = 'https://ca.lab'\nclient_certificate = 'b.pem'\nusername = 'bob'\n\
                     password = 'file:pw'";
        let checked = read(table, &[vec![1]]).unwrap();
        let both = PathBuf::from("/etc/certbake/b.pem");
        assert_eq!(checked.certificate, Some((both.clone(), both)));
        assert_eq!(
            checked.basic.unwrap().1.to_string(),
            "file:/etc/certbake/pw"
        );
    }
}
