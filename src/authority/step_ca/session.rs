//! What stands between settings and the first order: a client that trusts the right server, the
//! login's key, unlocked, and the CA's roots.

use std::sync::Arc;
use std::time::Instant;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use url::Url;

use super::clocks::Clocks;
use super::login::Prepared;
use super::provisioners::{self, Provisioner};
use super::settings::Checked;
use super::token::Bearer;
use crate::authority::connection::{Connection, Pinning, Reached, under};
use crate::authority::{AuthorityError, answer, delivered};
use crate::net::{Client, ClientCertificate, Request, Response};
use crate::pki::Certificate;
use crate::secret::Secret;
use crate::thread;

/// The CA's API over one client.
pub struct Api {
    pub client: Client,
    pub clocks: Arc<Clocks>,
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
        self.clocks.hear(&response);
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
        delivered::json(what, response)
    }
}

impl Session {
    /// With the login of the settings. Secrets are read before anything is asked.
    pub fn open(
        settings: &Checked,
        clocks: &Arc<Clocks>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let prepared = Prepared::read(&settings.login)?;
        let (api, root) = reach(&settings.connection, None, clocks, deadline)?;
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
        let (roots, bearer) = thread::both(
            || roots(settings, &api, root.as_deref(), deadline),
            || prepared.bearer(&api, provisioner.as_ref(), deadline),
        );
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
        clocks: &Arc<Clocks>,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let (api, root) = reach(&settings.connection, certificate, clocks, deadline)?;
        Ok(Self {
            roots: roots(settings, &api, root.as_deref(), deadline)?,
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
    clocks: &Arc<Clocks>,
    deadline: Instant,
) -> Result<(Api, Option<Vec<u8>>), AuthorityError> {
    let fetch = |client: &Client| pinned_root(client, connection, deadline);
    let Reached { client, root } = connection.open(certificate, Some(&fetch))?;
    let api = Api {
        client,
        clocks: Arc::clone(clocks),
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
    root: Option<&[u8]>,
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
    let mut roots: Vec<Vec<u8>> = root.iter().map(|root| root.to_vec()).collect();
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
    let texts = pems.iter().filter(|text| !text.is_empty());
    let all = delivered::certificates(what, response, texts.map(String::as_bytes))?;
    if all.is_empty() {
        return Err(answer::unusable(
            what,
            "it contains no certificate",
            response,
        ));
    }
    Ok(all)
}
