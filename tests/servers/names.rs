//! Let's Encrypt's `pebble-challtestsrv` as a name server: every name is 127.0.0.1, and TXT records
//! come and go by request, for dns-01.

use serde_json::json;
use tempfile::TempDir;

use super::{Running, curl, free_port, program};

/// A running name server; dropping it stops it.
pub struct NameServer {
    /// `127.0.0.1:PORT`, UDP and TCP.
    pub address: String,
    /// `http://127.0.0.1:PORT`: `set-txt`, `clear-txt`, `add-a`, `set-servfail` and so on.
    pub management: String,
    pub running: Running,
    _directory: TempDir,
}

impl NameServer {
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start() -> Option<Self> {
        let server = program("pebble-challtestsrv")?;
        let directory = tempfile::tempdir().unwrap();
        let (port, management_port) = (free_port(), free_port());
        let address = format!("127.0.0.1:{port}");
        let management = format!("127.0.0.1:{management_port}");
        let listen = ["-dnsserver", &address, "-management", &management];
        let only_names = [
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-doh",
            "",
            "-defaultIPv6",
            "",
        ];
        let arguments = listen.into_iter().chain(only_names);
        let log = directory.path().join("names.log");
        let running = Running::start(&server, arguments, management_port, &log);
        Some(Self {
            address,
            management: format!("http://{management}"),
            running,
            _directory: directory,
        })
    }

    /// `name`, such as `_acme-challenge.app.example.`, with its final dot, answers `value`.
    pub fn set_txt(&self, name: &str, value: &str) {
        self.post("set-txt", &json!({ "host": name, "value": value }));
    }

    /// `name` has no TXT record any more.
    pub fn clear_txt(&self, name: &str) {
        self.post("clear-txt", &json!({ "host": name }));
    }

    fn post(&self, operation: &str, body: &serde_json::Value) {
        curl::json(
            &format!("{}/{operation}", self.management),
            None,
            &[],
            Some(body),
        );
    }
}
