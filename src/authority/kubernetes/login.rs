//! Whom the API server takes us for: a token, a client certificate, or what a credential plugin gives.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kubeconfig::{Cluster, Exec, User};
use crate::authority::AuthorityError;
use crate::authority::connection::{credential, read_secret};
use crate::finding::{Code, Finding};
use crate::line;
use crate::net::ClientCertificate;
use crate::os_error;
use crate::secret::Secret;
use crate::secret_source::{LONGEST, Reason, SecretSource};
use crate::subprocess::{Ended, Group, Program, RunError};

pub const LOGIN: Code = Code::new("kubernetes-login");

/// Where the login comes from.
pub enum Login {
    /// The connection's own client certificate, or nothing.
    None,
    Token(SecretSource),
    /// A service account's token, which the kubelet renews in this file.
    TokenFile(PathBuf),
    /// A user of a kubeconfig, the file it stands in, and its cluster.
    User(Box<User>, PathBuf, Box<Cluster>),
}

/// What is shown to the API server.
#[derive(Default)]
pub struct Shown {
    pub token: Option<Secret>,
    pub certificate: Option<ClientCertificate>,
    /// In words, never with any of it.
    pub who: String,
}

impl Login {
    pub const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Token(source) => Some(source),
            _ => None,
        }
    }

    /// # Errors
    /// [`AuthorityError::Settings`]: what cannot be read, or what others may read too.
    pub fn show(&self, deadline: Instant) -> Result<Shown, AuthorityError> {
        match self {
            Self::None => Ok(Shown {
                who: "no token".to_owned(),
                ..Shown::default()
            }),
            Self::Token(source) => Ok(Shown {
                token: Some(read_secret(source)?),
                who: "a token".to_owned(),
                ..Shown::default()
            }),
            Self::TokenFile(path) => Ok(Shown {
                token: Some(token_in(path)?),
                who: "a service account's token".to_owned(),
                ..Shown::default()
            }),
            Self::User(user, file, cluster) => of_user(user, file, cluster, deadline),
        }
    }
}

fn of_user(
    user: &User,
    file: &Path,
    cluster: &Cluster,
    deadline: Instant,
) -> Result<Shown, AuthorityError> {
    if user.is_inline() {
        kept_private(file)?;
    }
    let certificate = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) => Some(decoded("client-certificate-data", data)?),
        (None, Some(path)) => Some(contents(path)?),
        (None, None) => None,
    };
    let key = match (&user.client_key_data, &user.client_key) {
        (Some(data), _) => Some(Secret::new(decoded("client-key-data", data)?)),
        (None, Some(path)) => Some(read_secret(&SecretSource::File(absolute(path)))?),
        (None, None) => None,
    };
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(client_certificate(&certificate, &key)?),
        (None, None) => None,
        _ => {
            return Err(fault(
                "the kubeconfig's user has a client certificate without its key, or a key without its certificate",
                "give it both",
            ));
        }
    };
    let token = match (&user.token, &user.token_file) {
        // kubectl takes the file where both are given.
        (_, Some(path)) => Some(token_in(path)?),
        (Some(token), None) => Some(Secret::from(token.clone())),
        (None, None) => None,
    };
    if let (None, None, Some(exec)) = (&token, &certificate, &user.exec) {
        return by_program(exec, cluster, deadline);
    }
    let who = match (&token, &certificate) {
        (Some(_), None) => "the token of the kubeconfig",
        (None, Some(_)) => "the client certificate of the kubeconfig",
        (Some(_), Some(_)) => "token and client certificate of the kubeconfig",
        (None, None) => "no login: the kubeconfig's user has none",
    };
    Ok(Shown {
        token,
        certificate,
        who: who.to_owned(),
    })
}

/// A credential plugin (KEP-541, `client.authentication.k8s.io/v1`): run without a shell and without
/// a terminal, bounded in time and size.
fn by_program(exec: &Exec, cluster: &Cluster, deadline: Instant) -> Result<Shown, AuthorityError> {
    let name = exec.command.as_str();
    let spoken = ["v1", "v1beta1"].map(|v| format!("client.authentication.k8s.io/{v}"));
    if !spoken.contains(&exec.api_version) {
        return Err(fault(
            &format!(
                "the credential plugin {name} uses an apiVersion that certbake does not support"
            ),
            "update it, and set client.authentication.k8s.io/v1 in the kubeconfig",
        ));
    }
    if exec.interactive_mode == "Always" {
        return Err(fault(
            &format!("the credential plugin {name} needs a terminal (interactiveMode: Always)"),
            "use a login for machines: a token, a client certificate",
        ));
    }
    let told = told(exec, cluster)?;
    let ended = run(exec, &told, deadline).map_err(|error| {
        let hint = match &error {
            RunError::Start(_) if !exec.install_hint.trim().is_empty() => {
                line::sanitized(exec.install_hint.as_bytes(), 300).unwrap_or_default()
            }
            _ => BY_HAND.to_owned(),
        };
        let summary = format!("running the credential plugin {name}: {error}");
        fault(&summary, &hint)
    })?;
    if !ended.status.success() {
        let said = line::sanitized(&ended.complaint.text, COMPLAINT)
            .map_or_else(String::new, |said| format!(": {said}"));
        let summary = format!(
            "the credential plugin {name} ended with {}{said}",
            ended.status
        );
        return Err(fault(&summary, BY_HAND));
    }
    from_plugin(name, &ended.output)
}

/// What stands in `KUBERNETES_EXEC_INFO`.
fn told(exec: &Exec, cluster: &Cluster) -> Result<Value, AuthorityError> {
    let mut spec = json!({ "interactive": false });
    if exec.provide_cluster_info {
        let roots = match (
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
        ) {
            (None, Some(path)) => Some(BASE64.encode(&contents(path)?)),
            (data, _) => data.clone(),
        };
        spec["cluster"] = json!({ "server": cluster.server });
        for (member, value) in [
            ("certificate-authority-data", roots),
            ("proxy-url", cluster.proxy_url.clone()),
        ] {
            if let Some(value) = value {
                spec["cluster"][member] = value.into();
            }
        }
    }
    Ok(json!({
        "apiVersion": exec.api_version,
        "kind": "ExecCredential",
        "spec": spec,
    }))
}

fn run(exec: &Exec, told: &Value, deadline: Instant) -> Result<Ended, RunError> {
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    environment.push(("KUBERNETES_EXEC_INFO".into(), told.to_string().into()));
    for variable in exec.env.iter().flatten() {
        environment.push((variable.name.clone().into(), variable.value.clone().into()));
    }
    let mut argv = vec![exec.command.clone()];
    argv.extend(exec.args.iter().flatten().cloned());
    Program {
        argv: &argv,
        directory: None,
        environment: Some(environment),
        input: b"",
        group: Group::Own,
        output_limit: usize::try_from(LONGEST).unwrap_or(usize::MAX),
        complaint_limit: COMPLAINT,
        deadline: deadline.min(Instant::now() + PATIENCE),
    }
    .run()
}

const BY_HAND: &str = "run it by hand, as the same user and without a terminal: with \
                       KUBERNETES_EXEC_INFO set, it writes an ExecCredential with a status";

/// How long a plugin may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of what it says to standard error is kept, in bytes.
const COMPLAINT: usize = 500;

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

fn from_plugin(name: &str, output: &[u8]) -> Result<Shown, AuthorityError> {
    let nothing = || {
        fault(
            &format!("the credential plugin {name} gave no credential"),
            BY_HAND,
        )
    };
    let given: ExecCredential = serde_json::from_slice(output).map_err(|_| nothing())?;
    let status = given.status.ok_or_else(nothing)?;
    let certificate = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(key)) => Some(client_certificate(
            certificate.as_bytes(),
            &Secret::from(key),
        )?),
        (None, None) => None,
        _ => {
            return Err(fault(
                &format!(
                    "the credential plugin {name} gave a client certificate without its key, or a key without its certificate"
                ),
                BY_HAND,
            ));
        }
    };
    let token = status.token.filter(|token| !token.is_empty());
    if token.is_none() && certificate.is_none() {
        return Err(nothing());
    }
    Ok(Shown {
        token: token.map(Secret::from),
        certificate,
        who: format!("the credential from the plugin {name}"),
    })
}

fn client_certificate(chain: &[u8], key: &Secret) -> Result<ClientCertificate, AuthorityError> {
    let unusable = |reason: String| {
        fault(
            &format!("the client certificate for the API server: {reason}"),
            "give it as PEM, its key unencrypted",
        )
    };
    let chain = credential::chain(chain).map_err(unusable)?;
    credential::with_key(chain, key).map_err(|reason| unusable(format!("its key: {reason}")))
}

/// A kubeconfig with a key in it is a secret as a whole; it may be longer than other secrets.
fn kept_private(file: &Path) -> Result<(), AuthorityError> {
    match SecretSource::File(absolute(file)).read() {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.reason, Reason::TooLong) => Ok(()),
        Err(error) => Err(AuthorityError::Settings(Box::new(error.finding()))),
    }
}

fn token_in(path: &Path) -> Result<Secret, AuthorityError> {
    let content = contents(path)?;
    let token = content.trim_ascii();
    if token.is_empty() {
        return Err(fault(
            &format!("{} contains no token", path.display()),
            "in a pod: check automountServiceAccountToken",
        ));
    }
    Ok(Secret::new(token.to_vec()))
}

fn contents(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    let read = || {
        let mut content = Vec::new();
        std::fs::File::open(path)?
            .take(LONGEST + 1)
            .read_to_end(&mut content)?;
        if content.len() as u64 > LONGEST {
            return Err(std::io::Error::other(Reason::TooLong.to_string()));
        }
        Ok(content)
    };
    read().map_err(|error: std::io::Error| {
        fault(
            &format!("reading {}: {}", path.display(), os_error::in_words(&error)),
            "check the path in the kubeconfig or the mount of the service account",
        )
    })
}

fn decoded(member: &str, base64: &str) -> Result<Vec<u8>, AuthorityError> {
    BASE64_MIME_PERMISSIVE
        .decode(base64.as_bytes())
        .map_err(|_| {
            fault(
                &format!("{member} in the kubeconfig is not base64"),
                "correct it in the kubeconfig",
            )
        })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn fault(summary: &str, hint: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(Finding::error(LOGIN, summary).hint(hint)))
}
