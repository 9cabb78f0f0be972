//! Smallstep's `step-ca`: a CA with one JWK provisioner, its root two levels above what it signs.
//! Made once, it can be configured, served, stopped and served again at the same place.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Running, curl, free_port, program, run_with};

/// The JWK provisioner that `step ca init` makes.
pub const PROVISIONER: &str = "admin";
/// Opens the provisioner's key and the CA's. Found nowhere but in what leaks it.
pub const PASSWORD: &str = "canary-Zt7-pLx2-password";

/// A `step-ca`; dropping it stops it.
pub struct StepCa {
    /// `https://localhost:PORT`.
    pub url: String,
    /// The root's certificate, PEM: anchors of the TLS server and of what it signs.
    pub root: PathBuf,
    /// SHA-256 of the root, hexadecimal.
    pub fingerprint: String,
    /// A file that holds [`PASSWORD`].
    pub password: PathBuf,
    /// The server, while it runs.
    pub running: Option<Running>,
    port: u16,
    directory: TempDir,
}

impl StepCa {
    /// Makes a CA and serves it. None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start() -> Option<Self> {
        let mut ca = Self::make()?;
        ca.serve();
        Some(ca)
    }

    /// Makes a CA that nobody serves yet, so that it can be configured first.
    pub fn make() -> Option<Self> {
        program("step-ca")?;
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        let password = files.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let port = free_port();
        let mut ca = Self {
            url: format!("https://localhost:{port}"),
            root: files.join("certs/root_ca.crt"),
            fingerprint: String::new(),
            password,
            running: None,
            port,
            directory,
        };
        let (address, password) = (format!("127.0.0.1:{port}"), ca.password.to_str().unwrap());
        let place = [
            "ca",
            "init",
            "--name",
            "Lab",
            "--dns",
            "localhost,127.0.0.1",
            "--address",
            &address,
        ];
        let terms = [
            "--deployment-type",
            "standalone",
            "--provisioner",
            PROVISIONER,
        ];
        let secrets = [
            "--password-file",
            password,
            "--provisioner-password-file",
            password,
        ];
        ca.step(&[&place[..], &terms, &secrets].concat());
        let fingerprint = ca.step(&["certificate", "fingerprint", ca.root.to_str().unwrap()]);
        ca.fingerprint = String::from_utf8(fingerprint).unwrap().trim().to_owned();
        Some(ca)
    }

    /// The directory of its files, `STEPPATH`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Changes `ca.json`; a server that runs does not see it before it is served again.
    pub fn configure(&self, change: impl FnOnce(&mut Value)) {
        let path = self.configuration();
        let mut configuration = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut configuration);
        fs::write(path, configuration.to_string()).unwrap();
    }

    /// Adds a provisioner as it stands in `ca.json`: `type`, `name` and what the type needs.
    pub fn add_provisioner(&self, provisioner: Value) {
        self.configure(|configuration| {
            let provisioners = &mut configuration["authority"]["provisioners"];
            provisioners.as_array_mut().unwrap().push(provisioner);
        });
    }

    /// Sets one of the JWK provisioner's limits, such as `maxTLSCertDuration` to `72h`.
    pub fn set_claim(&self, claim: &str, value: &str) {
        self.configure(|configuration| {
            configuration["authority"]["provisioners"][0]["claims"][claim] = value.into();
        });
    }

    /// Serves it, again if it is being served.
    pub fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// Serves it with more arguments, such as `--resolver` or, after `--insecure`, `--acme-http-port`.
    pub fn serve_with(&mut self, arguments: &[&str]) {
        self.stop();
        let configuration = self.configuration();
        let fixed = [
            configuration.to_str().unwrap(),
            "--password-file",
            self.password.to_str().unwrap(),
        ];
        self.running = Some(Running::start_with(
            &self.environment(),
            &program("step-ca").unwrap(),
            [&fixed[..], arguments].concat(),
            self.port,
            &self.directory().join("step-ca.log"),
        ));
        curl::wait_until_ready(&format!("{}/health", self.url), &self.root);
    }

    pub fn stop(&mut self) {
        self.running = None;
    }

    /// The `step` command line, which finds this CA by itself.
    pub fn step(&self, arguments: &[&str]) -> Vec<u8> {
        run_with(&self.environment(), program("step").unwrap(), arguments)
    }

    /// A one-time token of the JWK provisioner for `subject`, made by `step`.
    pub fn token(&self, subject: &str) -> String {
        let password = self.password.to_str().unwrap();
        let login = ["--provisioner", PROVISIONER, "--password-file", password];
        let place = ["--ca-url", &self.url, "--root", self.root.to_str().unwrap()];
        let token = self.step(&[&["ca", "token"][..], &login, &place, &[subject]].concat());
        String::from_utf8(token).unwrap().trim().to_owned()
    }

    fn configuration(&self) -> PathBuf {
        self.directory().join("config/ca.json")
    }

    fn environment(&self) -> [(&str, &str); 1] {
        [("STEPPATH", self.directory().to_str().unwrap())]
    }
}
