//! The settings of `kind = "kubernetes"`, checked: which API server, as whom, which signer.

use std::path::{Path, PathBuf};

use data_encoding::BASE64_MIME_PERMISSIVE;
use schemars::JsonSchema;
use serde::Deserialize;

use super::kubeconfig;
use super::login::Login;
use crate::authority::connection::{Connection, wrong};
use crate::authority::{Settings, SettingsError};
use crate::choice::nearest;
use crate::os_error;
use crate::pki::pem;
use crate::secret_source::SecretSource;

/// Where the kubelet mounts a pod's own token and CA.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// `[ca.<name>]` with `kind = "kubernetes"`, beside the keys of the connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The signer: `kubernetes.io/kube-apiserver-client`, or one of the cluster's own, `domain/name`.
    pub signer_name: String,
    /// A kubeconfig file; without it and without `url`, `KUBECONFIG`, `~/.kube/config`, then the
    /// pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig other than its current one.
    pub context: Option<String>,
    /// Where a pod's token and CA are mounted, to log in as that service account.
    pub service_account: Option<PathBuf>,
    /// With `url`: a bearer token.
    pub token: Option<SecretSource>,
    /// With `url`: PEM file, the roots of the API server's certificate, if they differ from `anchors`.
    pub cluster_ca: Option<PathBuf>,
    /// Key usages in Kubernetes' terms; the default follows from the certificate's usage.
    pub usages: Option<Vec<String>>,
    /// Whether to delete the request once the certificate is issued [default: false].
    #[serde(default)]
    pub delete_after: bool,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub login: Login,
    pub signer: String,
    pub usages: Option<Vec<String>>,
    pub delete_after: bool,
    /// DER: the roots of the cluster itself, where they are told.
    pub cluster_roots: Vec<Vec<u8>>,
}

/// An API server, and what is known of it.
struct Target {
    /// `None`: it is in the connection's own words.
    server: Option<String>,
    roots: Vec<Vec<u8>>,
    proxy: Option<String>,
    login: Login,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        check_signer(&words.signer_name)?;
        let target = target(settings, &words)?;
        let checked = Self {
            name: settings.name.to_owned(),
            connection: connection(settings, &target)?,
            login: target.login,
            signer: words.signer_name,
            usages: words.usages,
            delete_after: words.delete_after,
            cluster_roots: target.roots,
        };
        if settings.anchors.is_empty() && checked.roots().is_empty() {
            return Err(wrong(
                "anchors",
                format!(
                    "the API does not provide the roots of {}: give them as PEM",
                    checked.signer
                ),
            ));
        }
        Ok(checked)
    }

    /// What is known of the signer's roots. The cluster vouches for its own, and for nobody else's.
    pub fn roots(&self) -> &[Vec<u8>] {
        if self.is_of_the_cluster() {
            &self.cluster_roots
        } else {
            &[]
        }
    }

    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.login.secret().cloned());
        secrets
    }

    /// The signer is the cluster's own, and so is the CA that its certificates lead to.
    pub fn is_of_the_cluster(&self) -> bool {
        self.signer.starts_with("kubernetes.io/")
    }
}

/// The connection's words, completed with what kubeconfig or pod tell.
fn connection(settings: &Settings<'_>, target: &Target) -> Result<Connection, SettingsError> {
    let mut table = settings.table.clone();
    let mut anchors = settings.anchors.to_vec();
    if let Some(server) = &target.server {
        for key in ["trust", "client_certificate", "client_key"] {
            if table.contains_key(key) {
                return Err(wrong(
                    key,
                    "it comes from the kubeconfig or the service account: give it only with url",
                ));
            }
        }
        table.insert("url".to_owned(), server.as_str().into());
        if target.roots.is_empty() {
            table.insert("trust".to_owned(), "system".into());
        }
    }
    if !target.roots.is_empty() {
        anchors.clone_from(&target.roots);
    }
    if let (Some(proxy), false) = (&target.proxy, table.contains_key("proxy")) {
        table.insert("proxy".to_owned(), proxy.as_str().into());
    }
    let settings = Settings {
        table,
        anchors: &anchors,
        on_wait: settings.on_wait.clone(),
        ..*settings
    };
    Connection::read(&settings, None)
}

fn target(settings: &Settings<'_>, words: &Words) -> Result<Target, SettingsError> {
    let given = settings.table.contains_key("url");
    for (key, is_set) in [
        ("token", words.token.is_some()),
        ("cluster_ca", words.cluster_ca.is_some()),
    ] {
        if is_set && !given {
            return Err(wrong(key, "give it only with url"));
        }
    }
    match (given, &words.kubeconfig, &words.service_account) {
        (true, None, None) => explicit(settings, words),
        (false, Some(path), None) => {
            by_kubeconfig(&[settings.directory.join(path)], words.context.as_deref())
        }
        (false, None, Some(path)) => pod(settings, &settings.directory.join(path)),
        (false, None, None) => found(settings, words),
        _ => Err(wrong(
            "kubeconfig",
            "url, kubeconfig and service_account each locate the API server: give only one of them",
        )),
    }
}

fn explicit(settings: &Settings<'_>, words: &Words) -> Result<Target, SettingsError> {
    let login = match &words.token {
        Some(token) => Login::Token(token.clone().relative_to(settings.directory)),
        None => Login::None,
    };
    let roots = match &words.cluster_ca {
        Some(path) => {
            roots(&settings.directory.join(path)).map_err(|reason| wrong("cluster_ca", reason))?
        }
        None => Vec::new(),
    };
    Ok(Target {
        server: None,
        roots,
        proxy: None,
        login,
    })
}

/// As kubectl does: the variable, the file at home, then the pod.
fn found(settings: &Settings<'_>, words: &Words) -> Result<Target, SettingsError> {
    let set = |name| (settings.environment)(name).filter(|value: &String| !value.is_empty());
    let context = words.context.as_deref();
    if let Some(list) = set("KUBECONFIG") {
        let files: Vec<PathBuf> = std::env::split_paths(&list).collect();
        return by_kubeconfig(&files, context);
    }
    if let Some(home) = set("HOME").map(|home| Path::new(&home).join(".kube/config"))
        && home.is_file()
    {
        return by_kubeconfig(&[home], context);
    }
    if set("KUBERNETES_SERVICE_HOST").is_some() {
        return pod(settings, Path::new(SERVICE_ACCOUNT));
    }
    Err(wrong(
        "kubeconfig",
        "no API server is given: give kubeconfig or url, or set KUBECONFIG (there is no ~/.kube/config, and this is not a pod)",
    ))
}

fn by_kubeconfig(files: &[PathBuf], context: Option<&str>) -> Result<Target, SettingsError> {
    let chosen = kubeconfig::read(files, context).map_err(|reason| wrong("kubeconfig", reason))?;
    let cluster = &chosen.cluster;
    let fault = |reason: String| {
        wrong(
            "kubeconfig",
            format!("the cluster of context \"{}\": {reason}", chosen.context),
        )
    };
    let roots = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) => BASE64_MIME_PERMISSIVE
            .decode(data.as_bytes())
            .map_err(|_| "certificate-authority-data is not base64".to_owned())
            .and_then(|pem| pem::required(&pem))
            .map_err(fault)?,
        (None, Some(path)) => roots(path).map_err(fault)?,
        (None, None) => Vec::new(),
    };
    Ok(Target {
        server: Some(cluster.server.clone()),
        roots,
        proxy: cluster.proxy_url.clone(),
        login: Login::User(Box::new(chosen.user), chosen.file, Box::new(chosen.cluster)),
    })
}

/// A pod's own service account (client-go's `rest.InClusterConfig`).
fn pod(settings: &Settings<'_>, folder: &Path) -> Result<Target, SettingsError> {
    let variable = |name: &str| {
        (settings.environment)(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                wrong(
                    "service_account",
                    format!("{name} is not set: this is not a pod"),
                )
            })
    };
    let (host, port) = (
        variable("KUBERNETES_SERVICE_HOST")?,
        variable("KUBERNETES_SERVICE_PORT")?,
    );
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    Ok(Target {
        server: Some(format!("https://{host}:{port}")),
        roots: roots(&folder.join("ca.crt")).map_err(|reason| wrong("service_account", reason))?,
        proxy: None,
        login: Login::TokenFile(folder.join("token")),
    })
}

fn roots(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let fault = |why: &str| format!("reading {}: {why}", path.display());
    let text = std::fs::read(path).map_err(|error| fault(&os_error::in_words(&error)))?;
    pem::required(&text).map_err(|why| fault(&why))
}

/// The signers that kube-controller-manager has.
const BUILT_IN: &[&str] = &[
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/kube-apiserver-client-kubelet",
    "kubernetes.io/kubelet-serving",
];

fn check_signer(name: &str) -> Result<(), SettingsError> {
    let is_qualified = name.split_once('/').is_some_and(|(domain, path)| {
        domain.contains('.') && !path.is_empty() && !name.contains(char::is_whitespace)
    });
    if !is_qualified {
        return Err(wrong(
            "signer_name",
            "write domain/name, as in example.com/images",
        ));
    }
    if name.starts_with("kubernetes.io/") && !BUILT_IN.contains(&name) {
        let meant = nearest(name, BUILT_IN.iter().copied()).unwrap_or(BUILT_IN[0]);
        return Err(wrong(
            "signer_name",
            format!(
                "Kubernetes has no such signer; did you mean `{meant}`? There are: {}",
                BUILT_IN.join(", ")
            ),
        ));
    }
    Ok(())
}
