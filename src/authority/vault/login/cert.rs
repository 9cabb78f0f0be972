//! The client certificate that TLS shows.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Entered, Form, Login, checked_mount};
use crate::authority::clock::Clock;
use crate::authority::connection::wrong;
use crate::authority::vault::server::Server;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::secret_source::SecretSource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cert {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    /// The one role to match; without it, Vault tries all.
    name: Option<String>,
}

fn usual_mount() -> String {
    "cert".to_owned()
}

impl Default for Cert {
    fn default() -> Self {
        Self {
            mount: usual_mount(),
            name: None,
        }
    }
}

impl Login for Cert {
    fn words(&self) -> String {
        "a client certificate".to_owned()
    }

    fn sources(&self) -> Vec<&SecretSource> {
        Vec::new()
    }

    fn complete(&mut self, _: &Settings<'_>, shows: bool) -> Result<(), SettingsError> {
        if !shows {
            return Err(wrong(
                "client_certificate",
                "auth.method = \"cert\" needs a TLS client certificate: give client_certificate and client_key",
            ));
        }
        checked_mount(&mut self.mount)
    }

    fn enter(&self, server: &Server, _: Clock, until: Instant) -> Result<Entered, AuthorityError> {
        Form {
            mount: &self.mount,
            path: "login",
            body: match &self.name {
                Some(name) => json!({ "name": name }),
                None => json!({}),
            },
            secrets: Vec::new(),
            words: self.words(),
            hint: "no role accepts this client certificate (its issuer, names or dates), or a proxy in between terminates TLS and does not forward it"
                .to_owned(),
        }
        .send(server, until)
    }
}
