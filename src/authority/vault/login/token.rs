//! A token that is there already: used as it is, and left as it is.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Entered, Login, beside};
use crate::authority::clock::Clock;
use crate::authority::connection::read_secret;
use crate::authority::vault::server::Server;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::secret_source::SecretSource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Where the token comes from; it is used as it is, and not revoked.
    pub token: SecretSource,
}

impl Login for Token {
    fn words(&self) -> String {
        format!("the token of {}", self.token)
    }

    fn sources(&self) -> Vec<&SecretSource> {
        vec![&self.token]
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        beside(&mut self.token, settings);
        Ok(())
    }

    fn enter(&self, _: &Server, _: Clock, _: Instant) -> Result<Entered, AuthorityError> {
        Ok(Entered {
            token: read_secret(&self.token)?,
            got: None,
        })
    }
}
