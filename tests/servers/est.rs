//! GlobalSign's `estserver`: an EST server that nobody here wrote, with a CA of its own. It answers
//! HTTP Basic `testuser` / `xyzzy`, signs server and client authentication, and up to the CA's own end.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::{Running, free_port, program, tls};

pub const USER: &str = "testuser";
pub const PASSWORD: &str = "xyzzy";

/// A running `estserver`, its CA's files beside it; dropping it stops it.
pub struct EstServer {
    /// `https://localhost:PORT`, without the path of EST.
    pub url: String,
    /// `localhost:PORT`, as `estclient` wants it.
    pub authority: String,
    /// The CA's certificate, PEM: anchors of the TLS server and of what it signs.
    pub anchors: PathBuf,
    pub running: Running,
    directory: TempDir,
}

impl EstServer {
    /// Starts `estserver` with a fresh CA that lives for `ca_days`: the end of all that it signs.
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start(ca_days: u32) -> Option<Self> {
        let estserver = program("estserver")?;
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        tls::make_ca(files, "estserver CA", ca_days);
        let port = free_port();
        let authority = format!("localhost:{port}");
        let config = files.join("config.json");
        fs::write(&config, configuration(files, port).to_string()).unwrap();

        let arguments = ["-config".as_ref(), config.as_os_str()];
        let running = Running::start(&estserver, arguments, port, &files.join("estserver.log"));
        let url = format!("https://{authority}");
        Some(Self {
            url,
            authority,
            anchors: files.join("ca.pem"),
            running,
            directory,
        })
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn configuration(files: &Path, port: u16) -> serde_json::Value {
    json!({
        "mock_ca": { "certificates": files.join("ca.pem"), "private_key": files.join("ca.key") },
        "tls": {
            "listen_address": format!("localhost:{port}"),
            "certificates": files.join("server.pem"),
            "private_key": files.join("server.key"),
            "client_cas": [files.join("ca.pem")],
        },
        // estserver compares the whole Host header: most clients send the port, estclient does not.
        "allowed_hosts": ["localhost", format!("localhost:{port}"), format!("127.0.0.1:{port}")],
        "rate_limit": 1000,
        "timeout": 30,
        "log_file": files.join("requests.log"),
    })
}
