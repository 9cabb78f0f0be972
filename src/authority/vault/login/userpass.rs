//! A user name and a password, kept by Vault (`userpass`) or by a directory (`mount = "ldap"`,
//! `"radius"`): the same request.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Entered, Form, Login, beside, checked_mount, text};
use crate::authority::clock::Clock;
use crate::authority::connection::read_secret;
use crate::authority::vault::server::Server;
use crate::authority::vault::settings;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::secret_source::SecretSource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Userpass {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    /// The user's name.
    username: String,
    /// Where the password comes from.
    password: SecretSource,
}

fn usual_mount() -> String {
    "userpass".to_owned()
}

impl Userpass {
    pub fn new(username: String, password: SecretSource) -> Self {
        Self {
            mount: usual_mount(),
            username,
            password,
        }
    }
}

impl Login for Userpass {
    fn words(&self) -> String {
        format!("the user name \"{}\"", self.username)
    }

    fn sources(&self) -> Vec<&SecretSource> {
        vec![&self.password]
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        self.username = settings::segment("auth.username", std::mem::take(&mut self.username))?;
        beside(&mut self.password, settings);
        checked_mount(&mut self.mount)
    }

    fn enter(&self, server: &Server, _: Clock, until: Instant) -> Result<Entered, AuthorityError> {
        let password = read_secret(&self.password)?;
        Form {
            mount: &self.mount,
            path: &format!("login/{}", self.username),
            body: json!({ "password": text(&password, &self.password)? }),
            secrets: vec![password],
            words: self.words(),
            hint: "the user name or the password is wrong".to_owned(),
        }
        .send(server, until)
    }
}
