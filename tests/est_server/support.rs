//! A server in this process with bounds short enough for a test, and curl to speak to it.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use certbake::authority::embedded::server::{Clock, Config, Event, Limits, Server, Users};
use certbake::authority::embedded::{CaDirectory, NewCa};
use certbake::pki::{
    AltName, Certificate, KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage, pem, pkcs7,
};
use certbake::secret::Secret;
use data_encoding::BASE64;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::sync::oneshot;

pub const USER: &str = "builder:xyzzy-canary";

/// Long for a test that waits for a bound, short for one that waits for nothing.
pub const SHORT: Duration = Duration::from_millis(700);

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A running server; dropping it stops it.
pub struct Lab {
    pub directory: TempDir,
    pub address: SocketAddr,
    events: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// One user, who may ask for any name.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca");
        CaDirectory::make(&ca, &NewCa::default(), now()).unwrap();
        Self::in_directory(directory, Arc::new(now), change)
    }

    pub fn in_directory(
        directory: TempDir,
        clock: Clock,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let ca = CaDirectory::open(&directory.path().join("ca")).unwrap();
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), clock);
        config.users = Users::single("builder", Secret::from("xyzzy-canary".to_owned()));
        config.limits = Limits {
            handshake: SHORT,
            waiting: SHORT,
            request: SHORT,
            renewal: Duration::from_millis(50),
            ..Limits::default()
        };
        change(&mut config);
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let (stop, told) = oneshot::channel();
        let (tell, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let note = move |event: Event| seen.lock().unwrap().push(event.to_string());
                let server = Server::bind(ca, config, Arc::new(note)).await.unwrap();
                tell.send(server.address()).unwrap();
                server.run(async { drop(told.await) }).await;
            });
        });
        Self {
            address: address.recv().unwrap(),
            directory,
            events,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn ca(&self) -> CaDirectory {
        CaDirectory::open(&self.directory.path().join("ca")).unwrap()
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// A file beside the CA.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Asks with curl; `operation` may have a label before it.
    pub fn curl(&self, operation: &str, arguments: &[&str], body: Option<&[u8]>) -> Reply {
        let root = self.directory.path().join("ca/root.pem");
        let mut command = Command::new("curl");
        command
            .args([
                "-sS",
                "--max-time",
                "60",
                "--noproxy",
                "*",
                "-i",
                "--cacert",
            ])
            .arg(root)
            .args(arguments);
        if body.is_some() {
            command.args(["--data-binary", "@-", "-H", "Expect:"]);
        }
        let address = self.address;
        let mut child = command
            .arg(format!("https://{address}/.well-known/est/{operation}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A server may answer before it has read all: curl then stops reading.
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(body.unwrap_or_default());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Reply::parse(&output.stdout).unwrap_or_else(|| panic!("no answer: {errors}"))
    }

    /// Enrols as the user; the request is of a fresh key for `app.internal`.
    pub fn enrol(&self) -> Reply {
        let request = request(&key(), "app", &["dns:app.internal"]);
        self.curl("simpleenroll", &["-u", USER], Some(&base64(&request)))
    }

    /// The server still serves.
    pub fn assert_alive(&self) {
        let reply = self.enrol();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.certificate();
    }

    pub fn stop(mut self) -> Vec<String> {
        self.end();
        self.events()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    fn parse(answer: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    }

    pub fn certificates(&self) -> Vec<Certificate> {
        assert_eq!(self.status, 200, "{}", self.body);
        pkcs7::from_any(self.body.as_bytes())
            .unwrap()
            .into_iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect()
    }

    /// The one that was issued.
    pub fn certificate(&self) -> Certificate {
        let mut certificates = self.certificates();
        assert_eq!(certificates.len(), 1);
        certificates.remove(0)
    }
}

pub fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

pub fn request(key: &PrivateKey, common_name: &str, names: &[&str]) -> SigningRequest {
    request_for(key, common_name, names, Usage::Client)
}

pub fn request_for(key: &PrivateKey, name: &str, names: &[&str], usage: Usage) -> SigningRequest {
    let subject = Subject {
        common_name: Some(name.to_owned()),
        ..Subject::default()
    };
    let names = names.iter().map(|name| (*name).to_owned());
    let names = names.map(|name| AltName::try_from(name).unwrap()).collect();
    SigningRequest::new(key, subject, names, usage).unwrap()
}

pub fn base64(request: &SigningRequest) -> Vec<u8> {
    BASE64.encode(request.der()).into_bytes()
}

pub fn key_pem(key: &PrivateKey) -> String {
    pem::encode("PRIVATE KEY", key.expose_pkcs8())
}
