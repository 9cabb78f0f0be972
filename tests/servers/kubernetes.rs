//! `kube-apiserver` on `etcd`: the API and its RBAC. Approving is the test's part. So is signing for
//! [`SIGNER`], as a signer of somebody's own would; for `kubernetes.io/…` there is
//! [`Kubernetes::start_signers`].

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, Running, curl, free_port, program, run, tls};

/// Of `system:masters`: may do everything.
pub const ADMIN_TOKEN: &str = "canary-admin-Wd5-token";
/// May create certificate signing requests and get them.
pub const BUILDER_TOKEN: &str = "canary-builder-Rk8-token";
/// May list requests and decide on them.
pub const APPROVER_TOKEN: &str = "canary-approver-Tn2-token";
/// Known to the server, and may do nothing.
pub const STRANGER_TOKEN: &str = "canary-stranger-Uv6-token";
/// The signer that [`Kubernetes::sign`] stands for.
pub const SIGNER: &str = "lab.example/clients";
/// kube-controller-manager's, for clients of the API server.
pub const CLUSTER_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

pub const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A running API server and its etcd; dropping it stops both.
pub struct Kubernetes {
    /// `https://127.0.0.1:PORT`.
    pub url: String,
    pub port: u16,
    /// The CA, PEM: of the API server, of its clients, and of what is signed.
    pub anchors: PathBuf,
    // Dropped in this order: an API server without its etcd waits for it when it is to stop.
    signers: Option<Running>,
    /// `None` while it is stopped.
    pub running: Option<Running>,
    pub etcd: Running,
    etcd_url: String,
    directory: TempDir,
}

impl Kubernetes {
    /// None without `CERTBAKE_TEST_SERVERS`; see [`program`].
    pub fn start() -> Option<Self> {
        let etcd = program("etcd")?;
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path();
        tls::make_ca(files, "Kubernetes Lab CA", 30);
        make_logins(files);
        let (etcd, etcd_url) = start_etcd(&etcd, files);
        let port = free_port();
        let mut started = Self {
            url: format!("https://127.0.0.1:{port}"),
            port,
            anchors: files.join("ca.pem"),
            signers: None,
            running: None,
            etcd,
            etcd_url,
            directory,
        };
        started.serve();
        started.allow("builder", REQUESTS_RESOURCE, &["create", "get"]);
        started.allow_approver();
        Some(started)
    }

    /// Starts the API server, at first or again.
    pub fn serve(&mut self) {
        let arguments = arguments(self.directory(), &self.etcd_url, self.port);
        let log = self.directory().join("kube-apiserver.log");
        let server = program("kube-apiserver").unwrap();
        self.running = Some(Running::start(&server, arguments, self.port, &log));
        curl::wait_until_ready(&format!("{}/readyz", self.url), &self.anchors);
    }

    /// Starts the signers of kube-controller-manager, which sign what is approved for at most
    /// `longest`, such as `2h`.
    pub fn start_signers(&mut self, longest: &str) {
        let kubeconfig = self.kubeconfig("admin", &format!("token: {ADMIN_TOKEN}"));
        let port = free_port();
        let file = |name: &str| self.directory().join(name).display().to_string();
        let arguments = [
            "--controllers=certificatesigningrequest-signing-controller".to_owned(),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", file("server.pem")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--cluster-signing-cert-file={}", file("ca.pem")),
            format!("--cluster-signing-key-file={}", file("ca.key")),
            format!("--cluster-signing-duration={longest}"),
        ];
        let manager = program("kube-controller-manager").unwrap();
        let log = self.directory().join("kube-controller-manager.log");
        self.signers = Some(Running::start(&manager, arguments, port, &log));
    }

    /// A directory that lives as long as the server does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A kubeconfig `NAME.kubeconfig` that nobody else may read, whose user has these members: YAML,
    /// one a line.
    pub fn kubeconfig(&self, name: &str, user: &str) -> PathBuf {
        let path = self.directory().join(format!("{name}.kubeconfig"));
        let user = user.replace('\n', "\n    ");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             contexts:\n- name: lab\n  context: {{cluster: lab, user: {name}}}\n\
             clusters:\n- name: lab\n  cluster:\n    server: {}\n    certificate-authority: ca.pem\n\
             users:\n- name: {name}\n  user:\n    {user}\n",
            self.url
        );
        write_private(&path, &text);
        path
    }

    /// One request with a token; panics with the server's words when it refuses.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Value {
        let bearer = format!("Authorization: Bearer {token}");
        let arguments = ["--request", method, "--header", &bearer, "--header", JSON];
        curl::json(&self.at(path), Some(&self.anchors), &arguments, body)
    }

    /// One request that is refused: the `metav1.Status`.
    pub fn refusal(&self, method: &str, path: &str, token: &str, body: &Value) -> Value {
        let bearer = format!("Authorization: Bearer {token}");
        let (body, url) = (body.to_string(), self.at(path));
        let anchors = self.anchors.to_str().unwrap();
        let how = ["--silent", "--max-time", "30", "--cacert", anchors, &url];
        let what = ["--request", method, "--header", &bearer, "--header", JSON];
        let answer = run(
            "curl",
            [&how[..], &what, &["--data-binary", &body]].concat(),
        );
        let status: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(status["kind"], "Status", "not refused: {status}");
        status
    }

    /// The first request for `common_name`, waited for.
    pub fn request_for(&self, common_name: &str) -> String {
        let prefix = format!("certbake-{common_name}-");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(name) = self
                .requests()
                .into_iter()
                .find(|it| it.starts_with(&prefix))
            {
                return name;
            }
            assert!(Instant::now() < deadline, "no request for {common_name}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The names of all certificate signing requests.
    pub fn requests(&self) -> Vec<String> {
        let list = self.ask("GET", REQUESTS, APPROVER_TOKEN, None);
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| text(&item["metadata"]["name"])).collect()
    }

    pub fn request(&self, name: &str) -> Value {
        self.ask("GET", &format!("{REQUESTS}/{name}"), ADMIN_TOKEN, None)
    }

    /// Gives a request the condition `Approved` or `Denied`, as `kubectl certificate` does.
    pub fn decide(&self, name: &str, condition: &str, message: &str) {
        let mut request = self.request(name);
        request["status"]["conditions"] = json!([{
            "type": condition, "status": "True", "reason": "LabDecided", "message": message,
        }]);
        let path = format!("{REQUESTS}/{name}/approval");
        self.ask("PUT", &path, APPROVER_TOKEN, Some(&request));
    }

    /// Signs an approved request for `days` and puts the certificate into it, as a signer does.
    pub fn sign(&self, name: &str, days: u32) {
        let mut request = self.request(name);
        let csr = BASE64.decode(text(&request["spec"]["request"]).as_bytes());
        let certificate = tls::sign_request(self.directory(), name, &csr.unwrap(), days);
        request["status"]["certificate"] = BASE64.encode(&certificate).into();
        let path = format!("{REQUESTS}/{name}/status");
        self.ask("PUT", &path, ADMIN_TOKEN, Some(&request));
    }

    /// The namespace `builds` and the service account `certbake` in it, which may what a builder may;
    /// a token for it.
    pub fn service_account(&self) -> String {
        let namespaces = "/api/v1/namespaces";
        let accounts = format!("{namespaces}/builds/serviceaccounts");
        let named = |name: &str| json!({ "metadata": { "name": name } });
        self.ask("POST", namespaces, ADMIN_TOKEN, Some(&named("builds")));
        self.ask("POST", &accounts, ADMIN_TOKEN, Some(&named("certbake")));
        let user = "system:serviceaccount:builds:certbake";
        self.allow(user, REQUESTS_RESOURCE, &["create", "get"]);
        let wanted = json!({ "spec": { "expirationSeconds": 600 } });
        let path = format!("{accounts}/certbake/token");
        let given = self.ask("POST", &path, ADMIN_TOKEN, Some(&wanted));
        text(&given["status"]["token"])
    }

    /// Lets a user do `verbs` on a resource of `certificates.k8s.io`, from now on.
    pub fn allow(&self, who: &str, resource: &str, verbs: &[&str]) {
        let name = format!("{who}-{}-{}", verbs.join("-"), resource.replace('/', "-"));
        let role = json!({
            "metadata": { "name": name },
            "rules": [{
                "apiGroups": ["certificates.k8s.io"], "resources": [resource], "verbs": verbs,
            }],
        });
        self.ask(
            "POST",
            &format!("{RBAC}/clusterroles"),
            ADMIN_TOKEN,
            Some(&role),
        );
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": name },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": who }],
        });
        let path = format!("{RBAC}/clusterrolebindings");
        self.ask("POST", &path, ADMIN_TOKEN, Some(&binding));
        // The server reads its rules a moment after it has taken them.
        let deadline = Instant::now() + PATIENCE;
        while !verbs.iter().all(|verb| self.may(who, resource, verb)) {
            assert!(
                Instant::now() < deadline,
                "{who} may not {verbs:?} {resource}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn may(&self, who: &str, resource: &str, verb: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({ "spec": { "user": who, "resourceAttributes": {
            "group": "certificates.k8s.io",
            "resource": resource,
            "subresource": subresource,
            "verb": verb,
        }}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        self.ask("POST", path, ADMIN_TOKEN, Some(&review))["status"]["allowed"] == true
    }

    fn allow_approver(&self) {
        for (resource, verbs) in [
            (REQUESTS_RESOURCE, &["get", "list"][..]),
            ("certificatesigningrequests/approval", &["update"]),
            ("signers", &["approve"]),
        ] {
            self.allow("approver", resource, verbs);
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

const REQUESTS_RESOURCE: &str = "certificatesigningrequests";
const JSON: &str = "Content-Type: application/json";

fn start_etcd(etcd: &Path, files: &Path) -> (Running, String) {
    let (port, peer_port) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    let arguments = [
        format!("--data-dir={}", files.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--unsafe-no-fsync".to_owned(),
    ];
    let running = Running::start(etcd, arguments, port, &files.join("etcd.log"));
    (running, url)
}

/// The key that service accounts' tokens are signed with, and the users with a fixed token.
fn make_logins(files: &Path) {
    let path = |name: &str| files.join(name).to_str().unwrap().to_owned();
    let (key, public_key) = (path("accounts.key"), path("accounts.pub"));
    let of_2048_bits = ["-pkeyopt", "rsa_keygen_bits:2048", "-out", &key];
    run(
        "openssl",
        [&["genpkey", "-algorithm", "RSA"][..], &of_2048_bits].concat(),
    );
    run(
        "openssl",
        ["pkey", "-in", &key, "-pubout", "-out", &public_key],
    );
    let tokens = format!(
        "{ADMIN_TOKEN},admin,1,system:masters\n{BUILDER_TOKEN},builder,2\n\
         {APPROVER_TOKEN},approver,3\n{STRANGER_TOKEN},stranger,4\n"
    );
    fs::write(files.join("tokens.csv"), tokens).unwrap();
}

fn arguments(files: &Path, etcd_url: &str, port: u16) -> Vec<String> {
    let path = |name: &str| files.join(name).to_str().unwrap().to_owned();
    vec![
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", path("server.pem")),
        format!("--tls-private-key-file={}", path("server.key")),
        format!("--client-ca-file={}", path("ca.pem")),
        format!("--token-auth-file={}", path("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--service-account-issuer={ISSUER}"),
        format!(
            "--service-account-signing-key-file={}",
            path("accounts.key")
        ),
        format!("--service-account-key-file={}", path("accounts.pub")),
    ]
}

/// Of service accounts' tokens; `accounts.key` in the directory signs them.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// Writes a file that nobody else may read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
