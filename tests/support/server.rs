//! A scripted HTTPS server on loopback: every request is recorded, every answer is written by the
//! test, down to the bytes. One thread a connection; everything ends with the guard.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::lab::Identity;

/// Longer than any test waits; no connection outlives it.
const BOUND: Duration = Duration::from_secs(20);

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// The leaf that the client showed.
    pub client_certificate: Option<Vec<u8>>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What the server does next.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An HTTP/1.1 answer with its length stated.
    Http {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// These bytes instead of an answer, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then silence.
    Stalled(Vec<u8>),
    /// An answer of endless small pieces, one every tenth of a second.
    Dripping,
    /// The end of the connection.
    Close,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Http {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Http { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    #[must_use]
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Self {
        if let Self::Http { body, .. } = &mut self {
            *body = content.into();
        }
        self
    }
}

/// These replies in order, the last one from then on.
pub fn script(replies: impl Into<Vec<Reply>>) -> impl FnMut(&Asked) -> Reply + Send + 'static {
    let replies = replies.into();
    let mut at = 0;
    move |_| {
        let reply = replies[at.min(replies.len() - 1)].clone();
        at += 1;
        reply
    }
}

type Script = Box<dyn FnMut(&Asked) -> Reply + Send>;

struct Shared {
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Script>,
    connections: AtomicUsize,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Shared {
    fn wait_for_the_end(&self) {
        let guard = self.ended.lock().unwrap();
        let _ = self
            .end
            .wait_timeout_while(guard, BOUND, |ended| !*ended)
            .unwrap();
    }
}

pub struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    acceptor: Option<std::thread::JoinHandle<()>>,
}

impl FakeServer {
    pub fn https(
        identity: &Identity,
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let config = configuration(identity, None, rustls::ALL_VERSIONS);
        Self::start(Box::new(script), Some(config))
    }

    /// Requires a client certificate that leads to one of these roots.
    pub fn mtls(
        identity: &Identity,
        client_roots: &[Vec<u8>],
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let config = configuration(identity, Some(client_roots), rustls::ALL_VERSIONS);
        Self::start(Box::new(script), Some(config))
    }

    pub fn tls12(
        identity: &Identity,
        client_roots: Option<&[Vec<u8>]>,
        script: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let config = configuration(identity, client_roots, &[&rustls::version::TLS12]);
        Self::start(Box::new(script), Some(config))
    }

    pub fn http(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::start(Box::new(script), None)
    }

    /// Takes connections, writes these bytes when the client has written something, and closes
    /// (`true`) or keeps silent.
    pub fn bare(bytes: &'static [u8], close: bool) -> Self {
        Self::serve(Box::new(|_| Reply::Close), move |mut stream, shared, _| {
            if !bytes.is_empty() || close {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(bytes);
            }
            if !close {
                shared.wait_for_the_end();
            }
        })
    }

    /// An HTTP proxy that answers `CONNECT` by the script; after a 200 it connects to `target`,
    /// whatever the client named.
    pub fn proxy(target: SocketAddr, script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::serve(Box::new(script), move |stream, shared, number| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let Ok(Some(asked)) = read_request(&mut reader, number, None) else {
                return;
            };
            let reply = shared.answer(asked);
            let connects = matches!(reply, Reply::Http { status: 200, .. });
            let mut stream = stream;
            if write_reply(&mut stream, &reply).is_ok() && connects {
                tunnel(&stream, &TcpStream::connect(target).unwrap());
            }
        })
    }

    fn start(script: Script, config: Option<Arc<ServerConfig>>) -> Self {
        Self::serve(script, move |stream, shared, number| match &config {
            None => {
                let _ = converse(stream, shared, number, |_| None);
            }
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                let mut raw = stream.try_clone().unwrap();
                let stream = StreamOwned::new(connection, stream);
                let ended = converse(stream, shared, number, |stream| {
                    let chain = stream.conn.peer_certificates()?;
                    Some(chain.first()?.to_vec())
                });
                if ended.is_err() {
                    // Closing with unread bytes would reset the connection and lose the alert.
                    let _ = raw.shutdown(std::net::Shutdown::Write);
                    let _ = io::copy(&mut raw, &mut io::sink());
                }
            }
        })
    }

    fn serve(
        script: Script,
        connection: impl Fn(TcpStream, &Shared, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            script: Mutex::new(script),
            connections: AtomicUsize::new(0),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let stopping = Arc::new(AtomicBool::new(false));
        let connection = Arc::new(connection);
        let acceptor = {
            let (shared, stopping) = (Arc::clone(&shared), Arc::clone(&stopping));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    stream.set_read_timeout(Some(BOUND)).unwrap();
                    stream.set_write_timeout(Some(BOUND)).unwrap();
                    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                    let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
                    std::thread::spawn(move || connection(stream, &shared, number));
                }
            })
        };
        Self {
            address,
            shared,
            stopping,
            acceptor: Some(acceptor),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `https://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("https://{}{path}", self.address).parse().unwrap()
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        *self.shared.ended.lock().unwrap() = true;
        self.shared.end.notify_all();
        // Wakes the acceptor, which then sees that it should stop.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn answer(&self, asked: Asked) -> Reply {
        let reply = (self.script.lock().unwrap())(&asked);
        self.asked.lock().unwrap().push(asked);
        reply
    }
}

pub(super) fn configuration(
    identity: &Identity,
    client_roots: Option<&[Vec<u8>]>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match client_roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(CertificateDer::from(root.clone())).unwrap();
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = identity.chain.iter().cloned().map(CertificateDer::from);
    let key = PrivateKeyDer::Pkcs8(identity.key.clone().into());
    Arc::new(builder.with_single_cert(chain.collect(), key).unwrap())
}

fn converse<S: Read + Write>(
    stream: S,
    shared: &Shared,
    number: usize,
    client: impl Fn(&S) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(mut asked) = read_request(&mut reader, number, None)? else {
            return Ok(());
        };
        asked.client_certificate = client(reader.get_ref());
        match shared.answer(asked) {
            reply @ Reply::Http { .. } => write_reply(reader.get_mut(), &reply)?,
            Reply::Raw(bytes) => {
                reader.get_mut().write_all(&bytes)?;
                return reader.get_mut().flush();
            }
            Reply::Stalled(bytes) => {
                reader.get_mut().write_all(&bytes)?;
                reader.get_mut().flush()?;
                shared.wait_for_the_end();
                return Ok(());
            }
            Reply::Dripping => return drip(reader.get_mut()),
            Reply::Close => return Ok(()),
        }
    }
}

fn drip(stream: &mut impl Write) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    // Ends with the client, which no test keeps for longer than this.
    for _ in 0..200 {
        stream.write_all(b"1\r\nx\r\n")?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn write_reply(stream: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let Reply::Http {
        status,
        headers,
        body,
    } = reply
    else {
        return Ok(());
    };
    let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A tunnel has no body, and a 204 states no length (RFC 9110 section 8.6).
    if *status != 204 {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
    stream.flush()
}

fn read_request(
    reader: &mut impl BufRead,
    connection: usize,
    client_certificate: Option<Vec<u8>>,
) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked {
        method,
        path,
        headers,
        body,
        connection,
        client_certificate,
    }))
}

fn tunnel(client: &TcpStream, server: &TcpStream) {
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        })
    };
    let there = copy(client, server);
    let back = copy(server, client);
    let _ = (there.join(), back.join());
}
