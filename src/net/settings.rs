//! What a client is made from: whom it trusts, who it is, how long it waits, through which proxy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::danger;
use super::error::OpenError;
use crate::secret::Secret;

/// Which roots a server certificate must lead to.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The operating system's store; read when the client is opened, not before.
    System,
    /// These roots alone, DER.
    Anchors(Vec<Vec<u8>>),
    /// No TLS server at all, for what is asked over plain `http://`.
    Nobody,
    /// No check at all: [`danger`] tells what for.
    Unverified(danger::Unverified),
}

/// The certificate shown to servers that ask for one (mTLS).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8 DER, unencrypted.
    pub key: Secret,
}

/// How to reach servers that are not on loopback.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    #[default]
    Direct,
    Through(ProxyServer),
}

/// An HTTP proxy; `https` targets go through it by `CONNECT`.
#[derive(Clone, Debug)]
pub struct ProxyServer {
    /// `http://host:port` or `https://host:port`, without credentials.
    pub url: Url,
    /// User name and password.
    pub credentials: Option<(String, Secret)>,
    /// Hosts to reach directly, as in `NO_PROXY`: names with their subdomains, addresses, networks, `*`.
    pub except: String,
}

impl Proxy {
    /// Reads `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, either case, from the lookup given.
    /// An empty value counts as unset.
    ///
    /// # Errors
    /// The name of the variable that holds no proxy URL; never its value, which may hold a password.
    pub fn from_environment(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UnreadableProxy> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                lookup(name)
                    .filter(|value| !value.is_empty())
                    .map(|value| (*name, value))
            })
        };
        let Some((variable, value)) =
            first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        else {
            return Ok(Self::Direct);
        };
        let except = first(&["no_proxy", "NO_PROXY"]).map_or_else(String::new, |(_, list)| list);
        ProxyServer::parse(&value, except)
            .map(Self::Through)
            .ok_or(UnreadableProxy { variable })
    }
}

impl ProxyServer {
    /// Takes `host:port` too, as other tools do, and moves credentials out of the URL.
    pub fn parse(text: &str, except: String) -> Option<Self> {
        let mut url = if text.contains("://") {
            Url::parse(text).ok()?
        } else {
            Url::parse(&format!("http://{text}")).ok()?
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return None;
        }
        let credentials = (!url.username().is_empty()).then(|| {
            (
                percent_decoded(url.username()),
                Secret::from(percent_decoded(url.password().unwrap_or_default())),
            )
        });
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(Self {
            url,
            credentials,
            except,
        })
    }

    pub(super) fn for_reqwest(&self) -> Result<reqwest::Proxy, OpenError> {
        let unusable = |reason: String| OpenError::Proxy {
            proxy: self.place(),
            reason,
        };
        let proxy = reqwest::Proxy::all(self.url.clone())
            .map_err(|error| unusable(error.without_url().to_string()))?
            .no_proxy(reqwest::NoProxy::from_string(&self.exceptions()));
        match &self.credentials {
            None => Ok(proxy),
            Some((user, password)) => {
                let password = password
                    .expose_str()
                    .map_err(|error| unusable(error.to_string()))?;
                Ok(proxy.basic_auth(user, password))
            }
        }
    }

    /// Decides as reqwest does, so that an error can name the proxy.
    pub(super) fn matcher(&self) -> Matcher {
        Matcher::builder()
            .all(self.url.as_str())
            .no(self.exceptions())
            .build()
    }

    /// Loopback is never asked through a proxy: there it would be the proxy's own loopback.
    fn exceptions(&self) -> String {
        format!("{},localhost,127.0.0.0/8,::1", self.except)
    }

    /// `host:port`, as errors name it.
    pub(super) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok());
        if let Some(octet) = escaped {
            bytes.extend(octet);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An environment variable that should hold a proxy URL does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "reading {variable}: not the URL of an HTTP proxy (http://host:port or https://host:port); to go without a proxy, unset {variable} or set proxy = \"none\""
)]
pub struct UnreadableProxy {
    pub variable: &'static str,
}

/// A wait before asking again, told to whoever shows progress.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// `host:port`.
    pub place: String,
    /// Why: `connection refused`, `answered 503`.
    pub reason: String,
    /// How often it has been asked so far.
    pub attempts: u32,
    pub wait: Duration,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, next) = (tenths(self.wait), self.attempts + 1);
        let Self { place, reason, .. } = self;
        write!(
            f,
            "waiting {seconds} s for {place} ({reason}), then attempt {next}"
        )
    }
}

/// Seconds to the tenth, whole ones without.
fn tenths(wait: Duration) -> String {
    let text = format!("{:.1}", wait.as_secs_f64());
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Told of every wait as it begins.
pub type OnWait = Arc<dyn Fn(&Waiting) + Send + Sync>;

/// Settings of a [`super::Client`].
#[derive(Clone)]
pub struct ClientSettings {
    pub trust: Trust,
    pub client_certificate: Option<ClientCertificate>,
    /// For name lookup, TCP and TLS together, per attempt.
    pub connect_timeout: Duration,
    /// For one attempt, answer read to its end.
    pub request_timeout: Duration,
    /// For one request with all its attempts and waits, where the request names no deadline.
    pub deadline: Duration,
    /// Longest answer body accepted, in bytes.
    pub max_body: u64,
    pub proxy: Proxy,
    /// Permits `http://` to hosts other than loopback: everything sent can be read on the way.
    pub danger_plain_http: bool,
    pub on_wait: Option<OnWait>,
}

impl ClientSettings {
    /// 10 s to connect, 30 s an attempt, 60 s altogether, 1 MiB an answer, no proxy.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            client_certificate: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(60),
            max_body: 1024 * 1024,
            proxy: Proxy::Direct,
            danger_plain_http: false,
            on_wait: None,
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("trust", &self.trust)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("deadline", &self.deadline)
            .field("max_body", &self.max_body)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(variables: &[(&str, &str)]) -> Result<Proxy, UnreadableProxy> {
        Proxy::from_environment(|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_wait_says_how_long_for_whom_why_and_how_often_it_was_asked() {
        let waiting = |wait| Waiting {
            place: "ca.lab:8443".to_owned(),
            reason: "answered 503".to_owned(),
            attempts: 2,
            wait,
        };
        assert_eq!(
            waiting(Duration::from_secs(10)).to_string(),
            "waiting 10 s for ca.lab:8443 (answered 503), then attempt 3"
        );
        let short = waiting(Duration::from_millis(1450)).to_string();
        assert!(short.starts_with("waiting 1.4 s"), "{short}");
    }

    #[test]
    fn a_password_in_a_proxy_url_becomes_a_secret() {
        let Ok(Proxy::Through(server)) =
            through(&[("HTTPS_PROXY", "http://bob:p%40ss@proxy.lab:3128")])
        else {
            panic!("not through a proxy");
        };
        assert_eq!(server.url.as_str(), "http://proxy.lab:3128/");
        let (user, password) = server.credentials.clone().unwrap();
        assert_eq!((user.as_str(), password.expose()), ("bob", &b"p@ss"[..]));
        assert!(!format!("{server:?}").contains("p@ss"));
    }

    #[test]
    fn a_proxy_without_a_scheme_is_http() {
        let Ok(Proxy::Through(server)) = through(&[("all_proxy", "proxy.lab:3128")]) else {
            panic!("not through a proxy");
        };
        assert_eq!(server.place(), "proxy.lab:3128");
    }

    #[test]
    fn an_unreadable_proxy_is_an_error_that_names_the_variable_alone() {
        let error = through(&[("HTTPS_PROXY", "socks5://bob:xyzzy@proxy.lab")]).unwrap_err();
        assert_eq!(error.variable, "HTTPS_PROXY");
        assert!(!error.to_string().contains("xyzzy"));
        assert!(
            error
                .to_string()
                .contains("unset HTTPS_PROXY or set proxy = \"none\"")
        );
    }

    #[test]
    fn without_variables_or_with_empty_ones_no_proxy_is_used() {
        assert!(matches!(through(&[]), Ok(Proxy::Direct)));
        assert!(matches!(through(&[("HTTPS_PROXY", "")]), Ok(Proxy::Direct)));
    }
}
