//! The settings of `kind = "exec"`, checked: which program, with what around it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::connection::{read_secret, time_limit, wrong};
use crate::authority::given::Given;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::net::OnWait;
use crate::secret::Secret;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// What the program finds of our environment; nothing else of it.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG"];
/// Where none is set, what a login gives.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `[ca.<name>]` with `kind = "exec"`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The program that signs a request, and its arguments, without a shell. A name with a slash is
    /// relative to the configuration file, one without is looked up in `PATH`.
    pub command: Vec<String>,
    /// The program that revokes a certificate, and its arguments.
    pub revoke: Option<Vec<String>>,
    /// The program's environment, in addition to `PATH`, `HOME`, `LANG` and `CERTBAKE_…`.
    #[serde(default)]
    pub env: BTreeMap<String, Given>,
    /// For one run of the program [default: 60s].
    pub timeout: Option<Span>,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub command: Vec<String>,
    pub revoke: Option<Vec<String>>,
    pub timeout: Duration,
    /// Where the program runs, and where relative paths start.
    pub directory: PathBuf,
    pub path: String,
    pub on_wait: Option<OnWait>,
    passed_on: Vec<(String, String)>,
    given: BTreeMap<String, Given>,
}

/// All that the program finds whatever it is asked, and the secrets in it.
pub struct Surroundings {
    pub environment: Vec<(OsString, OsString)>,
    pub secrets: Vec<Secret>,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.read()?;
        let directory = std::path::absolute(settings.directory)
            .unwrap_or_else(|_| settings.directory.to_owned());
        for name in words.env.keys() {
            variable(name)?;
        }
        let mut passed_on: Vec<(String, String)> = PASSED_ON
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), (settings.environment)(name)?)))
            .collect();
        if !passed_on.iter().any(|(name, _)| name == "PATH") {
            passed_on.push(("PATH".to_owned(), USUAL_PATH.to_owned()));
        }
        let path = match words.env.get("PATH") {
            Some(Given::Text(path)) => path.clone(),
            _ => passed_on
                .iter()
                .find(|(name, _)| name == "PATH")
                .map_or_else(String::new, |(_, path)| path.clone()),
        };
        Ok(Self {
            name: settings.name.to_owned(),
            command: argv("command", words.command, &directory)?,
            revoke: words
                .revoke
                .map(|words| argv("revoke", words, &directory))
                .transpose()?,
            timeout: time_limit("timeout", words.timeout, Duration::from_secs(60))?,
            path,
            on_wait: settings.on_wait.clone(),
            passed_on,
            given: words
                .env
                .into_iter()
                .map(|(name, given)| (name, given.relative_to(settings.directory)))
                .collect(),
            directory,
        })
    }

    /// Where the secrets in the program's environment come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        self.given
            .values()
            .filter_map(Given::secret)
            .cloned()
            .collect()
    }

    /// Reads the secrets.
    pub fn surroundings(&self) -> Result<Surroundings, AuthorityError> {
        use std::os::unix::ffi::OsStringExt;
        let mut environment: BTreeMap<OsString, OsString> = self
            .passed_on
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let mut secrets = Vec::new();
        for (name, given) in &self.given {
            let value = match given {
                Given::Text(text) => text.into(),
                Given::Secret { source, prefix } => {
                    let secret = read_secret(source)?;
                    let value = [prefix.as_bytes(), secret.expose()].concat();
                    secrets.push(secret);
                    OsString::from_vec(value)
                }
            };
            environment.insert(name.into(), value);
        }
        Ok(Surroundings {
            environment: environment.into_iter().collect(),
            secrets,
        })
    }
}

fn argv(key: &str, mut words: Vec<String>, directory: &Path) -> Result<Vec<String>, SettingsError> {
    let Some(program) = words.first_mut().filter(|program| !program.is_empty()) else {
        return Err(wrong(
            key,
            "it has no program: write [\"./sign\", \"argument\"]",
        ));
    };
    if program.contains('/') {
        let path = directory.join(&*program);
        *program = path
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong(key, "the path of the configuration's folder is not UTF-8"))?;
    }
    Ok(words)
}

/// POSIX 1-2017, Base Definitions 8.1; ours are not to be set by others.
fn variable(name: &str) -> Result<(), SettingsError> {
    let key = format!("env.{name}");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain)
    {
        return Err(wrong(
            &key,
            "it is not a valid name of an environment variable",
        ));
    }
    if name.starts_with("CERTBAKE_") {
        return Err(wrong(
            &key,
            "names that begin with CERTBAKE_ are reserved for certbake",
        ));
    }
    Ok(())
}
