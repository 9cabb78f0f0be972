//! HashiCorp's Vault in its development mode, over TLS: everything in memory, unsealed, the root token
//! known. It starts with a root in one mount and an intermediate, which signs, in another.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Running, curl, free_port, program, run_with};

/// The token that may do everything.
pub const ROOT_TOKEN: &str = "root";
/// The mount whose intermediate signs; `MOUNT/sign/ROLE` is where certificates come from.
pub const MOUNT: &str = "pki";
/// Signs any name for client authentication, P-256 keys alone, for at most 72 hours.
pub const ROLE: &str = "app";

/// A running Vault; dropping it stops it, and all that it knew is gone.
pub struct Vault {
    /// `https://127.0.0.1:PORT`, without `/v1`.
    pub url: String,
    /// Anchors of the TLS server, PEM.
    pub anchors: PathBuf,
    /// The root above what Vault signs, PEM.
    pub root: PathBuf,
    pub running: Running,
    directory: TempDir,
}

/// What an AppRole logs in with.
pub struct AppRole {
    pub role_id: String,
    pub secret_id: String,
}

impl Vault {
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start() -> Option<Self> {
        let vault = program("vault")?;
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        let port = free_port();
        let token = format!("-dev-root-token-id={ROOT_TOKEN}");
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let certificates = format!("-dev-tls-cert-dir={}", files.display());
        let arguments = [
            "server",
            "-dev-tls",
            "-dev-no-store-token",
            &token,
            &listen,
            &certificates,
        ];
        let running = Running::start(&vault, arguments, port, &files.join("vault.log"));
        let started = Self {
            url: format!("https://127.0.0.1:{port}"),
            anchors: files.join("vault-ca.pem"),
            root: files.join("root.pem"),
            running,
            directory,
        };
        curl::wait_until_ready(&format!("{}/v1/sys/health", started.url), &started.anchors);
        started.make_pki();
        Some(started)
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes `body` to `path`, such as `pki/roles/app`, as root; returns the whole answer.
    pub fn write(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, ROOT_TOKEN, Some(body))
    }

    /// Reads `path` as root; returns the whole answer.
    pub fn read(&self, path: &str) -> Value {
        self.ask("GET", path, ROOT_TOKEN, None)
    }

    /// Deletes `path` as root.
    pub fn delete(&self, path: &str) {
        self.ask("DELETE", path, ROOT_TOKEN, None);
    }

    /// One request with any token. Panics with Vault's words when it refuses.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Value {
        let header = format!("X-Vault-Token: {token}");
        let arguments = ["--request", method, "--header", &header];
        curl::json(
            &format!("{}/v1/{path}", self.url),
            Some(&self.anchors),
            &arguments,
            body,
        )
    }

    /// Vault's own command line as root.
    pub fn vault(&self, arguments: &[&str]) -> Vec<u8> {
        let environment = [
            ("VAULT_ADDR", self.url.as_str()),
            ("VAULT_CACERT", self.anchors.to_str().unwrap()),
            ("VAULT_TOKEN", ROOT_TOKEN),
        ];
        run_with(&environment, program("vault").unwrap(), arguments)
    }

    /// Enables a login: `approle`, `cert`, `jwt` or `userpass`, at the path of the same name.
    pub fn enable(&self, login: &str) {
        self.write(&format!("sys/auth/{login}"), &json!({ "type": login }));
    }

    /// A policy of the name `name` that allows `capabilities` on one path.
    pub fn allow(&self, name: &str, path: &str, capabilities: &[&str]) {
        let policy = json!({ "path": { path: { "capabilities": capabilities } } });
        self.write(
            &format!("sys/policies/acl/{name}"),
            &json!({ "policy": policy.to_string() }),
        );
    }

    /// A token that may do what `policy` allows and lives for `ttl`, such as `10m`.
    pub fn token(&self, policy: &str, ttl: &str) -> String {
        let made = self.write(
            "auth/token/create",
            &json!({ "policies": [policy], "ttl": ttl, "no_default_policy": false }),
        );
        text(&made["auth"]["client_token"])
    }

    /// An AppRole whose tokens may do what `policy` allows; enable `approle` first.
    pub fn app_role(&self, name: &str, policy: &str) -> AppRole {
        let role = format!("auth/approle/role/{name}");
        self.write(
            &role,
            &json!({ "token_policies": [policy], "token_ttl": "10m" }),
        );
        let role_id = self.read(&format!("{role}/role-id"));
        let secret_id = self.write(&format!("{role}/secret-id"), &json!({}));
        AppRole {
            role_id: text(&role_id["data"]["role_id"]),
            secret_id: text(&secret_id["data"]["secret_id"]),
        }
    }

    /// From now on Vault answers 503 to everything.
    pub fn seal(&self) {
        self.write("sys/seal", &json!({}));
    }

    fn make_pki(&self) {
        for (mount, lifetime) in [("pki-root", "87600h"), (MOUNT, "43800h")] {
            let config = json!({ "type": "pki", "config": { "max_lease_ttl": lifetime } });
            self.write(&format!("sys/mounts/{mount}"), &config);
        }
        let root = self.write(
            "pki-root/root/generate/internal",
            &json!({ "common_name": "Lab Root", "ttl": "87600h", "key_type": "ec", "key_bits": 256 }),
        );
        fs::write(&self.root, text(&root["data"]["certificate"]) + "\n").unwrap();

        let request = self.write(
            &format!("{MOUNT}/intermediate/generate/internal"),
            &json!({ "common_name": "Lab Intermediate", "key_type": "ec", "key_bits": 256 }),
        );
        let signed = self.write(
            "pki-root/root/sign-intermediate",
            &json!({ "csr": request["data"]["csr"], "common_name": "Lab Intermediate", "ttl": "43800h" }),
        );
        let bundle = format!(
            "{}\n{}\n",
            text(&signed["data"]["certificate"]),
            text(&root["data"]["certificate"])
        );
        self.write(
            &format!("{MOUNT}/intermediate/set-signed"),
            &json!({ "certificate": bundle }),
        );
        self.write(
            &format!("{MOUNT}/roles/{ROLE}"),
            &json!({
                "allow_any_name": true,
                "enforce_hostnames": false,
                "key_type": "ec",
                "key_bits": 256,
                "max_ttl": "72h",
                "ext_key_usage": ["ClientAuth"],
                "server_flag": false,
            }),
        );
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
