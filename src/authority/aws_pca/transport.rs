//! Amazon's clients over our own network client: its trust, proxies, limits and deadlines.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use time::OffsetDateTime;
use tokio::sync::oneshot;
use url::Url;

use crate::net::{Client, ClientSettings, Method, Proxy, Repeat, Request, Response, Trust};
use crate::secret::Secret;
use crate::thread;

/// Headers that hold a signature or a token.
const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "x-amz-security-token",
    "x-aws-ec2-metadata-token",
    "x-amz-sso_bearer_token",
];

/// One client, asked until a deadline, again where that is safe.
#[derive(Clone)]
pub struct Transport {
    client: Arc<Client>,
    repeat: Repeat,
    deadline: Option<Instant>,
    /// Must not come back in an error.
    withheld: Vec<Secret>,
    date: Arc<Mutex<Option<OffsetDateTime>>>,
}

impl Transport {
    /// For requests that may be sent twice: those that read, and orders under one idempotency token.
    pub fn new(client: Arc<Client>, withheld: Vec<Secret>, deadline: Instant) -> Self {
        Self {
            client,
            repeat: Repeat::Safe,
            deadline: Some(deadline),
            withheld,
            date: Arc::default(),
        }
    }

    /// The clock of whoever answered last.
    pub fn date(&self) -> Option<OffsetDateTime> {
        *self.date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(
        &self,
        request: HttpRequest,
        patience: Option<Duration>,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut request = translated(request)?;
        request.repeat = self.repeat;
        request.deadline = self.deadline;
        if let Some(patience) = patience {
            let soon = Instant::now() + patience;
            request.deadline = Some(self.deadline.map_or(soon, |deadline| deadline.min(soon)));
        }
        let request = self
            .withheld
            .iter()
            .fold(request, |request, secret| request.withhold(secret));
        let response = self.client.send(&request).map_err(unanswered)?;
        if response.date.is_some() {
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = response.date;
        }
        answered(&request, response)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            transport: self.clone(),
            patience: patience(settings),
        })
    }
}

/// A transport with the time-outs of one operation.
#[derive(Debug)]
struct Connector {
    transport: Transport,
    patience: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (transport, patience) = (self.transport.clone(), self.patience);
        off_the_runtime(move || transport.send(request, patience))
    }
}

/// The client of the login chain. It is made when the chain wants the network at all: profiles and
/// variables need none. Services of the instance (IMDS, container credentials) are asked in the
/// clear, at addresses that Amazon's client checks, and never through a proxy.
#[derive(Clone)]
pub struct ChainTransport {
    proxy: Proxy,
}

impl ChainTransport {
    pub const fn new(proxy: Proxy) -> Self {
        Self { proxy }
    }

    fn open(&self, in_the_clear: bool) -> Result<Transport, ConnectorError> {
        let trust = if in_the_clear {
            Trust::Nobody
        } else {
            Trust::System
        };
        let mut settings = ClientSettings::new(trust);
        settings.danger_plain_http = in_the_clear;
        if !in_the_clear {
            settings.proxy = self.proxy.clone();
        }
        let client = Client::open(settings)
            .map_err(|error| ConnectorError::user(error.to_string().into()))?;
        Ok(Transport {
            client: Arc::new(client),
            // The chain repeats by itself.
            repeat: Repeat::Never,
            deadline: None,
            withheld: Vec::new(),
            date: Arc::default(),
        })
    }
}

impl fmt::Debug for ChainTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainTransport").finish_non_exhaustive()
    }
}

impl HttpClient for ChainTransport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ChainConnector {
            chain: self.clone(),
            patience: patience(settings),
        })
    }
}

#[derive(Debug)]
struct ChainConnector {
    chain: ChainTransport,
    patience: Option<Duration>,
}

impl HttpConnector for ChainConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (chain, patience) = (self.chain.clone(), self.patience);
        off_the_runtime(move || {
            let in_the_clear = request.uri().starts_with("http://");
            chain.open(in_the_clear)?.send(request, patience)
        })
    }
}

fn patience(settings: &HttpConnectorSettings) -> Option<Duration> {
    match (settings.connect_timeout(), settings.read_timeout()) {
        (None, None) => None,
        (connect, read) => Some(connect.unwrap_or_default() + read.unwrap_or_default()),
    }
}

/// Our client blocks, which a runtime's own thread must not.
fn off_the_runtime(
    send: impl FnOnce() -> Result<HttpResponse, ConnectorError> + Send + 'static,
) -> HttpConnectorFuture {
    HttpConnectorFuture::new(async move {
        let (answer, answered) = oneshot::channel();
        // Nobody listens any more when the deadline has passed.
        thread::spawn(move || drop(answer.send(send())))
            .map_err(|error| ConnectorError::other(error.into(), None))?;
        answered
            .await
            .unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None)))
    })
}

fn translated(request: HttpRequest) -> Result<Request, ConnectorError> {
    let unfit = |reason: String| ConnectorError::user(reason.into());
    let url = Url::parse(request.uri()).map_err(|error| unfit(error.to_string()))?;
    let method = Method::from_bytes(request.method().as_bytes())
        .map_err(|error| unfit(error.to_string()))?;
    let body = request
        .body()
        .bytes()
        .ok_or_else(|| unfit("the request's body is a stream".to_owned()))?;
    let mut translated = Request::new(method, url, Repeat::Never).with_body(body.to_vec());
    for (name, value) in request.headers() {
        // Computed from the body; the host is that of the URL.
        if matches!(name, "content-length" | "host") {
            continue;
        }
        translated = if SECRET_HEADERS.contains(&name) {
            translated.secret_header(name.to_owned(), Secret::from(value.to_owned()))
        } else {
            translated.header(name.to_owned(), value)
        };
    }
    Ok(translated)
}

/// The [`crate::net::NetError`] travels inside, for `answer::failed` to make a finding of.
fn unanswered(error: crate::net::NetError) -> ConnectorError {
    use crate::net::Failure;
    let kind = match *error.failure {
        Failure::TimedOut { .. } => ConnectorError::timeout,
        Failure::Url(_) | Failure::Header { .. } => ConnectorError::user,
        _ => ConnectorError::io,
    };
    kind(Box::new(error))
}

fn answered(request: &Request, response: Response) -> Result<HttpResponse, ConnectorError> {
    let status = response
        .status
        .try_into()
        .map_err(|_| ConnectorError::other("a status below 100".into(), None))?;
    let headers: Vec<(String, String)> = response
        .all_headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let body = if response.status < 400 {
        response.body
    } else {
        request.redacted(&response.body)
    };
    let mut answered = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in headers {
        answered.headers_mut().append(name, value);
    }
    Ok(answered)
}
