//! instant-acme over certbake's own HTTP client. Its futures never wait: the client it is given has
//! answered when it returns, and the pauses between polls are ours, so no runtime is needed.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use time::OffsetDateTime;
use url::Url;

use super::directory::Directory;
use super::problem::{self, Document};
use super::session::Reached;
use crate::authority::waits::Teller;
use crate::authority::{AuthorityError, answer};
use crate::line;
use crate::net::{Client, Method, Repeat, Request, Response};
use crate::secret::Secret;

/// After this many attempts a server that cannot be reached is given up; one that answers 429 or 503
/// is asked until the deadline.
pub const LOST_ATTEMPTS: u32 = 4;

/// How often three nonces in a row may be called bad.
const NONCE_ATTEMPTS: u32 = 4;

/// The headers that instant-acme reads.
const HEADERS: &[&str] = &["replay-nonce", "location", "retry-after", "content-type"];

/// One conversation: whatever it asks must have ended at its deadline, and its last answer is kept,
/// since instant-acme's errors hold neither status nor `Retry-After`.
pub struct Wire {
    client: Arc<Client>,
    directory: Arc<Directory>,
    deadline: Instant,
    withheld: Vec<Secret>,
    teller: Teller,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    answered: Option<(Request, Arc<Response>)>,
    failed: Option<AuthorityError>,
    lost: bool,
    date: Option<OffsetDateTime>,
}

/// What is done, for messages.
#[derive(Clone, Copy)]
pub struct What<'a> {
    pub words: &'a str,
    /// Whether it is the proof of a name.
    pub challenge: bool,
}

impl<'a> What<'a> {
    pub const fn of(words: &'a str) -> Self {
        Self {
            words,
            challenge: false,
        }
    }
}

/// An exchange that did not end well.
pub struct Trouble {
    pub error: AuthorityError,
    /// The last part of the problem document's type.
    pub problem: Option<String>,
}

impl Trouble {
    pub fn reason(&self) -> String {
        self.error.clone().into_finding().summary
    }

    pub fn is(&self, problem: &str) -> bool {
        self.problem.as_deref() == Some(problem)
    }
}

impl From<Trouble> for AuthorityError {
    fn from(trouble: Trouble) -> Self {
        trouble.error
    }
}

impl Wire {
    pub fn new(reached: &Reached, deadline: Instant, withheld: Vec<Secret>) -> Arc<Self> {
        Arc::new(Self {
            client: Arc::clone(&reached.client),
            directory: Arc::clone(&reached.directory),
            deadline,
            withheld,
            teller: reached.teller.clone(),
            last: Mutex::default(),
        })
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Pauses between two questions, unless that would pass the deadline.
    pub fn rest(&self, wait: Duration, reason: &str, attempts: u32) -> bool {
        self.teller.rest(wait, self.deadline, reason, attempts)
    }

    /// The CA's clock at its last answer.
    pub fn date(&self) -> Option<OffsetDateTime> {
        self.last().date
    }

    /// How long the last answer asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        let last = self.last();
        last.answered
            .as_ref()
            .and_then(|(_, answer)| answer.retry_after())
    }

    /// Makes the call, and makes it again while the CA turns it away for the moment: 429, 503, and,
    /// where asking twice is the same as asking once, an answer that was lost.
    pub fn ask<T>(
        &self,
        what: What<'_>,
        repeat: Repeat,
        mut call: impl AsyncFnMut() -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.begin();
            let error = match at_once(call()) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let trouble = self.trouble(what, error);
            // Nothing was done, and instant-acme tries three only.
            if trouble.is("badNonce") && attempts < NONCE_ATTEMPTS {
                continue;
            }
            match self.pause(repeat, attempts) {
                Some(wait) if self.rest(wait, &trouble.reason(), attempts) => {}
                _ => return Err(trouble),
            }
        }
    }

    /// Whether the answer to the last request was lost: it may have been heard.
    pub fn was_lost(&self) -> bool {
        self.last().lost
    }

    fn pause(&self, repeat: Repeat, attempts: u32) -> Option<Duration> {
        let least = Duration::from_millis(250 << attempts.min(6).saturating_sub(1));
        let last = self.last();
        match (&last.answered, &last.failed) {
            (_, Some(_)) => {
                (last.lost && repeat == Repeat::Safe && attempts < LOST_ATTEMPTS).then_some(least)
            }
            (Some((_, answer)), None) if matches!(answer.status, 429 | 503) => {
                Some(answer.retry_after().map_or(least, |asked| asked.max(least)))
            }
            _ => None,
        }
    }

    /// What an error of instant-acme stands for, by the answer that it was made from.
    fn trouble(&self, what: What<'_>, error: Error) -> Trouble {
        let last = self.last();
        if let Some(error) = &last.failed {
            return Trouble {
                error: error.clone(),
                problem: None,
            };
        }
        let Some((request, response)) = &last.answered else {
            return problem::internal(what, &error);
        };
        if !(200..300).contains(&response.status) {
            let said = |text: &str| self.sanitized(text);
            return match Document::read(&response.body, &said) {
                Some(document) => document.trouble(what, response.status, &self.directory),
                None => Trouble {
                    error: answer::turned_down(what.words, request, response, "the account's key"),
                    problem: None,
                },
            };
        }
        if let Error::Api(said) = &error {
            return self.told(what, said);
        }
        let reason = self
            .sanitized(&error.to_string())
            .unwrap_or_else(|| "it cannot be read".to_owned());
        Trouble {
            error: answer::unusable(what.words, &reason, response),
            problem: None,
        }
    }

    /// A problem document that stands inside an answer.
    pub fn told(&self, what: What<'_>, problem: &instant_acme::Problem) -> Trouble {
        Document::of(problem, &|text| self.sanitized(text)).trouble(
            what,
            problem.status.unwrap_or(0),
            &self.directory,
        )
    }

    fn sanitized(&self, text: &str) -> Option<String> {
        let secrets = self.withheld.iter().map(Secret::expose);
        line::sanitized(&line::redacted(text.as_bytes(), secrets), 300)
    }

    /// The answer to the last request, for what is to be said of its content.
    pub fn unusable(&self, what: &str, reason: &str) -> AuthorityError {
        match &self.last().answered {
            Some((_, response)) => answer::unusable(what, reason, response),
            None => problem::internal(What::of(what), &Error::Str("there was no answer")).error,
        }
    }

    /// Sends one request and keeps what came of it.
    ///
    /// # Errors
    /// One without content: [`Wire::ask`] makes its own of what was kept.
    pub fn exchange(&self, request: Request) -> Result<Arc<Response>, Error> {
        let request = self
            .withheld
            .iter()
            .fold(request.until(self.deadline), Request::withhold);
        let answer = self.client.send(&request);
        let mut last = self.last();
        match answer {
            Ok(response) => {
                let response = Arc::new(response);
                last.date = response.date.or(last.date);
                last.answered = Some((request, Arc::clone(&response)));
                Ok(response)
            }
            Err(error) => {
                let failed = answer::failed(&error);
                // After several attempts nothing was heard, or the client asked again by itself.
                last.lost = error.attempts == 1 && matches!(failed, AuthorityError::Unreachable(_));
                last.failed = Some(failed);
                Err(Error::Str("no answer"))
            }
        }
    }

    /// A nonce of its own (RFC 8555 section 7.2).
    pub fn nonce(&self) -> Result<String, Error> {
        let url = self.directory.new_nonce.clone();
        let response = self.exchange(Request::new(Method::HEAD, url, Repeat::Safe))?;
        match response.header("replay-nonce") {
            Some(nonce) if response.status == 200 => Ok(nonce.to_owned()),
            _ => Err(Error::Str("a nonce")),
        }
    }

    fn begin(&self) {
        let mut last = self.last();
        last.answered = None;
        last.failed = None;
        last.lost = false;
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: Request) -> Result<BytesResponse, Error> {
        // Fetched once for all orders.
        if request.method == Method::GET && request.url == self.directory.url {
            return assemble(hyper::Response::builder(), self.directory.body.clone());
        }
        let response = self.exchange(request)?;
        let mut head = hyper::Response::builder().status(response.status);
        for name in HEADERS {
            if let Some(value) = response.header(name) {
                head = head.header(*name, value);
            }
        }
        assemble(head, response.body.clone())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

fn assemble(head: hyper::http::response::Builder, body: Vec<u8>) -> Result<BytesResponse, Error> {
    Ok(head.body(BodyWrapper::from(body))?.into())
}

/// The conversation as instant-acme's client.
pub struct Speaker(pub Arc<Wire>);

impl HttpClient for Speaker {
    fn request(
        &self,
        request: hyper::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let wire = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            // A CA that names a place by its path alone means itself.
            let url = wire.directory.url.join(&head.uri.to_string());
            let url: Url = url.map_err(|_| Error::Str("a URL that can be asked"))?;
            let request = if head.method == Method::POST {
                // Its nonce can be used once.
                Request::post(url, Repeat::Never, body.to_vec())
                    .header("content-type", "application/jose+json")
            } else {
                Request::new(head.method, url, Repeat::Safe)
            };
            wire.answer(request)
        })
    }
}

/// The output of a future that has nothing to wait for.
pub fn at_once<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => Err(Error::Str("an answer at once")),
    }
}
