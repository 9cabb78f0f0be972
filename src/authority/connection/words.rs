//! The keys of the connection, as they are written.

use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::pki::digest;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// The keys of `[ca.<name>]` that are about the connection, the same for every kind.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// `https://host:port` of the CA, plus its API's base path, if any; required unless the kind has a usual URL.
    pub url: Option<String>,
    /// How to verify the server without `anchors`: `system`; `file:PATH`, the roots of its TLS
    /// certificate as PEM; or `sha256:…`, the fingerprint of the CA's root, which certbake then fetches
    /// and compares. With `anchors` as well, `system` and `file:` verify TLS, and `anchors` the issued
    /// certificates.
    pub trust: Option<ServerTrust>,
    /// PEM file: the TLS client certificate, with its intermediates.
    pub client_certificate: Option<PathBuf>,
    /// PEM file: its key, readable only by its owner; without it, the certificate's file contains both.
    pub client_key: Option<PathBuf>,
    /// For one attempt, answer included [default: 30s].
    pub timeout: Option<Span>,
    /// For name lookup, TCP and TLS together [default: 10s].
    pub connect_timeout: Option<Span>,
    /// `http://host:port`, or `none`; without it, `HTTPS_PROXY` and `NO_PROXY` apply.
    pub proxy: Option<String>,
    /// For a proxy that requires a login.
    pub proxy_username: Option<String>,
    /// Where that login's password comes from.
    pub proxy_password: Option<SecretSource>,
    /// Permits `http://` to hosts other than loopback: anyone on the network can read what is sent.
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
