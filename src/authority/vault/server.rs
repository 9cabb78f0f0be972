//! Vault over HTTP: paths below `/v1`, its headers, what is asked again, and what its answers hold.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::settings::Checked;
use crate::authority::connection::under;
use crate::authority::waits::Teller;
use crate::authority::{AuthorityError, answer};
use crate::net::{Client, Failure, Method, Repeat, Request, Response};
use crate::secret::Secret;

/// How often an answer that speaks of a fault is asked for again, and after which wait: as Vault's
/// own client does.
const FAULTS: u32 = 2;
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// A client that trusts the right server.
pub struct Server {
    client: Client,
    base: Url,
    namespace: Option<String>,
    teller: Teller,
}

impl Server {
    pub fn open(settings: &Checked) -> Result<Self, AuthorityError> {
        Ok(Self {
            client: settings.connection.open(None, None)?.client,
            base: settings.connection.url.clone(),
            namespace: settings.namespace.clone(),
            teller: settings.connection.teller(),
        })
    }

    pub fn get(&self, path: &str, deadline: Instant) -> Request {
        self.dress(Request::get(self.url(path)), deadline)
    }

    /// One that is only asked once: what its status says is the answer, 429 and 503 too. It is
    /// outside of every namespace.
    pub fn health(&self, deadline: Instant) -> Request {
        let mut url = self.url("sys/health");
        url.set_query(Some("standbyok=true&perfstandbyok=true"));
        headed(Request::new(Method::GET, url, Repeat::Never)).until(deadline)
    }

    pub fn post(&self, path: &str, repeat: Repeat, body: &Value, deadline: Instant) -> Request {
        let request = Request::post(self.url(path), repeat, body.to_string().into_bytes());
        self.dress(request.header("content-type", "application/json"), deadline)
    }

    fn url(&self, path: &str) -> Url {
        under(&self.base, &format!("/v1/{path}"))
    }

    fn dress(&self, request: Request, deadline: Instant) -> Request {
        let request = headed(request).until(deadline);
        match &self.namespace {
            Some(namespace) => request.header("x-vault-namespace", namespace.clone()),
            None => request,
        }
    }

    /// Any status is an answer. 412 (a standby that has not caught up) says that nothing was done; after a
    /// fault Vault may have signed, or used up a login. Each is asked about again a few times, where it may be.
    pub fn send(&self, request: &Request) -> Result<Response, AuthorityError> {
        let deadline = request.deadline.unwrap_or_else(Instant::now);
        let waits = self.teller.waits(deadline);
        let mut waits = waits.between(AFTER_FAULT, AFTER_FAULT);
        let mut faults = 0;
        loop {
            let mut response = self
                .client
                .send(request)
                .map_err(|error| match *error.failure {
                    Failure::Redirected { .. } => elsewhere(error.finding()),
                    _ => answer::failed(&error),
                })?;
            let passes = match response.status {
                412 => request.repeat != Repeat::Never,
                500 | 502 => request.repeat == Repeat::Safe && !lacks_issuer(&response),
                _ => false,
            };
            let again = passes && faults < FAULTS;
            let reason = format!("answered {}", response.status);
            if !again || waits.pause(None, &reason).is_err() {
                response.attempts += faults;
                return Ok(response);
            }
            faults += 1;
        }
    }
}

/// Vault's 500 for a mount without a default issuer, or without the one that is named: it does not pass.
pub fn lacks_issuer(response: &Response) -> bool {
    let said = String::from_utf8_lossy(&response.body);
    response.status == 500
        && [
            "no default issuer currently configured",
            "unable to find PKI issuer",
        ]
        .iter()
        .any(|words| said.contains(words))
}

/// `X-Vault-Request` shows an agent or proxy in between that no web page made us ask.
fn headed(request: Request) -> Request {
    request.header("x-vault-request", "true")
}

pub fn with_token(request: Request, token: &Secret) -> Request {
    request.secret_header("x-vault-token", token.clone())
}

/// A standby that is told not to forward points to the active node.
fn elsewhere(finding: crate::finding::Finding) -> AuthorityError {
    AuthorityError::Unreachable(Box::new(finding.hint(
        "this is a standby that does not forward requests: give the address of the active node, or \
         of a load balancer that finds it",
    )))
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
pub struct Answer<T> {
    pub data: Option<T>,
    pub auth: Option<Auth>,
    pub warnings: Option<Vec<String>>,
    pub lease_id: Option<String>,
}

/// What a login answers.
#[derive(Deserialize)]
pub struct Auth {
    #[serde(default)]
    pub client_token: String,
    /// `batch` tokens cannot be revoked.
    pub token_type: Option<String>,
    /// How often it may be used; 0 is no limit.
    pub num_uses: Option<u64>,
    /// Seconds until it ends.
    #[serde(default)]
    pub lease_duration: i64,
    pub mfa_requirement: Option<Value>,
}

/// # Errors
/// [`AuthorityError::Unusable`] without any of what stands there.
pub fn read<T: DeserializeOwned>(
    what: &str,
    response: &Response,
) -> Result<Answer<T>, AuthorityError> {
    serde_json::from_slice(&response.body)
        .map_err(|_| answer::unusable(what, "it is not an answer from Vault", response))
}

/// The part of an answer that all but logins have.
pub fn data<T: DeserializeOwned>(what: &str, response: &Response) -> Result<T, AuthorityError> {
    read(what, response)?
        .data
        .ok_or_else(|| answer::unusable(what, "it contains no data", response))
}
