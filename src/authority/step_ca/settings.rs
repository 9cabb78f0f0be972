//! The settings of `kind = "step-ca"`, checked: a place that can be asked, one login that is whole.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::authority::connection::{Connection, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

/// `[ca.<name>]` with `kind = "step-ca"`, beside the keys of the connection. One login of: `password`
/// or `key` (a JWK provisioner), `x5c_certificate` (an X5C provisioner), `token`, `id_token`;
/// without any of them, `client_certificate` is the current certificate and is rekeyed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Name of the JWK or X5C provisioner; may be left out if the CA has only one of that type.
    #[serde(alias = "username")]
    pub provisioner: Option<String>,
    /// Opens the JWK provisioner's key, which the CA provides encrypted, or `key`.
    pub password: Option<SecretSource>,
    /// The JWK provisioner's private key itself: a JWK, encrypted by `password` or plain, or PEM.
    pub key: Option<SecretSource>,
    /// A ready-made one-time token (`step ca token`), good for one certificate.
    pub token: Option<SecretSource>,
    /// An OpenID Connect id token, for an OIDC provisioner.
    pub id_token: Option<SecretSource>,
    /// PEM file: the certificate for an X5C provisioner, with its intermediates.
    pub x5c_certificate: Option<PathBuf>,
    /// PEM file: its key, readable only by its owner; without it, the certificate's file contains both.
    pub x5c_key: Option<PathBuf>,
}

impl Words {
    const fn is_jwk(&self) -> bool {
        self.password.is_some() || self.key.is_some()
    }
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub login: Login,
    /// Whether the roots are pinned in the configuration, so that nobody needs to ask for them.
    pub has_anchors: bool,
}

/// How we present ourselves.
pub enum Login {
    /// The key is fetched from the CA, or given.
    Jwk {
        provisioner: Option<String>,
        password: Option<SecretSource>,
        key: Option<SecretSource>,
    },
    /// Certificate file, key file.
    X5c {
        provisioner: Option<String>,
        certificate: PathBuf,
        key: PathBuf,
    },
    Token(SecretSource),
    IdToken(SecretSource),
    /// The connection's client certificate is renewed with a new key.
    Current,
}

impl Login {
    /// Whether it has a key that signs tokens.
    pub const fn makes_tokens(&self) -> bool {
        matches!(self, Self::Jwk { .. } | Self::X5c { .. })
    }
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        let connection = Connection::read(settings, None)?;
        Ok(Self {
            name: settings.name.to_owned(),
            login: login(words, settings, connection.certificate.is_some())?,
            connection,
            has_anchors: !settings.anchors.is_empty(),
        })
    }

    /// Where the passwords, keys and tokens come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        match &self.login {
            Login::Jwk { password, key, .. } => {
                secrets.extend(password.iter().chain(key).cloned());
            }
            Login::Token(source) | Login::IdToken(source) => secrets.push(source.clone()),
            Login::X5c { .. } | Login::Current => {}
        }
        secrets
    }

    /// What tokens are addressed to. The CA compares it with its own names (`dnsNames`) and its own
    /// paths, whatever prefix a proxy adds, and overlooks the port.
    pub fn audience(&self, operation: &str) -> String {
        audience(&self.connection.url, operation)
    }
}

fn audience(url: &Url, operation: &str) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("https://{host}{port}/1.0/{operation}")
}

/// That one login is given at most, and nothing that belongs to another.
fn fits_together(words: &Words) -> Result<(), SettingsError> {
    let given: Vec<&str> = [
        ("password or key", words.is_jwk()),
        ("x5c_certificate", words.x5c_certificate.is_some()),
        ("token", words.token.is_some()),
        ("id_token", words.id_token.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, given)| given.then_some(key))
    .collect();
    if let [one, other, ..] = given[..] {
        let reason = format!("two logins are given, {one} and {other}: keep one");
        return Err(wrong(other, reason));
    }
    if words.x5c_key.is_some() && words.x5c_certificate.is_none() {
        return Err(wrong(
            "x5c_key",
            "it needs x5c_certificate, which is not given",
        ));
    }
    let belongs = words.is_jwk() || words.x5c_certificate.is_some();
    if words.provisioner.is_some() && !belongs {
        let reason = if given.is_empty() {
            "no login is given: give password (a JWK provisioner) or x5c_certificate"
        } else {
            "leave it out: a ready-made token names its own provisioner"
        };
        return Err(wrong("provisioner", reason));
    }
    Ok(())
}

fn login(
    words: Words,
    settings: &Settings<'_>,
    has_certificate: bool,
) -> Result<Login, SettingsError> {
    fits_together(&words)?;
    let is_jwk = words.is_jwk();
    let beside = |source: SecretSource| source.relative_to(settings.directory);
    let provisioner = words.provisioner;
    if let Some(certificate) = words.x5c_certificate {
        let key = words.x5c_key.unwrap_or_else(|| certificate.clone());
        return Ok(Login::X5c {
            provisioner,
            certificate: settings.directory.join(certificate),
            key: settings.directory.join(key),
        });
    }
    Ok(match (words.token, words.id_token) {
        (Some(token), _) => Login::Token(beside(token)),
        (_, Some(token)) => Login::IdToken(beside(token)),
        _ if is_jwk => Login::Jwk {
            provisioner,
            password: words.password.map(beside),
            key: words.key.map(beside),
        },
        _ if has_certificate => Login::Current,
        _ => {
            return Err(wrong(
                "password",
                "no login is given: give password (a JWK provisioner), token, id_token, \
                 x5c_certificate, or client_certificate (the current certificate)",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(table: &str) -> Result<Checked, SettingsError> {
        Checked::read(&Settings {
            name: "lab",
            table: format!("url = 'https://ca.lab:9000'\n{table}")
                .parse()
                .unwrap(),
            anchors: &[vec![1]],
            directory: Path::new("/etc/certbake"),
            now: time::OffsetDateTime::UNIX_EPOCH,
            environment: &|_| None,
            on_wait: None,
        })
    }

    #[test]
    fn each_login_is_known_by_its_keys() {
        for (table, fits) in [
            ("password = 'env:P'", "jwk"),
            ("provisioner = 'b'\nkey = 'file:k'", "jwk"),
            ("username = 'b'\npassword = 'env:P'", "jwk"),
            ("token = 'env:T'", "token"),
            ("id_token = 'cmd:oidc'", "id"),
            ("provisioner = 'x'\nx5c_certificate = 'c.pem'", "x5c"),
            ("client_certificate = 'c.pem'", "current"),
        ] {
            let kind = match read(table).unwrap().login {
                Login::Jwk { .. } => "jwk",
                Login::X5c { .. } => "x5c",
                Login::Token(_) => "token",
                Login::IdToken(_) => "id",
                Login::Current => "current",
            };
            assert_eq!(kind, fits, "{table}");
        }
    }

    #[test]
    fn no_login_two_logins_and_half_ones_are_refused_where_they_stand() {
        for (table, key) in [
            ("", "password"),
            ("provisioner = 'b'", "provisioner"),
            ("provisioner = 'b'\ntoken = 'env:T'", "provisioner"),
            ("password = 'env:P'\ntoken = 'env:T'", "token"),
            ("id_token = 'env:I'\ntoken = 'env:T'", "id_token"),
            ("x5c_key = 'k.pem'", "x5c_key"),
        ] {
            let error = read(table).err().unwrap();
            assert_eq!(error.key, key, "{table}: {error}");
        }
    }

    #[test]
    fn the_audience_is_the_cas_own_path_and_always_https() {
        for (url, expected) in [
            ("https://ca.lab:9000", "https://ca.lab:9000/1.0/sign"),
            ("https://ca.lab/proxied", "https://ca.lab/1.0/sign"),
            ("https://[::1]:9000", "https://[::1]:9000/1.0/sign"),
            ("http://127.0.0.1:9000", "https://127.0.0.1:9000/1.0/sign"),
        ] {
            assert_eq!(audience(&Url::parse(url).unwrap(), "sign"), expected);
        }
    }

    #[test]
    fn relative_files_start_where_the_configuration_stands() {
        let checked = read("x5c_certificate = 'c.pem'").unwrap();
        let Login::X5c { key, .. } = checked.login else {
            panic!()
        };
        assert_eq!(key, Path::new("/etc/certbake/c.pem"));
        let secrets = read("key = 'file:k'\npassword = 'env:P'")
            .unwrap()
            .secrets();
        assert_eq!(secrets[1].to_string(), "file:/etc/certbake/k");
    }
}
