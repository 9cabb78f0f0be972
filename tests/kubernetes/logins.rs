//! Logins by kubeconfig, by pod, by plugin.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certbake::authority::AuthorityError;
use certbake::pki::pem;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Kubernetes, open_in, well};
use crate::support::contract::{CANARY, PATIENCE, Protocol, credential, order};
use crate::support::{Asked, FakeServer, Identity, Lab};

struct Home {
    dir: TempDir,
    lab: Lab,
    server: FakeServer,
}

impl Home {
    /// The API server, of `mtls` with client certificates.
    fn new(mtls: bool) -> Self {
        let lab = Lab::new("Cluster");
        let serving = lab.clone();
        let script = move |asked: &Asked| well(&serving, asked);
        let server = if mtls {
            FakeServer::mtls(&lab.server(), &lab.anchors(), script)
        } else {
            FakeServer::https(&lab.server(), script)
        };
        let dir = tempfile::tempdir().unwrap();
        Self { dir, lab, server }
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    fn root(&self) -> String {
        pem::encode("CERTIFICATE", &self.lab.root())
    }

    /// A kubeconfig with this `user:`.
    fn kubeconfig(&self, user: &str, mode: u32) -> PathBuf {
        let (server, ca) = (self.server.origin(), BASE64.encode(self.root().as_bytes()));
        self.write(
            "kubeconfig",
            &format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
                 contexts: [{{name: lab, context: {{cluster: one, user: builder}}}}]\n\
                 clusters:\n- name: one\n  cluster:\n    server: {server}\n    \
                 certificate-authority-data: {ca}\n\
                 users:\n- name: builder\n  user:\n{user}\n"
            ),
            mode,
        )
    }

    fn table(&self, kubeconfig: &Path) -> toml::Table {
        let path = kubeconfig.to_str().unwrap();
        toml::toml! {
            kubeconfig = path
            signer_name = "kubernetes.io/kube-apiserver-client"
        }
    }

    fn issue(&self, user: &str, mode: u32) -> Result<certbake::authority::Issued, AuthorityError> {
        let kubeconfig = self.kubeconfig(user, mode);
        let opened = open_in(self.table(&kubeconfig), &[], &[]).unwrap();
        let outcome = opened.authority.issue(&order(PATIENCE).1);
        if let Err(error) = &outcome {
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
        }
        outcome
    }

    fn bearer(&self) -> String {
        let asked = self.server.asked();
        asked[0]
            .header("authorization")
            .unwrap_or_default()
            .to_owned()
    }

    fn builder(&self) -> (Identity, String, String) {
        let builder = self.lab.client("builder");
        let chain: String = builder
            .chain
            .iter()
            .map(|der| pem::encode("CERTIFICATE", der))
            .collect();
        let key = pem::encode("PRIVATE KEY", &builder.key);
        (builder, chain, key)
    }
}

#[test]
fn a_token_comes_from_a_kubeconfig_that_nobody_else_may_read_and_the_cluster_vouches_for_itself() {
    let home = Home::new(false);
    let user = format!("    token: {CANARY}");
    let finding = home.issue(&user, 0o644).unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "secret-file-exposed");
    assert!(home.server.asked().is_empty());
    let issued = home.issue(&user, 0o600).unwrap();
    assert_eq!(issued.anchors, [home.lab.root()]);
    assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
}

#[test]
fn a_token_file_is_read_beside_the_kubeconfig() {
    let home = Home::new(false);
    home.write("token", &format!("{CANARY}\n"), 0o644);
    home.issue("    tokenFile: token", 0o644).unwrap();
    assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
    home.write("token", &"x".repeat(64 * 1024 + 1), 0o644);
    let error = home.issue("    tokenFile: token", 0o644).unwrap_err();
    let finding = error.into_finding();
    assert!(
        finding
            .summary
            .ends_with("/token: it is longer than 65536 bytes"),
        "{finding:?}"
    );
    home.write("token", "\n", 0o644);
    let finding = home
        .issue("    tokenFile: token", 0o644)
        .unwrap_err()
        .into_finding();
    assert_eq!(finding.code.as_str(), "kubernetes-login");
}

#[test]
fn a_client_certificate_comes_inline_or_from_files_whose_key_is_private() {
    let home = Home::new(true);
    let (builder, chain, key) = home.builder();
    let inline = format!(
        "    client-certificate-data: {}\n    client-key-data: {}",
        BASE64.encode(chain.as_bytes()),
        BASE64.encode(key.as_bytes())
    );
    home.issue(&inline, 0o600).unwrap();
    home.write("b.crt", &chain, 0o644);
    home.write("b.key", &key, 0o644);
    let files = "    client-certificate: b.crt\n    client-key: b.key";
    let finding = home.issue(files, 0o644).unwrap_err().into_finding();
    assert_eq!(finding.code.as_str(), "secret-file-exposed");
    home.write("b.key", &key, 0o600);
    home.issue(files, 0o644).unwrap();
    for asked in home.server.asked() {
        assert_eq!(asked.client_certificate.as_ref(), Some(&builder.chain[0]));
    }
    // As `openssl pkcs12` writes them.
    let backwards = builder.chain.iter().rev();
    let backwards = backwards.map(|der| pem::encode("CERTIFICATE", der));
    home.write("b.crt", &backwards.collect::<String>(), 0o644);
    home.issue(files, 0o644).unwrap();
    let asked = home.server.asked();
    let shown = asked.last().unwrap().client_certificate.as_ref();
    assert_eq!(shown, Some(&builder.chain[0]));
    let finding = home
        .issue("    client-certificate: b.crt", 0o600)
        .unwrap_err()
        .into_finding();
    assert!(
        finding.summary.contains("without its key"),
        "{}",
        finding.summary
    );
}

fn plugin(home: &Home, script: &str, more: &str) -> String {
    home.write("plugin", &format!("#!/bin/sh\n{script}\n"), 0o755);
    format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n      \
         args: ['a  b', '$HOME']\n      env: [{{name: FOR, value: lab}}]\n{more}"
    )
}

#[test]
fn a_credential_plugin_is_run_without_a_shell_and_told_who_asks() {
    let home = Home::new(false);
    let script = r#"printf '%s|%s|%s' "$1" "$2" "$FOR" > "$0.seen"
        printf '%s' "$KUBERNETES_EXEC_INFO" > "$0.info"
        echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"TOKEN"}}'"#;
    let user = plugin(
        &home,
        &script.replace("TOKEN", CANARY),
        "      provideClusterInfo: true",
    );
    home.issue(&user, 0o644).unwrap();
    assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
    let seen = std::fs::read_to_string(home.dir.path().join("plugin.seen")).unwrap();
    assert_eq!(seen, "a  b|$HOME|lab");
    let info = std::fs::read(home.dir.path().join("plugin.info")).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info["kind"], "ExecCredential");
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], home.server.origin());
}

/// As templates write it that fill in what there is; kubectl takes an empty text for none.
#[test]
fn what_is_empty_in_a_kubeconfig_is_not_set() {
    let home = Home::new(false);
    let script = format!("echo '{{\"status\":{{\"token\":\"'\"{CANARY}$EMPTY\"'\"}}}}'");
    let user = plugin(
        &home,
        &script,
        "    token: ''\n    client-certificate-data: \"\"",
    )
    .replace("value: lab}", "value: lab}, {name: EMPTY, value: ''}");
    home.issue(&user, 0o644).unwrap();
    assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
}

#[test]
fn a_credential_plugin_is_told_the_roots_that_stand_in_a_file() {
    let home = Home::new(false);
    home.write("ca.crt", &home.root(), 0o644);
    let user = plugin(
        &home,
        "printf '%s' \"$KUBERNETES_EXEC_INFO\" > \"$0.info\"; exit 1",
        "      provideClusterInfo: true",
    );
    let text = std::fs::read_to_string(home.kubeconfig(&user, 0o644)).unwrap();
    let (before, after) = text.split_once("certificate-authority-data: ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let text = format!("{before}certificate-authority: ca.crt\n{after}");
    let kubeconfig = home.write("kubeconfig", &text, 0o644);
    let opened = open_in(home.table(&kubeconfig), &[], &[]).unwrap();
    opened.authority.issue(&order(PATIENCE).1).unwrap_err();
    let info = std::fs::read(home.dir.path().join("plugin.info")).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(
        info["spec"]["cluster"],
        json!({
            "server": home.server.origin(),
            "certificate-authority-data": BASE64.encode(home.root().as_bytes()),
        })
    );
}

#[test]
fn a_credential_plugin_has_no_longer_than_the_order() {
    let home = Home::new(false);
    let kubeconfig = home.kubeconfig(&plugin(&home, "sleep 20", ""), 0o644);
    let opened = open_in(home.table(&kubeconfig), &[], &[]).unwrap();
    let begun = Instant::now();
    let error = opened
        .authority
        .issue(&order(Duration::from_millis(300)).1)
        .unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        error.to_string().contains("did not end by the deadline"),
        "{error}"
    );
}

#[test]
fn a_credential_plugin_may_give_a_certificate() {
    let home = Home::new(true);
    let (builder, chain, key) = home.builder();
    let status = json!({"clientCertificateData": chain, "clientKeyData": key});
    let credential = json!({"kind": "ExecCredential", "status": status}).to_string();
    home.write("credential.json", &credential, 0o600);
    let user = plugin(&home, "cat \"${0%/*}/credential.json\"", "");
    home.issue(&user, 0o644).unwrap();
    assert_eq!(
        home.server.asked()[0].client_certificate.as_ref(),
        Some(&builder.chain[0])
    );
}

#[test]
fn a_plugin_that_fails_says_nothing_or_wants_a_terminal_is_told() {
    let home = Home::new(false);
    for (script, more, words) in [
        ("echo no such profile >&2; exit 3", "", "no such profile"),
        ("echo '{}'", "", "gave no credential"),
        ("echo xyzzy-canary", "", "gave no credential"),
        (
            r#"echo '{"status": {"token": "x", "clientCertificateData": "y"}}'"#,
            "",
            "without its key",
        ),
        ("true", "      interactiveMode: Always", "needs a terminal"),
    ] {
        let error = home.issue(&plugin(&home, script, more), 0o644).unwrap_err();
        assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
    }
    let missing = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      \
                   command: ./gone\n      installHint: install it by apt";
    let finding = home.issue(missing, 0o644).unwrap_err().into_finding();
    assert_eq!(finding.hint, "install it by apt");
    let old = "    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}";
    assert!(
        home.issue(old, 0o644)
            .unwrap_err()
            .to_string()
            .contains("apiVersion")
    );
    assert!(home.server.asked().is_empty());
}

#[test]
fn a_pod_comes_with_its_service_account() {
    let home = Home::new(false);
    home.write("sa/token", CANARY, 0o644);
    home.write("sa/ca.crt", &home.root(), 0o644);
    let folder = home.dir.path().join("sa");
    let folder = folder.to_str().unwrap();
    let table = toml::toml! {
        service_account = folder
        signer_name = "example.com/images"
    };
    let port = home.server.port().to_string();
    let pod = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", port.as_str()),
    ];
    let opened = open_in(table.clone(), &home.lab.anchors(), &pod).unwrap();
    opened.authority.issue(&order(PATIENCE).1).unwrap();
    assert_eq!(home.bearer(), format!("Bearer {CANARY}"));
    let error = open_in(table, &home.lab.anchors(), &[]).err().unwrap();
    assert!(error.reason.contains("this is not a pod"), "{error}");
}

#[test]
fn the_variable_and_the_file_at_home_are_found_as_kubectl_does() {
    let home = Home::new(false);
    let kubeconfig = home.kubeconfig(&format!("    token: {CANARY}"), 0o600);
    let table = toml::toml! { signer_name = "example.com/images" };
    let list = format!("/nonexistent/config:{}", kubeconfig.display());
    open_in(table.clone(), &home.lab.anchors(), &[("KUBECONFIG", &list)]).unwrap();
    let folder = home.dir.path().join(".kube");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&kubeconfig, folder.join("config")).unwrap();
    let at_home = home.dir.path().to_str().unwrap();
    let opened = open_in(table.clone(), &home.lab.anchors(), &[("HOME", at_home)]).unwrap();
    assert_eq!(
        opened.authority.place().place,
        format!("{}/", home.server.origin())
    );
    let error = open_in(table, &home.lab.anchors(), &[]).err().unwrap();
    assert!(error.reason.contains("set KUBECONFIG"), "{error}");
}

#[test]
fn roots_of_the_api_server_may_be_others_than_those_of_what_is_issued() {
    let (cluster, issuing) = (Lab::new("Cluster"), Lab::new("Signer"));
    let serving = issuing.clone();
    let server = FakeServer::https(&cluster.server(), move |asked| well(&serving, asked));
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("cluster.pem");
    std::fs::write(&ca, pem::encode("CERTIFICATE", &cluster.root())).unwrap();
    let (_file, source) = credential();
    let mut table = Kubernetes.settings(&server, &source);
    table.insert("cluster_ca".to_owned(), ca.to_str().unwrap().into());
    let opened = open_in(table, &issuing.anchors(), &[]).unwrap();
    opened.authority.issue(&order(PATIENCE).1).unwrap();
}
