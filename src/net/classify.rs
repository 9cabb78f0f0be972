//! From reqwest's nested errors to a [`Failure`]: the typed errors inside decide, not the text.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::AlertDescription;

use super::alert::{self, Alert};
use super::error::{ConnectReason, Failure, ProxyReason};
use super::progress::{Progress, Stage};
use super::tls_reason::TlsReason;

/// What the classification needs to know beside the error itself.
pub(super) struct Attempt<'a> {
    pub(super) progress: &'a Progress,
    /// The head of its own answer has come.
    pub(super) answered: bool,
    /// `host:port` of the proxy in between.
    pub(super) proxy: Option<String>,
    pub(super) took: Duration,
}

impl Attempt<'_> {
    /// The answer that is being read may be another request's.
    fn stage(&self) -> Stage {
        match self.progress.stage() {
            _ if self.answered => Stage::Reading,
            Stage::Reading => Stage::Awaiting,
            stage => stage,
        }
    }
}

pub(super) fn failure(error: &reqwest::Error, attempt: &Attempt<'_>) -> Failure {
    let mut stage = attempt.stage();
    // Without TLS nothing notes that TCP is there.
    let plain = error.url().is_some_and(|url| url.scheme() == "http");
    if plain && !error.is_connect() {
        stage = stage.max(Stage::Awaiting);
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return Failure::Tls(TlsReason::of(tls, &attempt.progress.presented()));
    }
    if let Some(alert) = alert(error) {
        return Failure::Tls(TlsReason::Alert(alert));
    }
    if error.is_timeout() {
        return timed_out(attempt, stage);
    }
    if error.is_dns() {
        return resolve(error, attempt);
    }
    if error.is_connect() {
        return connect(error, attempt, stage);
    }
    let lost = deepest::<io::Error>(error).is_some_and(|error| is_lost(error.kind()));
    match find::<hyper::Error>(error) {
        Some(hyper)
            if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() =>
        {
            Failure::Closed { stage }
        }
        _ if lost => Failure::Closed { stage },
        _ => Failure::Garbage {
            reason: innermost(error),
        },
    }
}

/// Before TLS begins, only the proxy has been asked for anything.
fn timed_out(attempt: &Attempt<'_>, stage: Stage) -> Failure {
    let after = attempt.took;
    match &attempt.proxy {
        Some(proxy) if stage <= Stage::Connecting => Failure::Proxy {
            proxy: proxy.clone(),
            reason: ProxyReason::TimedOut { after },
        },
        _ => Failure::TimedOut { stage, after },
    }
}

/// Whether the connection had ended before it took the request, so that nothing of that was sent.
pub(super) fn is_untaken(error: &reqwest::Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

/// HTTP/2 keeps of what ended a connection the kind and the words (h2's `Error::Io`). Over TLS 1.3 a
/// server turns our client certificate down only after our own handshake, so there it comes as such.
pub(super) fn alert(error: &(dyn Error + 'static)) -> Option<Alert> {
    let words = innermost(error);
    let said = |number: &u8| {
        let received = rustls::Error::AlertReceived(AlertDescription::from(*number));
        received.to_string() == words
    };
    (0..=u8::MAX).find(said).map(alert::of)
}

fn is_lost(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

fn resolve(error: &reqwest::Error, attempt: &Attempt<'_>) -> Failure {
    let text = innermost(error);
    // getaddrinfo's EAI_AGAIN comes as text only: glibc's words, then musl's.
    let temporary = ["Temporary failure", "Try again"]
        .iter()
        .any(|words| text.contains(words))
        || deepest::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::WouldBlock);
    let reason = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text)
        .to_owned();
    // With a proxy in between, its name alone is looked up here.
    match &attempt.proxy {
        Some(proxy) => Failure::Proxy {
            proxy: proxy.clone(),
            reason: ProxyReason::Resolve(reason),
        },
        None => Failure::Resolve { reason, temporary },
    }
}

fn connect(error: &reqwest::Error, attempt: &Attempt<'_>, stage: Stage) -> Failure {
    let reason = connect_reason(error);
    // Past TCP: the other side closed or reset inside the handshake.
    if stage >= Stage::Handshaking && deepest::<io::Error>(error).is_some_and(|e| is_lost(e.kind()))
    {
        return Failure::Tls(TlsReason::Closed);
    }
    match &attempt.proxy {
        Some(proxy) => Failure::Proxy {
            proxy: proxy.clone(),
            reason: proxy_reason(error, reason),
        },
        None => Failure::Connect {
            reason,
            addresses: attempt.progress.addresses(),
        },
    }
}

fn connect_reason(error: &reqwest::Error) -> ConnectReason {
    match deepest::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => ConnectReason::Refused,
        Some(io::ErrorKind::HostUnreachable) => ConnectReason::HostUnreachable,
        Some(io::ErrorKind::NetworkUnreachable) => ConnectReason::NetworkUnreachable,
        Some(kind) if is_lost(kind) => ConnectReason::Reset,
        _ => ConnectReason::Other(innermost(error)),
    }
}

/// hyper-util keeps the type of its tunnel's error to itself; its words are pinned by the tests.
fn proxy_reason(error: &reqwest::Error, reason: ConnectReason) -> ProxyReason {
    match causes(error)
        .map(ToString::to_string)
        .find_map(|text| text.strip_prefix("tunnel error: ").map(str::to_owned))
        .as_deref()
    {
        Some("proxy authorization required") => ProxyReason::WantsCredentials,
        Some("unsuccessful" | "unexpected end of file" | "proxy response headers too long") => {
            ProxyReason::TurnedDown
        }
        _ => ProxyReason::Connect(reason),
    }
}

/// The error and everything behind it. An `io::Error` answers `source()` with what stands behind
/// the error it wraps, so the wrapped one is taken out by `get_ref`.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn Error + 'static)| {
        error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source())
    })
}

fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn deepest<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error)
        .filter_map(|error| error.downcast_ref())
        .last()
}

/// The words of the last cause: the ones above it repeat where it happened, and may hold the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}
