//! The client: one connection pool, one deadline, attempts counted.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use tokio::runtime::Runtime;
use url::{Host, Url};

use super::classify::{self, Attempt};
use super::error::{Endpoint, Failure, NetError, OpenError, UrlFault};
use super::late_alert;
use super::message::{Repeat, Request, Response, http_date};
use super::progress::{Lookup, Progress, Stage};
use super::retry::{UNREACHABLE_ATTEMPTS, backoff};
use super::runtime;
use super::settings::{ClientSettings, Proxy, ProxyServer, Trust, Waiting};
use super::tls;
use super::tls_reason::TlsReason;

const USER_AGENT: &str = concat!("certbake/", env!("CARGO_PKG_VERSION"));

/// A kept connection is closed after this long unused: a server may have closed its side, and the
/// next request would be lost.
const IDLE: Duration = Duration::from_secs(5);

/// None is begun with less time than this: it would be cut short, and hide what the one before was told.
const LEAST_ATTEMPT: Duration = Duration::from_millis(100);

/// An HTTP client over HTTPS. Connections are kept between requests; no redirect is followed, no
/// cookie kept, nothing decompressed.
pub struct Client {
    settings: ClientSettings,
    runtime: &'static Runtime,
    inner: reqwest::Client,
    tls: Arc<ClientConfig>,
    progress: Arc<Progress>,
    /// Answers whether a URL goes through the proxy.
    matcher: Option<(Matcher, ProxyServer)>,
}

impl Client {
    /// Reads the trust and starts the client; nothing is connected.
    ///
    /// # Errors
    /// When the roots, the client certificate or the proxy cannot be used.
    pub fn open(settings: ClientSettings) -> Result<Self, OpenError> {
        let progress = Progress::new();
        let config = tls::configuration(&settings, &progress)?;
        let runtime = runtime::started().map_err(|error| OpenError::Start {
            reason: error.to_string(),
        })?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config.clone())
            .dns_resolver(Arc::new(Lookup(Arc::clone(&progress))))
            .redirect(Policy::none())
            .referer(false)
            .user_agent(USER_AGENT)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .pool_idle_timeout(IDLE)
            .no_proxy();
        let matcher = match &settings.proxy {
            Proxy::Direct => None,
            Proxy::Through(server) => {
                builder = builder.proxy(server.for_reqwest()?);
                Some((server.matcher(), server.clone()))
            }
        };
        let inner = builder.build().map_err(|error| OpenError::Start {
            reason: error.without_url().to_string(),
        })?;
        Ok(Self {
            settings,
            runtime,
            inner,
            tls: Arc::new(config),
            progress,
            matcher,
        })
    }

    /// Sends the request, again where [`Repeat`] permits it and the failure passes, until the
    /// deadline. Any status but 3xx is an answer: 429 and 5xx too, when they last to the end.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt.
    pub fn send(&self, request: &Request) -> Result<Response, NetError> {
        self.wait_for(self.exchange(request))
    }

    /// As [`Client::send`], for one of many that one thread waits for.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt.
    pub async fn exchange(&self, request: &Request) -> Result<Response, NetError> {
        self.drive(&mut |_| Cow::Borrowed(request)).await
    }

    /// Waits on this thread for what sends by [`Client::exchange`].
    pub fn wait_for<F: Future>(&self, sends: F) -> F::Output {
        self.runtime.block_on(sends)
    }

    /// As [`Client::send`], with a request made anew for each attempt (counted from 1): for those
    /// that carry something which can be used once.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt.
    pub fn send_anew(&self, mut make: impl FnMut(u32) -> Request) -> Result<Response, NetError> {
        self.wait_for(self.drive(&mut |attempt| Cow::Owned(make(attempt))))
    }

    async fn drive<'r>(
        &self,
        next: &mut dyn FnMut(u32) -> Cow<'r, Request>,
    ) -> Result<Response, NetError> {
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let request = next(attempts);
            let endpoint = Endpoint::of(&request.url);
            let deadline = request.deadline.unwrap_or(started + self.settings.deadline);
            let outcome = match self.admit(&request) {
                Ok(()) => self.attempt(&request, deadline).await,
                Err(failure) => Err(Fault::unsent(failure)),
            };
            let wait = match &outcome {
                Ok(response) => wait_after_answer(request.repeat, response, attempts),
                Err(fault) => wait_after_fault(request.repeat, fault, attempts),
            };
            match wait {
                Some((wait, reason)) if Instant::now() + wait + LEAST_ATTEMPT < deadline => {
                    self.pause(&endpoint, reason, attempts, wait).await;
                }
                _ => {
                    return outcome
                        .map(|response| Response {
                            attempts,
                            ..response
                        })
                        .map_err(|fault| NetError {
                            endpoint,
                            failure: Box::new(fault.failure),
                            attempts,
                            elapsed: started.elapsed(),
                        });
                }
            }
        }
    }

    async fn pause(&self, endpoint: &Endpoint, reason: String, attempts: u32, wait: Duration) {
        if let Some(tell) = &self.settings.on_wait {
            tell(&Waiting {
                place: endpoint.to_string(),
                reason,
                attempts,
                wait,
            });
        }
        runtime::sleep(wait).await;
    }

    fn admit(&self, request: &Request) -> Result<(), Failure> {
        admissible(&request.url, self.settings.danger_plain_http).map_err(Failure::Url)?;
        let bare = request.secret_headers.is_empty() && request.body.is_empty();
        if matches!(self.settings.trust, Trust::Unverified(_)) && !bare {
            return Err(Failure::Url(UrlFault::Unverified));
        }
        Ok(())
    }

    /// How long an attempt may take; a timer that is due at once may yet fire after a fast server has
    /// been asked.
    fn time_for_one(&self, now: Instant, deadline: Instant) -> Result<Duration, Fault> {
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(Fault::unsent(Failure::TimedOut {
                stage: Stage::Resolving,
                after: left,
            }));
        }
        Ok(left.min(self.settings.request_timeout))
    }

    async fn attempt(&self, request: &Request, deadline: Instant) -> Result<Response, Fault> {
        runtime::catch_up().await;
        let started = Instant::now();
        let allowed = self.time_for_one(started, deadline)?;
        self.progress.begin();
        let failed = |error: &reqwest::Error, answered| {
            let attempt = Attempt {
                progress: &self.progress,
                answered,
                proxy: self.proxy_for(&request.url).map(ProxyServer::place),
                took: started.elapsed(),
            };
            Fault {
                failure: classify::failure(error, &attempt),
                nothing_sent: error.is_connect() || classify::is_untaken(error),
            }
        };
        let answer = match self.inner.execute(assemble(request, allowed)?).await {
            Ok(answer) => answer,
            Err(error) => {
                let fault = failed(&error, false);
                return Err(self.explained(fault, &request.url, deadline).await);
            }
        };
        let received = Instant::now();
        self.progress.answered();
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let header = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        if (300..400).contains(&status) {
            return Err(Fault::sent(Failure::Redirected {
                status,
                to: header("location").and_then(|to| redirect_target(&request.url, to)),
            }));
        }
        let date = header("date").and_then(http_date);
        let body = self.read(answer).await.map_err(|fault| match fault {
            ReadFault::TooLarge => Fault::sent(Failure::TooLarge {
                limit: self.settings.max_body,
            }),
            ReadFault::Broken(error) => failed(&error, true),
        })?;
        Ok(Response {
            status,
            body,
            date,
            received,
            attempts: 1,
            headers,
        })
    }

    /// A connection that ended for no reason told is asked once for an alert that was lost.
    async fn explained(&self, fault: Fault, url: &Url, deadline: Instant) -> Fault {
        let lost = matches!(fault.failure, Failure::Closed { .. }) && url.scheme() == "https";
        if !lost || self.proxy_for(url).is_some() || !self.progress.is_first_loss() {
            return fault;
        }
        match late_alert::hear(&self.tls, url, &self.progress.addresses(), deadline).await {
            Some(alert) => Fault {
                failure: Failure::Tls(TlsReason::Alert(alert)),
                ..fault
            },
            None => fault,
        }
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, ReadFault> {
        let limit = self.settings.max_body;
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(ReadFault::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(ReadFault::Broken)? {
            if (body.len() + piece.len()) as u64 > limit {
                return Err(ReadFault::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn proxy_for(&self, url: &Url) -> Option<&ProxyServer> {
        let (matcher, server) = self.matcher.as_ref()?;
        let uri = url.as_str().parse().ok()?;
        matcher.intercept(&uri).map(|_| server)
    }
}

enum ReadFault {
    TooLarge,
    Broken(reqwest::Error),
}

/// A failed attempt, and whether it ended before anything was sent.
struct Fault {
    failure: Failure,
    nothing_sent: bool,
}

impl Fault {
    fn unsent(failure: Failure) -> Self {
        Self {
            failure,
            nothing_sent: true,
        }
    }

    fn sent(failure: Failure) -> Self {
        Self {
            failure,
            nothing_sent: false,
        }
    }
}

fn wait_after_answer(
    repeat: Repeat,
    response: &Response,
    attempts: u32,
) -> Option<(Duration, String)> {
    let again = match repeat {
        Repeat::Safe => matches!(response.status, 429 | 502 | 503 | 504),
        Repeat::IfTurnedAway => matches!(response.status, 429 | 503),
        Repeat::Never => false,
    };
    again.then(|| {
        let least = backoff(attempts, jitter());
        let wait = response
            .retry_after()
            .map_or(least, |asked| asked.max(least));
        (wait, format!("answered {}", response.status))
    })
}

fn wait_after_fault(repeat: Repeat, fault: &Fault, attempts: u32) -> Option<(Duration, String)> {
    let again = fault.failure.is_transient()
        && attempts < UNREACHABLE_ATTEMPTS
        && (fault.nothing_sent || repeat == Repeat::Safe);
    again.then(|| (backoff(attempts, jitter()), fault.failure.to_string()))
}

fn jitter() -> u8 {
    let mut byte = [0];
    // Without randomness the wait is merely the full one.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

fn assemble(request: &Request, timeout: Duration) -> Result<reqwest::Request, Fault> {
    let mut built = reqwest::Request::new(request.method.clone(), request.url.clone());
    *built.timeout_mut() = Some(timeout);
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(value).map_err(|_| unfit(name))?;
        built.headers_mut().insert(header_name(name)?, value);
    }
    for (name, secret) in &request.secret_headers {
        let mut value = HeaderValue::from_bytes(secret.expose()).map_err(|_| unfit(name))?;
        value.set_sensitive(true);
        built.headers_mut().insert(header_name(name)?, value);
    }
    if !request.body.is_empty() {
        *built.body_mut() = Some(request.body.clone().into());
    }
    Ok(built)
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(name))
}

fn unfit(name: &str) -> Fault {
    Fault::unsent(Failure::Header {
        name: name.to_owned(),
    })
}

/// Host and port of a `Location`, and nothing else of it: its query may hold a token.
fn redirect_target(asked: &Url, location: &str) -> Option<String> {
    let to = asked.join(location).ok()?;
    to.host()?;
    Some(Endpoint::of(&to).to_string())
}

/// # Errors
/// When the URL carries credentials, has no host, or would be asked in the clear.
pub fn admissible(url: &Url, danger_plain_http: bool) -> Result<(), UrlFault> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::Credentials);
    }
    let Some(host) = url.host() else {
        return Err(UrlFault::NoHost);
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if danger_plain_http || is_loopback(&host) => Ok(()),
        "http" => Err(UrlFault::PlainHttp),
        _ => Err(UrlFault::Scheme),
    }
}

pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
