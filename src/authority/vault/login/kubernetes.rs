//! The token of a pod's service account.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::jwt::claims;
use super::{Entered, Form, Login, UNREADABLE, beside, checked_mount, text};
use crate::authority::clock::Clock;
use crate::authority::connection::{read_secret, wrong};
use crate::authority::vault::server::Server;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::finding::Finding;
use crate::os_error;
use crate::secret::Secret;
use crate::secret_source::{self, SecretSource};

/// Where a pod finds it.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    role: String,
    /// A projected token, readable by everyone in the pod, as Kubernetes creates it
    /// [default: /var/run/secrets/kubernetes.io/serviceaccount/token].
    token_file: Option<PathBuf>,
    /// The token from elsewhere, instead of token_file.
    jwt: Option<SecretSource>,
}

fn usual_mount() -> String {
    "kubernetes".to_owned()
}

impl Kubernetes {
    fn file(&self) -> PathBuf {
        self.token_file.clone().unwrap_or_else(|| TOKEN_FILE.into())
    }

    fn place(&self) -> String {
        match &self.jwt {
            Some(source) => source.to_string(),
            None => self.file().display().to_string(),
        }
    }

    /// Kubernetes gives the file a mode by which the whole pod can read it, and nobody else is there.
    fn read(&self) -> Result<Secret, AuthorityError> {
        if let Some(source) = &self.jwt {
            return read_secret(source);
        }
        let path = self.file();
        let mut token = Vec::with_capacity(4096);
        let unreadable = |reason: String| {
            AuthorityError::Settings(Box::new(
                Finding::error(
                    UNREADABLE,
                    format!("reading the service account's token {}: {reason}", path.display()),
                )
                .hint(
                    "outside a pod there is none: give auth.token_file or auth.jwt; in a pod, check that automountServiceAccountToken is not false",
                ),
            ))
        };
        File::open(&path)
            .and_then(|file| file.take(secret_source::LONGEST).read_to_end(&mut token))
            .map_err(|error| unreadable(os_error::in_words(&error)))?;
        let token = Secret::new(token.trim_ascii().to_vec());
        if token.is_empty() {
            return Err(unreadable("it is empty".to_owned()));
        }
        Ok(token)
    }
}

impl Login for Kubernetes {
    fn words(&self) -> String {
        format!("the service account's token of {}", self.place())
    }

    fn sources(&self) -> Vec<&SecretSource> {
        self.jwt.iter().collect()
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        if self.jwt.is_some() && self.token_file.is_some() {
            return Err(wrong(
                "auth.jwt",
                "token_file is also given: give only one of them",
            ));
        }
        if let Some(source) = &mut self.jwt {
            beside(source, settings);
        }
        if let Some(file) = &mut self.token_file {
            *file = settings.directory.join(&file);
        }
        checked_mount(&mut self.mount)
    }

    fn enter(
        &self,
        server: &Server,
        clock: Clock,
        until: Instant,
    ) -> Result<Entered, AuthorityError> {
        let jwt = self.read()?;
        let source = SecretSource::File(self.file());
        Form {
            mount: &self.mount,
            path: "login",
            body: json!({ "role": self.role, "jwt": text(&jwt, self.jwt.as_ref().unwrap_or(&source))? }),
            hint: format!(
                "service account and namespace must be those that the role \"{}\" is bound to, and Vault must \
                 reach the cluster to have the token reviewed: {}",
                self.role,
                claims(&jwt, clock.now())
            ),
            secrets: vec![jwt],
            words: self.words(),
        }
        .send(server, until)
    }
}
