//! One connection: from TCP through TLS to the last request on it, each step with its bound.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::Answer;
use super::operations::{Asked, Operations};
use super::{Event, Events, Limits};
use crate::pki::Certificate;
use crate::secret::Secret;

/// How long a client that was turned down in the handshake is listened to.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all connections share.
pub(super) struct Connections {
    pub tls: Arc<ServerConfig>,
    pub limits: Limits,
    pub operations: Arc<Operations>,
    pub events: Events,
}

/// A browser or curl that speaks plain HTTP would otherwise see only garbage.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 37\r\n\r\nthis port speaks HTTPS: use https://\n";

impl Connections {
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        told: watch::Receiver<bool>,
    ) {
        // Answers are small and written whole: waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let trouble = |what: String| {
            (self.events)(Event::Trouble {
                peer: Some(peer),
                what,
            });
        };
        match timeout(self.limits.handshake, self.handshake(stream)).await {
            Ok(Ok(Some(stream))) => self.requests(stream, peer, told).await,
            Ok(Ok(None)) => trouble("plain HTTP on the HTTPS port".to_owned()),
            Ok(Err(error)) => trouble(format!("TLS handshake: {error}")),
            Err(_) => trouble("TLS handshake: timed out".to_owned()),
        }
    }

    /// `None` when the client speaks plain HTTP.
    async fn handshake(
        &self,
        mut stream: TcpStream,
    ) -> std::io::Result<Option<TlsStream<TcpStream>>> {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first[0].is_ascii_uppercase() {
            stream.write_all(PLAIN_HTTP).await?;
            let _ = timeout(FAREWELL, farewell(stream)).await;
            return Ok(None);
        }
        let accepting = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream);
        match accepting.into_fallible().await {
            Ok(stream) => Ok(Some(stream)),
            Err((error, stream)) => {
                // The alert alone tells the client why. Its loss is the client's.
                let _ = timeout(FAREWELL, farewell(stream)).await;
                Err(error)
            }
        }
    }

    async fn requests(
        self: &Arc<Self>,
        stream: TlsStream<TcpStream>,
        peer: SocketAddr,
        told: watch::Receiver<bool>,
    ) {
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let client: Arc<[Certificate]> = session
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .filter_map(|der| Certificate::from_der(der.to_vec()).ok())
            .collect();
        let activity = Arc::new(Activity::new());
        let service = service_fn(|request| {
            let connections = Arc::clone(self);
            let client = Arc::clone(&client);
            let busy = activity.begin();
            async move {
                let response = connections.request(request, peer, client).await;
                drop(busy);
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let stream = TokioIo::new(stream);
        if is_http2 {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(self.limits.head).unwrap_or(u32::MAX))
                .max_concurrent_streams(16);
            let connection = server.serve_connection(stream, service);
            self.drive(connection, &activity, told).await;
        } else {
            let mut server = http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.waiting)
                .max_buf_size(self.limits.head);
            let connection = server.serve_connection(stream, service);
            self.drive(connection, &activity, told).await;
        }
    }

    /// Drives a connection to its end, or ends it: when nothing has been asked for too long, and when
    /// the server stops.
    async fn drive<C: GracefulConnection>(
        &self,
        connection: C,
        activity: &Activity,
        mut told: watch::Receiver<bool>,
    ) {
        let mut connection = pin!(connection);
        let mut closing = *told.borrow();
        if closing {
            connection.as_mut().graceful_shutdown();
        }
        loop {
            tokio::select! {
                // What broke on the way is the client's: there is nobody left to tell.
                _ = connection.as_mut() => return,
                _ = told.changed(), if !closing => {
                    connection.as_mut().graceful_shutdown();
                    closing = true;
                }
                () = sleep(activity.patience(self.limits.waiting)) => {
                    if activity.patience(self.limits.waiting).is_zero() {
                        // Told once to end, it has had its time again.
                        if closing {
                            return;
                        }
                        connection.as_mut().graceful_shutdown();
                        closing = true;
                        activity.touch();
                    }
                }
            }
        }
    }

    async fn request(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        client: Arc<[Certificate]>,
    ) -> Response<Full<Bytes>> {
        let started = Instant::now();
        let wants_head_alone = request.method() == Method::HEAD;
        let method = request.method().to_string();
        let path = request.uri().path().to_owned();
        let answered = timeout(self.limits.request, self.answer(request, client)).await;
        let answer = answered.unwrap_or_else(|_| {
            Answer::refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long")
        });
        (self.events)(Event::Answered {
            peer,
            caller: plain(&answer.caller),
            method: plain(&method),
            path: plain(&path),
            status: answer.status.as_u16(),
            took: started.elapsed(),
            note: plain(&answer.note),
        });
        response(answer, wants_head_alone)
    }

    async fn answer(&self, request: Request<Incoming>, client: Arc<[Certificate]>) -> Answer {
        let (head, body) = request.into_parts();
        let limit = self.limits.body;
        if body.size_hint().lower() > limit as u64 {
            // Answered before it comes, and read on, or the client would see its connection break.
            tokio::spawn(timeout(self.limits.request, read(body, limit)));
            return too_large(limit);
        }
        let body = match read(body, limit).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let header = |name: HeaderName| head.headers.get(name).map(HeaderValue::as_bytes);
        let asked = Asked {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            content_type: header(CONTENT_TYPE)
                .map(|value| String::from_utf8_lossy(value).to_ascii_lowercase()),
            authorization: header(AUTHORIZATION).map(|value| Secret::new(value.to_vec())),
            body,
            client: client.to_vec(),
        };
        let operations = Arc::clone(&self.operations);
        // The log is synced to the disk before a certificate leaves.
        tokio::task::spawn_blocking(move || operations.answer(&asked))
            .await
            .unwrap_or_else(|_| {
                Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping")
            })
    }
}

/// Ends a connection whose client may still be sending: closed with something unread, it would be
/// reset, and the last that was written to it lost.
async fn farewell(mut stream: TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .map(drop)
}

/// The body whole. Somewhat more than the limit is read and thrown away: a client that is still
/// sending would see its connection break instead of the answer.
async fn read(mut body: Incoming, limit: usize) -> Result<Vec<u8>, Answer> {
    const PATIENCE: usize = 16;
    let mut kept = Vec::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Answer::refusal(StatusCode::BAD_REQUEST, "the body is truncated"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        size += data.len();
        if size <= limit {
            kept.extend_from_slice(&data);
        } else if size > limit * PATIENCE {
            break;
        }
    }
    if size > limit {
        return Err(too_large(limit));
    }
    Ok(kept)
}

fn too_large(limit: usize) -> Answer {
    Answer::refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("a request has at most {limit} bytes"),
    )
}

/// To HEAD the length is told and nothing sent: in HTTP/2 nobody else sees to that, and clients take a
/// body for a fault (RFC 9113 section 8.1.1).
fn response(answer: Answer, head_alone: bool) -> Response<Full<Bytes>> {
    let length = answer.body.len();
    let body = if head_alone {
        Bytes::new()
    } else {
        Bytes::from(answer.body)
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(&(name, value)) = answer.header {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE].contains(&answer.status) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// For one line of a log: what a client wrote cannot end it or colour it.
fn plain(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
}

/// What is going on on a connection, and since when nothing is.
struct Activity(Mutex<State>);

struct State {
    requests: usize,
    since: Instant,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(State {
            requests: 0,
            since: Instant::now(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.state().since = Instant::now();
    }

    fn begin(self: &Arc<Self>) -> Busy {
        self.state().requests += 1;
        Busy(Arc::clone(self))
    }

    /// How long the connection may still do nothing; a request under way has a bound of its own.
    fn patience(&self, longest: Duration) -> Duration {
        let state = self.state();
        if state.requests > 0 {
            longest
        } else {
            longest.saturating_sub(state.since.elapsed())
        }
    }
}

/// A request under way, until it is dropped.
struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests = state.requests.saturating_sub(1);
        state.since = Instant::now();
    }
}
