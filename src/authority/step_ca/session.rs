//! What stands between settings and the first order: a client that trusts the right server, the
//! login's key, unlocked, and the CA's roots.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use time::OffsetDateTime;
use url::Url;

use super::clock::Clock;
use super::jwe::{self, JweError};
use super::jws::Signer;
use super::provisioners::{self, Provisioner};
use super::settings::{Checked, Login};
use super::token::{Bearer, Signed};
use crate::authority::connection::{
    Connection, Pinning, Reached, client_certificate, read_secret, under,
};
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::net::{Client, ClientCertificate, Request, Response};
use crate::pki::{Certificate, PrivateKey, pem};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const PASSWORD_WRONG: Code = Code::new("password-wrong");
pub const KEY_UNUSABLE: Code = Code::new("provisioner-key-unusable");

/// The CA's API over one client.
pub struct Api {
    pub client: Client,
    pub clock: Arc<Clock>,
    base: Url,
}

pub struct Session {
    pub api: Api,
    pub bearer: Bearer,
    /// DER; empty where the configuration pins its own.
    pub roots: Vec<Vec<u8>>,
    /// Where it had to be looked up.
    pub provisioner: Option<Provisioner>,
    /// The notAfter of the X5C login's certificate.
    pub login_ends: Option<OffsetDateTime>,
    /// Blotted out of whatever the CA says.
    pub password: Option<Secret>,
}

impl Api {
    pub fn at(&self, path: &str) -> Url {
        under(&self.base, path)
    }

    pub fn ask(&self, request: &Request) -> Result<Response, AuthorityError> {
        let response = self
            .client
            .send(request)
            .map_err(|error| answer::failed(&error))?;
        self.clock.hear(&response);
        Ok(response)
    }

    pub fn json<T: DeserializeOwned>(
        &self,
        what: &str,
        request: &Request,
    ) -> Result<T, AuthorityError> {
        let response = self.ask(request)?;
        Self::read(what, request, &response)
    }

    /// Of an answer that is a success: `/roots` and whatever signs say 201.
    pub fn read<T: DeserializeOwned>(
        what: &str,
        request: &Request,
        response: &Response,
    ) -> Result<T, AuthorityError> {
        if !matches!(response.status, 200 | 201) {
            return Err(answer::turned_down(what, request, response, "no login"));
        }
        serde_json::from_slice(&response.body)
            .map_err(|error| answer::unusable(what, &error.to_string(), response))
    }
}

impl Session {
    /// With the login of the settings. Secrets are read before anything is asked.
    pub fn open(
        settings: &Checked,
        clock: &Arc<Clock>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let prepared = Prepared::read(&settings.login)?;
        let (api, root) = reach(&settings.connection, None, clock, deadline)?;
        let provisioner = match &prepared {
            Prepared::Jwk { name, .. } => Some(("JWK", name)),
            Prepared::X5c { name, .. } => Some(("X5C", name)),
            Prepared::Ready(_) => None,
        };
        let provisioner = match provisioner {
            None => None,
            Some((kind, name)) => {
                let all = provisioners::list(&api, deadline)?;
                Some(provisioners::choose(&all, kind, name.as_deref())?)
            }
        };
        let (password, login_ends) = match &prepared {
            Prepared::Jwk { password, .. } => (password.clone(), None),
            Prepared::X5c { chain, .. } => (None, end_of(chain)),
            Prepared::Ready(_) => (None, None),
        };
        // Deriving a key from the password takes longer than asking for the roots.
        let (bearer, roots) = std::thread::scope(|scope| {
            let roots = scope.spawn(|| roots(settings, &api, root, deadline));
            let bearer = prepared.bearer(&api, provisioner.as_ref(), deadline);
            let roots = roots.join().unwrap_or_else(|panic| {
                std::panic::resume_unwind(panic);
            });
            (bearer, roots)
        });
        Ok(Self {
            bearer: bearer?,
            roots: roots?,
            provisioner,
            login_ends,
            password,
            api,
        })
    }

    /// With a certificate as the login, or nobody where it must not be shown.
    pub fn with_certificate(
        settings: &Checked,
        certificate: Option<ClientCertificate>,
        clock: &Arc<Clock>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let (api, root) = reach(&settings.connection, certificate, clock, deadline)?;
        Ok(Self {
            roots: roots(settings, &api, root, deadline)?,
            bearer: Bearer::Certificate,
            provisioner: None,
            login_ends: None,
            password: None,
            api,
        })
    }
}

fn end_of(chain: &[Vec<u8>]) -> Option<OffsetDateTime> {
    let leaf = Certificate::from_der(chain.first()?.clone()).ok()?;
    Some(leaf.window().not_after)
}

fn reach(
    connection: &Connection,
    certificate: Option<ClientCertificate>,
    clock: &Arc<Clock>,
    deadline: Instant,
) -> Result<(Api, Option<Vec<u8>>), AuthorityError> {
    let fetch = |client: &Client| pinned_root(client, connection, deadline);
    let Reached { client, root } = connection.open(certificate, Some(&fetch))?;
    let api = Api {
        client,
        clock: Arc::clone(clock),
        base: connection.url.clone(),
    };
    Ok((api, root))
}

/// `GET /root/{sha256}`, of a server that is not verified yet: 404 means that it has no such root.
fn pinned_root(
    client: &Client,
    connection: &Connection,
    deadline: Instant,
) -> Result<Vec<Certificate>, AuthorityError> {
    #[derive(Deserialize)]
    struct Answer {
        ca: String,
    }
    let Pinning::Fingerprint(pin) = &connection.trust else {
        return Ok(Vec::new());
    };
    let path = format!("/root/{}", HEXLOWER.encode(pin));
    let request = Request::get(connection.at(&path)).until(deadline);
    let response = client
        .send(&request)
        .map_err(|error| answer::failed(&error))?;
    let what = "GET /root (to compare with the pinned fingerprint)";
    if response.status == 404 {
        return Ok(Vec::new());
    }
    let answer: Answer = Api::read(what, &request, &response)?;
    certificates(what, &[answer.ca], &response)
}

/// `GET /roots`, over a connection that is trusted already: the pinned one may be on its way out.
fn roots(
    settings: &Checked,
    api: &Api,
    root: Option<Vec<u8>>,
    deadline: Instant,
) -> Result<Vec<Vec<u8>>, AuthorityError> {
    #[derive(Deserialize)]
    struct Answer {
        crts: Vec<String>,
    }
    if settings.has_anchors {
        return Ok(Vec::new());
    }
    let request = Request::get(api.at("/roots")).until(deadline);
    let response = api.ask(&request)?;
    let answer: Answer = Api::read("GET /roots", &request, &response)?;
    let listed = certificates("GET /roots", &answer.crts, &response)?;
    let mut roots: Vec<Vec<u8>> = root.into_iter().collect();
    for certificate in listed {
        if !roots.iter().any(|known| known == certificate.der()) {
            roots.push(certificate.der().to_vec());
        }
    }
    Ok(roots)
}

/// PEM texts, each with one certificate or more.
///
/// # Errors
/// [`AuthorityError::Unusable`] when there is none, or what stands there is none.
pub fn certificates(
    what: &str,
    pems: &[String],
    response: &Response,
) -> Result<Vec<Certificate>, AuthorityError> {
    let unusable = |reason: String| answer::unusable(what, &reason, response);
    let mut all = Vec::new();
    for text in pems {
        for der in pem::certificates(text.as_bytes()).map_err(|e| unusable(e.to_string()))? {
            all.push(Certificate::from_der(der).map_err(|e| unusable(e.to_string()))?);
        }
    }
    if all.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(all)
}

/// The login's secrets, read.
enum Prepared {
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
    fn read(login: &Login) -> Result<Self, AuthorityError> {
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
            Login::Token(source) => Self::Ready(Bearer::given(source.clone(), false)),
            Login::IdToken(source) => Self::Ready(Bearer::given(source.clone(), true)),
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

    fn bearer(
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
                format!("the key is not that of the provisioner \"{name}\""),
            )
            .fact("key_id", thumbprint)
            .fact("expected_key_id", expected)
            .hint("give the key of this provisioner, or name the provisioner of this key"),
        )));
    }
    Ok(signer)
}

fn unlocked(text: &str, password: &Secret, what: &str) -> Result<Signer, AuthorityError> {
    let jwk = jwe::open(text, password).map_err(|error| match error {
        JweError::WrongPassword => AuthorityError::Settings(Box::new(
            Finding::error(
                PASSWORD_WRONG,
                format!("the password does not open {what}"),
            )
            .hint(
                "give the password that was set when the provisioner was made (step ca provisioner add, \
                 or --provisioner-password-file of step ca init); a line end after it is not part of it",
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
    let blocks = pem::decode(plain.as_bytes()).map_err(|e| unusable(&e.to_string()))?;
    let der = blocks
        .into_iter()
        .find_map(|block| match block {
            pem::Block::PrivateKey(der) => Some(der),
            _ => None,
        })
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
