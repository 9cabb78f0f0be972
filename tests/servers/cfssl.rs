//! Cloudflare's `cfssl serve` and `multirootca`, each with a CA of its own that signs only what is
//! asked with its HMAC key, at `authsign`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Running, curl, free_port, program, tls};

/// The HMAC key, hexadecimal, as `auth_keys` hold it. Found nowhere but in what leaks it.
pub const KEY: &str = "c0ffee11d00d4be57a5cade0b5e55ed1";
/// Client authentication, 72 hours.
pub const PROFILE: &str = "client";
/// The name of the only CA of `multirootca`.
pub const LABEL: &str = "primary";

/// How a client reaches the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
    /// TLS with a client certificate of the CA; `multirootca` cannot.
    MutualTls,
}

/// A running `cfssl serve` or `multirootca`; dropping it stops it.
pub struct Cfssl {
    /// `http://` or `https://`, then `localhost:PORT`.
    pub url: String,
    /// The CA's certificate, PEM: anchors of the TLS server and of what it signs.
    pub anchors: PathBuf,
    pub running: Running,
    directory: TempDir,
}

impl Cfssl {
    /// `cfssl serve`. None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start(transport: Transport) -> Option<Self> {
        let cfssl = program("cfssl")?;
        let (directory, config) = prepare();
        let files = directory.path();
        let port = free_port();
        let (port_text, ca, ca_key) = (
            port.to_string(),
            path(files, "ca.pem"),
            path(files, "ca.key"),
        );
        let mut arguments = vec!["serve", "-address", "127.0.0.1", "-port", &port_text];
        arguments.extend(["-ca", &ca, "-ca-key", &ca_key, "-config", &config]);
        let server = [path(files, "server.pem"), path(files, "server.key")];
        if transport != Transport::Plain {
            arguments.extend(["-tls-cert", &server[0], "-tls-key", &server[1]]);
        }
        if transport == Transport::MutualTls {
            arguments.extend(["-mutual-tls-ca", &ca]);
        }
        let running = Running::start(&cfssl, arguments, port, &files.join("cfssl.log"));
        Some(Self::started(transport, port, running, directory))
    }

    /// `multirootca` with one CA of the name [`LABEL`].
    pub fn start_multirootca(transport: Transport) -> Option<Self> {
        assert!(
            transport != Transport::MutualTls,
            "multirootca asks for no client certificate"
        );
        let multirootca = program("multirootca")?;
        let (directory, config) = prepare();
        let files = directory.path();
        let roots = files.join("roots.conf");
        let (ca, ca_key) = (path(files, "ca.pem"), path(files, "ca.key"));
        let section = format!(
            "[ {LABEL} ]\nprivate = file://{ca_key}\ncertificate = {ca}\nconfig = {config}\n"
        );
        fs::write(&roots, section).unwrap();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut arguments = vec![
            "-a",
            &address,
            "-l",
            LABEL,
            "-roots",
            roots.to_str().unwrap(),
        ];
        let server = [path(files, "server.pem"), path(files, "server.key")];
        if transport == Transport::Tls {
            arguments.extend(["-tls-cert", &server[0], "-tls-key", &server[1]]);
        }
        let running = Running::start(
            &multirootca,
            arguments,
            port,
            &files.join("multirootca.log"),
        );
        Some(Self::started(transport, port, running, directory))
    }

    fn started(transport: Transport, port: u16, running: Running, directory: TempDir) -> Self {
        let scheme = if transport == Transport::Plain {
            "http"
        } else {
            "https"
        };
        Self {
            url: format!("{scheme}://localhost:{port}"),
            anchors: directory.path().join("ca.pem"),
            running,
            directory,
        }
    }

    /// Ends the server; its files stay until the directory is dropped.
    pub fn stop(self) -> TempDir {
        drop(self.running);
        self.directory
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client's certificate and key, for [`Transport::MutualTls`].
    pub fn client(&self) -> (PathBuf, PathBuf) {
        tls::make_client(self.directory(), "builder", 30)
    }

    /// Sends `body` to `/api/v1/cfssl/ENDPOINT`; `arguments` are curl's.
    pub fn ask(&self, endpoint: &str, arguments: &[&str], body: &Value) -> Value {
        let url = format!("{}/api/v1/cfssl/{endpoint}", self.url);
        curl::json(&url, Some(&self.anchors), arguments, Some(body))
    }
}

/// A CA, and the configuration that says what it signs.
fn prepare() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path();
    tls::make_ca(files, "cfssl CA", 30);
    let config = json!({
        "signing": {
            "default": { "expiry": "24h", "usages": ["digital signature", "client auth"], "auth_key": "builder" },
            "profiles": {
                PROFILE: { "expiry": "72h", "usages": ["digital signature", "client auth"], "auth_key": "builder" },
            },
        },
        "auth_keys": { "builder": { "type": "standard", "key": KEY } },
    });
    fs::write(files.join("config.json"), config.to_string()).unwrap();
    let config = path(files, "config.json");
    (directory, config)
}

fn path(files: &Path, name: &str) -> String {
    files.join(name).to_str().unwrap().to_owned()
}
