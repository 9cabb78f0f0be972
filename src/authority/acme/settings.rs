//! The settings of `kind = "acme"`, checked: a directory, an account, one way to prove the names.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::connection::{Connection, key_pair, time_limit, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;
use crate::span::Span;

/// `[ca.<name>]` with `kind = "acme"`, beside the keys of the connection; `url` is that of the
/// directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// JSON file with the account's key: created on first use, readable only by its owner.
    pub account: PathBuf,
    /// Set to true to agree to the terms of service in the CA's directory. [default: false]
    #[serde(default)]
    pub terms_of_service_agreed: bool,
    /// Contact for the account: `mailto:ops@example.com`.
    #[serde(default)]
    pub contact: Vec<String>,
    /// External account binding: the key identifier that the CA gave you.
    pub eab_key_id: Option<String>,
    /// External account binding: the HMAC key that the CA gave you, base64url.
    pub eab_hmac_key: Option<SecretSource>,
    /// One of the profiles that the CA's directory offers.
    pub profile: Option<String>,
    /// Sends `ttl` as the notAfter of the order, which many CAs refuse. [default: false]
    #[serde(default)]
    pub ask_lifetime: bool,
    /// How the names are proven. [default: http-01]
    #[serde(default)]
    pub challenge: Kind,
    /// Address that answers the CA's validation: http-01 on port 80, tls-alpn-01 on port 443, or wherever those are forwarded to [default: 0.0.0.0:80 or 0.0.0.0:443]
    pub listen: Option<SocketAddr>,
    /// dns-01: a program and its arguments, called with `present` or `cleanup`, domain, record name
    /// and value.
    pub dns_hook: Option<Vec<String>>,
    /// How long one call of the hook may take. [default: 2m]
    pub dns_hook_timeout: Option<Span>,
}

/// RFC 8555 section 8, RFC 8737.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
pub enum Kind {
    #[default]
    #[serde(rename = "http-01")]
    Http,
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    #[serde(rename = "dns-01")]
    Dns,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
            Self::Dns => "dns-01",
        }
    }
}

/// One way to prove a name, ready to be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    Http(SocketAddr),
    TlsAlpn(SocketAddr),
    Dns {
        hook: Vec<String>,
        patience: Duration,
    },
}

impl Proof {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Http(_) => Kind::Http,
            Self::TlsAlpn(_) => Kind::TlsAlpn,
            Self::Dns { .. } => Kind::Dns,
        }
    }
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub account: PathBuf,
    pub terms_agreed: bool,
    pub contact: Vec<String>,
    /// Key identifier, HMAC key.
    pub external: Option<(String, SecretSource)>,
    pub profile: Option<String>,
    pub ask_lifetime: bool,
    pub proof: Proof,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        if let Some(contact) = words.contact.iter().find(|contact| !contact.contains(':')) {
            let reason = format!("\"{contact}\" is not a URL: write mailto:{contact}");
            return Err(wrong("contact", reason));
        }
        Ok(Self {
            name: settings.name.to_owned(),
            connection: connection(settings)?,
            account: settings.directory.join(&words.account),
            terms_agreed: words.terms_of_service_agreed,
            proof: proof(&words)?,
            contact: words.contact,
            external: key_pair(
                settings,
                words.eab_key_id,
                words.eab_hmac_key,
                ["eab_key_id", "eab_hmac_key"],
            )?,
            profile: words.profile,
            ask_lifetime: words.ask_lifetime,
        })
    }

    /// Where the passwords come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.external.iter().map(|(_, source)| source.clone()));
        secrets
    }
}

/// The directory's URL is the CA's own (RFC 8555 section 7.1.1), a slash at its end included.
fn connection(settings: &Settings<'_>) -> Result<Connection, SettingsError> {
    let mut connection = Connection::read(settings, None)?;
    let given = settings.table.get("url").and_then(toml::Value::as_str);
    if given.is_some_and(|url| url.ends_with('/')) {
        let path = connection.url.path().trim_end_matches('/').to_owned();
        connection.url.set_path(&format!("{path}/"));
    }
    Ok(connection)
}

fn proof(words: &Words) -> Result<Proof, SettingsError> {
    let listen = |port| {
        let usual = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        words.listen.unwrap_or(usual)
    };
    let foreign = |key, kind: Kind| {
        Err(wrong(
            key,
            format!("it has no meaning for {}", kind.as_str()),
        ))
    };
    if words.challenge != Kind::Dns {
        if words.dns_hook.is_some() {
            return foreign("dns_hook", words.challenge);
        }
        if words.dns_hook_timeout.is_some() {
            return foreign("dns_hook_timeout", words.challenge);
        }
    }
    match words.challenge {
        Kind::Http => Ok(Proof::Http(listen(80))),
        Kind::TlsAlpn => Ok(Proof::TlsAlpn(listen(443))),
        Kind::Dns if words.listen.is_some() => foreign("listen", Kind::Dns),
        Kind::Dns => match words.dns_hook.as_deref() {
            Some([program, ..]) if !program.is_empty() => Ok(Proof::Dns {
                hook: words.dns_hook.clone().unwrap_or_default(),
                patience: time_limit(
                    "dns_hook_timeout",
                    words.dns_hook_timeout,
                    Duration::from_secs(120),
                )?,
            }),
            _ => Err(wrong(
                "dns_hook",
                "dns-01 needs a program that creates the record: dns_hook = [\"/path/to/program\"]",
            )),
        },
    }
}
