//! kubeconfig files (`v1/Config`): YAML, one context chosen, what is not spoken refused in words.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::choice::nearest;
use crate::os_error;

/// The context chosen: where, and as whom.
#[derive(Debug)]
pub struct Chosen {
    pub context: String,
    pub cluster: Cluster,
    pub user: User,
    /// The file that the user stands in.
    pub file: PathBuf,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Config {
    current_context: String,
    contexts: Vec<Named<Context>>,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
}

/// Entries of a kubeconfig are lists of a name and a member that is called by the kind.
#[derive(Clone, Debug, Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    value: Option<T>,
    /// Where it stands; paths in it start there.
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Cluster {
    pub server: String,
    pub certificate_authority: Option<PathBuf>,
    pub certificate_authority_data: Option<String>,
    pub insecure_skip_tls_verify: bool,
    pub tls_server_name: Option<String>,
    pub proxy_url: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct User {
    pub token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub token_file: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_certificate_data: Option<String>,
    pub client_key: Option<PathBuf>,
    pub client_key_data: Option<String>,
    pub exec: Option<Exec>,
    username: Option<String>,
    auth_provider: Option<serde::de::IgnoredAny>,
    #[serde(rename = "as")]
    stands_in_for: Option<String>,
}

/// None of it is shown: it holds keys and tokens.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("User(***)")
    }
}

impl User {
    /// The file itself is a secret then.
    pub const fn is_inline(&self) -> bool {
        self.token.is_some() || self.client_key_data.is_some()
    }
}

/// A program that gives a credential (`client.authentication.k8s.io`).
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Exec {
    pub api_version: String,
    pub command: String,
    pub args: Option<Vec<String>>,
    pub env: Option<Vec<Variable>>,
    pub install_hint: String,
    pub interactive_mode: String,
    pub provide_cluster_info: bool,
}

#[derive(Clone, Deserialize)]
pub struct Variable {
    pub name: String,
    #[serde(default)]
    pub value: String,
}

/// Reads the files as kubectl merges them: of entries with one name the first counts, and the first
/// `current-context`. Files of a list that are not there are passed over.
///
/// # Errors
/// Which file or entry cannot be used, and why; nothing of their content but names.
pub fn read(files: &[PathBuf], context: Option<&str>) -> Result<Chosen, String> {
    let mut all = Config::default();
    for file in files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && files.len() > 1 => {
                continue;
            }
            Err(error) => {
                return Err(format!(
                    "reading {}: {}",
                    file.display(),
                    os_error::in_words(&error)
                ));
            }
        };
        let config = parse(&text).map_err(|why| format!("reading {}: {why}", file.display()))?;
        all.take(config, file);
    }
    all.choose(context)
}

impl Config {
    fn take(&mut self, other: Self, file: &Path) {
        if self.current_context.is_empty() {
            self.current_context = other.current_context;
        }
        append(&mut self.contexts, other.contexts, file);
        append(&mut self.clusters, other.clusters, file);
        append(&mut self.users, other.users, file);
    }

    fn choose(self, context: Option<&str>) -> Result<Chosen, String> {
        let context = match context {
            Some(context) => context.to_owned(),
            None if self.current_context.is_empty() => {
                return Err("no current-context is set: give context = \"…\"".to_owned());
            }
            None => self.current_context,
        };
        let (chosen, _) = find("context", &self.contexts, &context)?;
        let (cluster, place) = find("cluster", &self.clusters, &chosen.cluster)?;
        let (user, file) = find("user", &self.users, &chosen.user)?;
        Ok(Chosen {
            context,
            cluster: cluster.seen_from(place)?,
            user: user.seen_from(&file)?,
            file,
        })
    }
}

fn append<T>(all: &mut Vec<Named<T>>, more: Vec<Named<T>>, file: &Path) {
    for entry in more {
        if !all.iter().any(|known| known.name == entry.name) {
            let file = file.to_owned();
            all.push(Named { file, ..entry });
        }
    }
}

fn find<T: Clone>(kind: &str, all: &[Named<T>], name: &str) -> Result<(T, PathBuf), String> {
    let names: Vec<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
    all.iter()
        .find(|entry| entry.name == name)
        .and_then(|entry| Some((entry.value.clone()?, entry.file.clone())))
        .ok_or_else(|| {
            let meant = nearest(name, names.iter().copied())
                .map(|meant| format!(" (did you mean \"{meant}\"?)"))
                .unwrap_or_default();
            format!("there is no {kind} \"{name}\"{meant}")
        })
}

/// A relative path starts at its kubeconfig file.
fn beside(path: Option<PathBuf>, file: &Path) -> Option<PathBuf> {
    path.map(|path| file.parent().unwrap_or(Path::new(".")).join(path))
}

impl Cluster {
    fn seen_from(mut self, file: PathBuf) -> Result<Self, String> {
        if self.insecure_skip_tls_verify {
            return Err(
                "insecure-skip-tls-verify is set, so any server could get the login: give the cluster's certificate-authority instead"
                    .to_owned(),
            );
        }
        let host = url::Url::parse(&self.server)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        if self.tls_server_name.is_some() && self.tls_server_name != host {
            return Err(
                "tls-server-name is set: certbake verifies a server by the host in its address; \
                 give a server address that its certificate names"
                    .to_owned(),
            );
        }
        self.certificate_authority = beside(self.certificate_authority, &file);
        Ok(self)
    }
}

impl User {
    fn seen_from(mut self, file: &Path) -> Result<Self, String> {
        let refused = [
            (
                self.username.is_some(),
                "a user name with a password, which API servers no longer accept",
            ),
            (
                self.auth_provider.is_some(),
                "an auth-provider, which Kubernetes 1.26 removed: use its exec plugin",
            ),
            (
                self.stands_in_for.is_some(),
                "impersonation (as), which certbake does not support",
            ),
        ];
        if let Some((_, why)) = refused.iter().find(|(is_so, _)| *is_so) {
            return Err(format!("the user has {why}"));
        }
        self.token_file = beside(self.token_file, file);
        self.client_certificate = beside(self.client_certificate, file);
        self.client_key = beside(self.client_key, file);
        if let Some(exec) = &mut self.exec
            && exec.command.contains('/')
        {
            let command = beside(Some(PathBuf::from(&exec.command)), file);
            exec.command = command.unwrap_or_default().display().to_string();
        }
        Ok(self)
    }
}

fn parse(text: &str) -> Result<Config, String> {
    let documents = Yaml::load_from_str(text)
        .map_err(|error| format!("line {} is not YAML", error.marker().line()))?;
    let value = documents.first().map_or(Value::Null, json);
    // serde's sentence may quote a value, which may be a token.
    serde_json::from_value(value).map_err(|_| "it is not a kubeconfig".to_owned())
}

/// YAML as JSON; a key that is no text, and what YAML alone has, are nothing that a kubeconfig holds.
fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(members) => {
            let members = members
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), json(value))))
                // A member without a value is one that is not set, and so is an empty text for kubectl.
                .filter(|(_, value)| !value.is_null() && value != "");
            Value::Object(members.collect::<Map<_, _>>())
        }
        Yaml::Tagged(_, inner) => json(inner),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
preferences: {}
current-context: lab
contexts:
- name: lab
  context: {cluster: one, user: builder, namespace: images}
- {name: other, context: {cluster: one, user: nobody}}
clusters:
- name: one
  cluster:
    server: https://k8s.lab:6443
    certificate-authority: pki/ca.crt
users:
- name: builder
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./login
      args: [\"--for\", \"lab\"]
      env:
      interactiveMode: Never
";

    fn chosen(text: &str, context: Option<&str>) -> Result<Chosen, String> {
        let mut all = Config::default();
        all.take(parse(text)?, Path::new("/home/b/.kube/config"));
        all.choose(context)
    }

    #[test]
    fn the_current_context_is_taken_and_paths_start_at_the_file() {
        let chosen = chosen(FILE, None).unwrap();
        assert_eq!(chosen.context, "lab");
        assert_eq!(chosen.cluster.server, "https://k8s.lab:6443");
        assert_eq!(
            chosen.cluster.certificate_authority.unwrap(),
            Path::new("/home/b/.kube/pki/ca.crt")
        );
        let exec = chosen.user.exec.unwrap();
        assert_eq!(exec.command, "/home/b/.kube/./login");
        assert_eq!(exec.args.unwrap(), ["--for", "lab"]);
    }

    #[test]
    fn what_is_not_there_is_named_and_what_is_meant_proposed() {
        let error = chosen(FILE, Some("lap")).unwrap_err();
        assert_eq!(error, "there is no context \"lap\" (did you mean \"lab\"?)");
        let error = chosen(FILE, Some("other")).unwrap_err();
        assert!(error.starts_with("there is no user \"nobody\""), "{error}");
        let error = chosen("{}", None).unwrap_err();
        assert!(error.contains("current-context"), "{error}");
    }

    #[test]
    fn what_is_unsafe_or_not_spoken_is_refused() {
        for (from, to, words) in [
            (
                "    certificate-authority: pki/ca.crt",
                "    insecure-skip-tls-verify: true",
                "any server could get the login",
            ),
            (
                "    certificate-authority: pki/ca.crt",
                "    tls-server-name: x",
                "tls-server-name",
            ),
            ("    exec:", "    username: admin\n    exec:", "password"),
            (
                "    exec:",
                "    auth-provider: {name: gcp}\n    exec:",
                "auth-provider",
            ),
            ("    exec:", "    as: admin\n    exec:", "impersonation"),
        ] {
            let error = chosen(&FILE.replace(from, to), None).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_none_is_told_by_its_line_and_never_quoted() {
        let error = parse("a: [xyzzy\nb: {").unwrap_err();
        assert!(
            error.contains("line ") && !error.contains("xyzzy"),
            "{error}"
        );
        let error = parse("users: xyzzy-token").unwrap_err();
        assert!(!error.contains("xyzzy"), "{error}");
    }

    #[test]
    fn of_entries_with_one_name_the_first_file_counts() {
        let mut all = Config::default();
        all.take(
            parse("clusters: [{name: one, cluster: {server: 'https://first'}}]").unwrap(),
            Path::new("/a"),
        );
        all.take(parse(FILE).unwrap(), Path::new("/b/config"));
        let chosen = all.choose(None).unwrap();
        assert_eq!(chosen.cluster.server, "https://first");
        assert_eq!(chosen.file, Path::new("/b/config"));
    }
}
