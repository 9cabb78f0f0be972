//! From a login's settings to what makes tokens: secrets read, the provisioner's key unlocked.

use std::path::Path;
use std::time::Instant;

use data_encoding::BASE64;
use serde_json::json;

use super::given::Given;
use super::jwe::{self, JweError};
use super::provisioners::{self, Provisioner};
use super::session::Api;
use super::settings::Login;
use super::token::{Bearer, Signed};
use crate::authority::AuthorityError;
use crate::authority::connection::{client_certificate, read_secret};
use crate::authority::jws::Signer;
use crate::finding::{Code, Finding};
use crate::net::ClientCertificate;
use crate::pki::{PrivateKey, encrypted, pem};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const KEY_UNUSABLE: Code = Code::new("provisioner-key-unusable");

/// The login's secrets, read.
pub enum Prepared {
    Jwk {
        name: Option<String>,
        password: Option<Secret>,
        /// With its place, for errors.
        key: Option<(Secret, SecretSource)>,
    },
    X5c {
        name: Option<String>,
        chain: Vec<Vec<u8>>,
        signer: Signer,
    },
    Ready(Bearer),
}

impl Prepared {
    /// # Errors
    /// [`AuthorityError::Settings`]: what cannot be read, or used.
    pub fn read(login: &Login) -> Result<Self, AuthorityError> {
        Ok(match login {
            Login::Jwk {
                provisioner,
                password,
                key,
            } => Self::Jwk {
                name: provisioner.clone(),
                password: password.as_ref().map(read_secret).transpose()?,
                key: match key {
                    Some(source) => Some((read_secret(source)?, source.clone())),
                    None => None,
                },
            },
            Login::X5c {
                provisioner,
                certificate,
                key,
            } => Self::x5c(provisioner.clone(), certificate, key)?,
            Login::Token(source) => Self::Ready(Bearer::Given(Given::new(source.clone(), false))),
            Login::IdToken(source) => Self::Ready(Bearer::Given(Given::new(source.clone(), true))),
            Login::Current => Self::Ready(Bearer::Certificate),
        })
    }

    fn x5c(name: Option<String>, certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        let ClientCertificate { chain, key } = client_certificate(certificate, key)?;
        let unusable = |reason: String| key_unusable("the key for the X5C provisioner", &reason);
        let key = PrivateKey::from_der(key.expose()).map_err(|e| unusable(e.to_string()))?;
        let signer = Signer::from_private_key(&key).map_err(|e| unusable(e.to_string()))?;
        Ok(Self::X5c {
            name,
            chain,
            signer,
        })
    }

    /// # Errors
    /// As [`Api::ask`], and [`AuthorityError::Settings`] for a key that cannot be used.
    pub fn bearer(
        self,
        api: &Api,
        provisioner: Option<&Provisioner>,
        deadline: Instant,
    ) -> Result<Bearer, AuthorityError> {
        match (self, provisioner) {
            (Self::Ready(bearer), _) => Ok(bearer),
            (Self::X5c { chain, signer, .. }, Some(provisioner)) => {
                // RFC 7515 section 4.1.6: DER in plain base64.
                let chain: Vec<String> = chain.iter().map(|der| BASE64.encode(der)).collect();
                Ok(Bearer::Signed(Box::new(Signed {
                    signer,
                    issuer: provisioner.name.clone(),
                    header: vec![("x5c", json!(chain))],
                    fragment: format!("#x5c/{}", provisioner.name),
                })))
            }
            (Self::Jwk { password, key, .. }, Some(provisioner)) => {
                let signer = jwk_signer(api, provisioner, password.as_ref(), key, deadline)?;
                let kid = provisioner.key.as_ref().map_or("", |key| key.kid.as_str());
                Ok(Bearer::Signed(Box::new(Signed {
                    signer,
                    issuer: provisioner.name.clone(),
                    header: vec![("kid", json!(kid))],
                    fragment: String::new(),
                })))
            }
            (_, None) => Ok(Bearer::Certificate),
        }
    }
}

/// The provisioner's private key: fetched or given, unlocked, and held against its public one.
fn jwk_signer(
    api: &Api,
    provisioner: &Provisioner,
    password: Option<&Secret>,
    given: Option<(Secret, SecretSource)>,
    deadline: Instant,
) -> Result<Signer, AuthorityError> {
    let name = &provisioner.name;
    let signer = match given {
        Some((text, source)) => given_signer(&text, &source, password)?,
        None => {
            let what = format!("the key of the provisioner \"{name}\"");
            let text = provisioners::encrypted_key(api, provisioner, deadline)?;
            let password = password.ok_or_else(|| key_unusable(&what, "no password is given"))?;
            unlocked(&text, password, &what)?
        }
    };
    let Some(expected) = provisioner.key.as_ref().map(|key| key.kid.as_str()) else {
        return Ok(signer);
    };
    let thumbprint = signer.thumbprint();
    // A key identifier of 43 characters is a thumbprint (RFC 7638); others were chosen by somebody.
    if expected.len() == thumbprint.len() && expected != thumbprint {
        return Err(AuthorityError::Settings(Box::new(
            Finding::error(
                KEY_UNUSABLE,
                format!("the key does not belong to the provisioner \"{name}\""),
            )
            .fact("key_id", thumbprint)
            .fact("expected_key_id", expected)
            .hint("give this provisioner's key, or set provisioner to the one that has this key"),
        )));
    }
    Ok(signer)
}

fn unlocked(text: &str, password: &Secret, what: &str) -> Result<Signer, AuthorityError> {
    let jwk = jwe::open(text, password).map_err(|error| match error {
        JweError::WrongPassword => AuthorityError::Settings(Box::new(
            Finding::error(
                encrypted::PASSWORD_WRONG,
                format!("the password does not open {what}"),
            )
            .hint(
                "give the password set when the provisioner was created (step ca provisioner add, or --provisioner-password-file of step ca init); a newline at its end is ignored",
            ),
        )),
        other => key_unusable(what, &other.to_string()),
    })?;
    Signer::from_jwk(&jwk).map_err(|error| key_unusable(what, &error.to_string()))
}

/// A key from a secret source: an encrypted JWK, a plain one, or PEM.
fn given_signer(
    text: &Secret,
    source: &SecretSource,
    password: Option<&Secret>,
) -> Result<Signer, AuthorityError> {
    let what = format!("the key in {source}");
    let unusable = |reason: &str| key_unusable(&what, reason);
    let plain = text.expose_str().map_err(|e| unusable(&e.to_string()))?;
    if jwe::is_encrypted(plain) {
        let password =
            password.ok_or_else(|| unusable("it is encrypted, and no password is given"))?;
        return unlocked(plain, password, &what);
    }
    if plain.trim_start().starts_with('{') {
        return Signer::from_jwk(plain.as_bytes()).map_err(|e| unusable(&e.to_string()));
    }
    let der = pem::private_key(plain.as_bytes())
        .map_err(|e| unusable(&e.to_string()))?
        .ok_or_else(|| unusable("it is neither a JWK nor an unencrypted private key in PEM"))?;
    let key = PrivateKey::from_der(&der).map_err(|e| unusable(&e.to_string()))?;
    Signer::from_private_key(&key).map_err(|e| unusable(&e.to_string()))
}

fn key_unusable(what: &str, reason: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(
        Finding::error(KEY_UNUSABLE, format!("{what} cannot be used: {reason}")).hint(
            "give password for the key that the CA keeps, or key: the JWK that step crypto jwk create \
             wrote, or PEM",
        ),
    ))
}
