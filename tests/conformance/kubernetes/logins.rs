//! Whom the API server takes certbake for, and what that one may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use certbake::authority::{AuthorityError, CATALOGUE, Depth, Opened, Settings};
use certbake::finding::Finding;
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::{Outcome, attended, authority, certbake, printed, refused, root};
use crate::servers::kubernetes::{
    ADMIN_TOKEN, BUILDER_TOKEN, ISSUER, Kubernetes, SIGNER, STRANGER_TOKEN, write_private,
};
use crate::servers::{run, tls};
use crate::support::contract::{PATIENCE, order};

/// certbake's authority with these settings alone, in this environment.
fn opened(kubernetes: &Kubernetes, more: toml::Table, environment: &[(&str, &str)]) -> Opened {
    let mut table = toml::toml! { signer_name = SIGNER };
    table.extend(more);
    let entry = CATALOGUE.iter().find(|it| it.kind == "kubernetes").unwrap();
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let opened = (entry.open)(&Settings {
        name: "lab",
        table,
        anchors: &root(kubernetes),
        directory: Path::new("."),
        now: time::OffsetDateTime::now_utc(),
        environment: &lookup,
        on_wait: None,
    });
    opened.unwrap()
}

fn by_kubeconfig(kubernetes: &Kubernetes, name: &str, user: &str) -> Opened {
    let path = kubernetes.kubeconfig(name, user);
    let path = path.to_str().unwrap();
    opened(kubernetes, toml::toml! { kubeconfig = path }, &[])
}

fn issue(opened: &Opened) -> Outcome {
    opened.authority.issue(&order(PATIENCE).1)
}

fn foresee(opened: &Opened) -> Result<Vec<Finding>, AuthorityError> {
    let preflight = opened.preflight.as_ref().unwrap();
    preflight.preflight(&order(PATIENCE).1, Depth::Whole)
}

/// Who the server says ordered, one a request.
fn users(kubernetes: &Kubernetes) -> Vec<String> {
    let requests = kubernetes.requests().into_iter();
    let users = requests.map(|name| kubernetes.request(&name)["spec"]["username"].clone());
    users
        .map(|user| user.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_kubeconfig_logs_in_by_token_file_certificate_and_plugin() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let files = kubernetes.directory();
    let (chain, key) = tls::make_client(files, "builder", 1);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    write_private(&files.join("builder.token"), BUILDER_TOKEN);
    let data = |path: &Path| data_encoding::BASE64.encode(&fs::read(path).unwrap());
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": { "token": BUILDER_TOKEN },
    });
    write_private(&files.join("credential.json"), &credential.to_string());
    let users_of = [
        format!("token: {BUILDER_TOKEN}"),
        "tokenFile: builder.token".to_owned(),
        "client-certificate: builder.pem\nclient-key: builder.key".to_owned(),
        format!(
            "client-certificate-data: {}\nclient-key-data: {}",
            data(&chain),
            data(&key)
        ),
        format!(
            "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: cat\n  args: [{}]",
            files.join("credential.json").display()
        ),
    ];
    for (number, user) in users_of.iter().enumerate() {
        let opened = by_kubeconfig(&kubernetes, &format!("user-{number}"), user);
        let found = foresee(&opened).unwrap();
        assert_eq!(
            (found.len(), found[0].code.as_str()),
            (1, "ca-answers"),
            "{user}"
        );
        let issued = attended(&kubernetes, true, || issue(&opened));
        assert_eq!(issued.unwrap().findings, [], "{user}");
    }
    assert_eq!(users(&kubernetes), ["builder"; 5]);
}

#[test]
fn a_pod_comes_as_its_service_account_until_that_is_gone() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let mount = kubernetes.directory().join("serviceaccount");
    fs::create_dir(&mount).unwrap();
    fs::copy(&kubernetes.anchors, mount.join("ca.crt")).unwrap();
    fs::write(mount.join("token"), kubernetes.service_account()).unwrap();
    let port = kubernetes.port.to_string();
    let pod = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", &port),
    ];
    let folder = mount.to_str().unwrap();
    let in_pod = || opened(&kubernetes, toml::toml! { service_account = folder }, &pod);
    foresee(&in_pod()).unwrap();
    attended(&kubernetes, true, || issue(&in_pod())).unwrap();
    assert_eq!(
        users(&kubernetes),
        ["system:serviceaccount:builds:certbake"]
    );

    let account = "/api/v1/namespaces/builds/serviceaccounts/certbake";
    kubernetes.ask("DELETE", account, ADMIN_TOKEN, None);
    let finding = refused(issue(&in_pod()));
    assert_eq!(finding.facts["status"], 401, "{}", finding.summary);
}

/// A service account's token as the server itself signs them, which ended an hour ago.
fn expired_token(kubernetes: &Kubernetes) -> String {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let header = json!({ "alg": "RS256" });
    let claims = json!({
        "iss": ISSUER, "aud": [ISSUER], "sub": "system:serviceaccount:builds:certbake",
        "iat": now - 7200, "nbf": now - 7200, "exp": now - 3600,
        "kubernetes.io": { "namespace": "builds", "serviceaccount": { "name": "certbake", "uid": "1" } },
    });
    let part = |json: serde_json::Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let (key, text) = (
        kubernetes.directory().join("accounts.key"),
        kubernetes.directory().join("signed.txt"),
    );
    fs::write(&text, &signed).unwrap();
    let (key, text) = (key.to_str().unwrap(), text.to_str().unwrap());
    let signature = run("openssl", ["dgst", "-sha256", "-sign", key, text]);
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[test]
fn a_login_that_is_not_accepted_is_a_401_before_and_in_the_order() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let elsewhere = tempfile::tempdir().unwrap();
    tls::make_ca(elsewhere.path(), "Another CA", 30);
    let (chain, key) = tls::make_client(elsewhere.path(), "builder", 1);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let foreign = format!(
        "client-certificate: {}\nclient-key: {}",
        chain.display(),
        key.display()
    );
    let expired = expired_token(&kubernetes);
    for (user, who) in [
        ("token: canary-wrong", "the token of the kubeconfig"),
        (&format!("token: {expired}"), "the token of the kubeconfig"),
        (&foreign, "the client certificate of the kubeconfig"),
    ] {
        let opened = by_kubeconfig(&kubernetes, "stale", user);
        for finding in [
            refused(issue(&opened)),
            foresee(&opened).unwrap_err().into_finding(),
        ] {
            assert_eq!(finding.code.as_str(), "ca-login-refused");
            assert_eq!(finding.facts["status"], 401, "{}", finding.summary);
            assert!(finding.hint.contains(who), "{}", finding.hint);
        }
    }
    let kubeconfig = kubernetes.directory().join("stale.kubeconfig");
    let signer = format!("signer_name={SIGNER}");
    for subcommand in ["doctor", "provision"] {
        let options = ["--ca-set", &signer, "--ttl", "1d"];
        let output = certbake(
            &kubernetes,
            subcommand,
            kubeconfig.to_str().unwrap(),
            &options,
        );
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(5), "{printed}");
        assert!(printed.contains("the API server"), "{printed}");
    }
    assert!(kubernetes.requests().is_empty());
}

#[test]
fn a_right_that_is_not_granted_is_named_with_who_lacks_it() {
    let Some(kubernetes) = Kubernetes::start() else {
        return;
    };
    let (_file, stranger) = authority(&kubernetes, STRANGER_TOKEN, |_| {});
    let finding = refused(issue(&stranger));
    assert_eq!(finding.code.as_str(), "ca-login-refused");
    let words = "User \"stranger\" cannot create resource \"certificatesigningrequests\"";
    assert!(finding.summary.contains(words), "{}", finding.summary);
    assert!(
        finding.hint.contains("kubectl create clusterrole"),
        "{}",
        finding.hint
    );
    let foreseen = foresee(&stranger).unwrap_err().into_finding();
    assert!(foreseen.summary.contains(words), "{}", foreseen.summary);

    // Without any login the server takes us for somebody of its own making.
    let nobody = by_kubeconfig(&kubernetes, "nobody", "{}");
    let finding = refused(issue(&nobody));
    assert!(
        finding.summary.contains("system:anonymous"),
        "{}",
        finding.summary
    );
    assert!(finding.hint.contains("saw no login"), "{}", finding.hint);

    // One who may create requests and never see them again.
    kubernetes.allow("stranger", "certificatesigningrequests", &["create"]);
    let foreseen = foresee(&stranger).unwrap_err().into_finding();
    assert_eq!(foreseen.facts["verb"], "get");
    let finding = refused(issue(&stranger));
    assert!(
        finding.summary.contains("cannot get resource"),
        "{}",
        finding.summary
    );
    assert_eq!(users(&kubernetes), ["stranger"]);
}
