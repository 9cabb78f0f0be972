//! Whom Google takes us for: a token that is given, or one for credentials that are found as every
//! Google client finds them (AIP-4110): a file, else the metadata server.

mod exchange;
mod file;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use crate::authority::connection::{Connection, read_secret};
use crate::authority::{AuthorityError, answer, delivered};
use crate::finding::{Code, Finding};
use crate::net::{Client, ClientSettings, Request, Response, Trust};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const CREDENTIALS: Code = Code::new("google-credentials");

/// What the token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const METADATA_HOST: &str = "metadata.google.internal";

/// Where the access token comes from.
pub enum Login {
    /// It is given.
    Token(SecretSource),
    /// For credentials in this file.
    File(PathBuf),
    /// For those of gcloud, where this file is there, else for those of the machine.
    Machine {
        well_known: Option<PathBuf>,
        /// `GCE_METADATA_HOST`, where it is set.
        host: Option<String>,
    },
}

/// An access token, and whose it is.
pub struct Token {
    pub secret: Secret,
    /// In words, never with any of it.
    pub who: String,
    /// The project that pays for the requests of a person.
    pub quota_project: Option<String>,
}

/// The service and the token endpoints over TLS; the metadata server in the clear.
pub struct Clients {
    pub service: Client,
}

impl Clients {
    pub fn open(connection: &Connection) -> Result<Self, AuthorityError> {
        Ok(Self {
            service: connection.open(None, None)?.client,
        })
    }

    /// For what the machine itself or its hypervisor answers, and nothing else.
    fn metadata() -> Result<Client, AuthorityError> {
        let mut settings = ClientSettings::new(Trust::Nobody);
        settings.danger_plain_http = true;
        settings.connect_timeout = Duration::from_secs(3);
        settings.request_timeout = Duration::from_secs(10);
        settings.deadline = Duration::from_secs(15);
        Client::open(settings).map_err(|error| answer::unopened(&error))
    }

    fn send(&self, request: &Request) -> Result<Response, AuthorityError> {
        let near = match request.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_link_local(),
            Some(url::Host::Domain(name)) => name == METADATA_HOST,
            _ => false,
        };
        let sent = if near && request.url.scheme() == "http" {
            Self::metadata()?.send(request)
        } else {
            self.service.send(request)
        };
        sent.map_err(|error| answer::failed(&error))
    }
}

impl Login {
    /// By the environment.
    pub fn found(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name| environment(name).filter(|value| !value.is_empty());
        if let Some(path) = set("GOOGLE_APPLICATION_CREDENTIALS") {
            return Self::File(PathBuf::from(path));
        }
        let gcloud = set("CLOUDSDK_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config/gcloud")));
        Self::Machine {
            well_known: gcloud.map(|folder| folder.join("application_default_credentials.json")),
            host: set("GCE_METADATA_HOST"),
        }
    }

    pub const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Token(source) => Some(source),
            Self::File(_) | Self::Machine { .. } => None,
        }
    }

    /// The token for all orders of this run; `now` is for what has to be signed with a time.
    ///
    /// # Errors
    /// Credentials that are not there or cannot be used, and whatever asking for a token ends in.
    pub fn token(
        &self,
        clients: &Clients,
        now: OffsetDateTime,
        deadline: Instant,
    ) -> Result<Token, AuthorityError> {
        match self {
            Self::Token(source) => Ok(Token {
                secret: read_secret(source)?,
                who: "an access token".to_owned(),
                quota_project: None,
            }),
            Self::File(path) => file::read(path)?.token(clients, now, deadline),
            Self::Machine { well_known, host } => match well_known {
                Some(path) if path.is_file() => file::read(path)?.token(clients, now, deadline),
                _ => machine(host.as_deref(), deadline),
            },
        }
    }
}

/// What token endpoints and the metadata server answer (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

/// The service account of this machine, from the metadata server.
fn machine(host: Option<&str>, deadline: Instant) -> Result<Token, AuthorityError> {
    let what = "GET token of the metadata server";
    let place = host.unwrap_or(METADATA_HOST);
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let url = Url::parse(&format!("http://{place}/{path}")).map_err(|error| {
        unusable(
            &format!("GCE_METADATA_HOST is not a host: {error}"),
            SOURCES,
        )
    })?;
    let request = Request::get(url)
        .header("metadata-flavor", "Google")
        .until(deadline);
    let response = Clients::metadata()?.send(&request).map_err(|error| {
        if host.is_some() {
            return answer::failed(&error);
        }
        unusable(
            &format!("there are no Google credentials: {error}"),
            SOURCES,
        )
    })?;
    // Whatever else listens at this name knows nothing of the header.
    if response.header("metadata-flavor") != Some("Google") {
        return Err(answer::unusable(
            what,
            "it does not come from a metadata server (no Metadata-Flavor: Google)",
            &response,
        ));
    }
    match response.status {
        200 => {}
        404 => {
            return Err(unusable(
                "this machine has no service account",
                "give the machine a service account, or set credentials",
            ));
        }
        _ => {
            return Err(answer::turned_down_early(
                what, &request, &response, "no login",
            ));
        }
    }
    let granted: Granted = delivered::json(what, &response)?;
    Ok(Token {
        secret: Secret::from(granted.access_token),
        who: "the service account of this machine".to_owned(),
        quota_project: None,
    })
}

const SOURCES: &str = "set credentials or access_token, or GOOGLE_APPLICATION_CREDENTIALS, or run gcloud \
                       auth application-default login; on Google Cloud the machine's service account \
                       is taken";

fn unusable(summary: &str, hint: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(Finding::error(CREDENTIALS, summary).hint(hint)))
}
