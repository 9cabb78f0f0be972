//! Let's Encrypt's Pebble: an ACME server that trusts nobody's habits. Every name resolves to
//! 127.0.0.1, by a name server of its own; what it signs comes from a root it makes when it starts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::names::NameServer;
use super::{Running, curl, free_port, program, tls};

/// The external account that is known where one is required: key id, and base64url HMAC key.
pub const EXTERNAL_ACCOUNT: (&str, &str) = (
    "kid-1",
    "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
);

/// How a Pebble differs from the quiet one of `Options::default()`.
pub struct Options {
    /// How many of 100 good nonces it calls bad.
    pub rejected_nonces: u8,
    /// Whether a new account needs [`EXTERNAL_ACCOUNT`].
    pub external_account: bool,
    /// Name and seconds of each profile; none leaves Pebble's own `default`, five years.
    pub profiles: Vec<(&'static str, u64)>,
    /// How many intermediates there are above a certificate.
    pub intermediates: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rejected_nonces: 0,
            external_account: false,
            profiles: Vec::new(),
            intermediates: 1,
        }
    }
}

/// A running Pebble; dropping it stops it.
pub struct Pebble {
    /// The ACME directory, `https://127.0.0.1:PORT/dir`.
    pub url: String,
    /// Anchors of the TLS server, PEM.
    pub anchors: PathBuf,
    /// `https://127.0.0.1:PORT`: `/roots/0`, `/intermediates/0`, `/cert-status-by-serial/…`.
    pub management: String,
    /// The root above what it signs, PEM.
    pub root: PathBuf,
    /// Where it looks for http-01.
    pub http_port: u16,
    /// Where it looks for tls-alpn-01.
    pub tls_port: u16,
    /// Who answers its questions for names; takes TXT records for dns-01.
    pub names: NameServer,
    pub running: Running,
    directory: TempDir,
}

impl Pebble {
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start(options: &Options) -> Option<Self> {
        let pebble = program("pebble")?;
        let names = NameServer::start()?;
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        tls::make_ca(files, "Pebble TLS", 30);
        let ports: [u16; 4] = std::array::from_fn(|_| free_port());
        let config = files.join("pebble.json");
        fs::write(&config, configuration(options, files, ports).to_string()).unwrap();

        let (rejected, length) = (
            options.rejected_nonces.to_string(),
            options.intermediates.to_string(),
        );
        let environment = [
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_WFE_NONCEREJECT", rejected.as_str()),
            ("PEBBLE_CHAIN_LENGTH", length.as_str()),
        ];
        let arguments = [
            "-config",
            config.to_str().unwrap(),
            "-dnsserver",
            &names.address,
        ];
        let log = files.join("pebble.log");
        let [port, management_port, http_port, tls_port] = ports;
        let running = Running::start_with(&environment, &pebble, arguments, port, &log);
        let started = Self {
            url: format!("https://127.0.0.1:{port}/dir"),
            anchors: files.join("ca.pem"),
            management: format!("https://127.0.0.1:{management_port}"),
            root: files.join("root.pem"),
            http_port,
            tls_port,
            names,
            running,
            directory,
        };
        let root = format!("{}/roots/0", started.management);
        curl::wait_until_ready(&root, &started.anchors);
        fs::write(&started.root, curl::text(&root, Some(&started.anchors))).unwrap();
        Some(started)
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn configuration(options: &Options, files: &Path, ports: [u16; 4]) -> Value {
    let [port, management_port, http_port, tls_port] = ports;
    let mut pebble = json!({
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": format!("127.0.0.1:{management_port}"),
        "certificate": files.join("server.pem"),
        "privateKey": files.join("server.key"),
        "httpPort": http_port,
        "tlsPort": tls_port,
        "retryAfter": { "authz": 1, "order": 1 },
        "keyAlgorithm": "ecdsa",
    });
    if options.external_account {
        let (id, key) = EXTERNAL_ACCOUNT;
        pebble["externalAccountBindingRequired"] = true.into();
        pebble["externalAccountMACKeys"] = json!({ id: key });
    }
    for (name, seconds) in &options.profiles {
        pebble["profiles"][name] = json!({ "description": name, "validityPeriod": seconds });
    }
    json!({ "pebble": pebble })
}
