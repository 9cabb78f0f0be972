//! A token of a CI system or another identity provider (JWT or OIDC), which Vault verifies.

use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Entered, Form, Login, beside, checked_mount, text};
use crate::authority::clock::Clock;
use crate::authority::connection::read_secret;
use crate::authority::vault::server::Server;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::finding::rfc3339;
use crate::line;
use crate::secret::Secret;
use crate::secret_source::SecretSource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    /// Without it, the mount's default_role.
    role: Option<String>,
    /// Where the token of the CI job or the pod comes from.
    jwt: SecretSource,
}

fn usual_mount() -> String {
    "jwt".to_owned()
}

impl Login for Jwt {
    fn words(&self) -> String {
        format!("the JWT of {}", self.jwt)
    }

    fn sources(&self) -> Vec<&SecretSource> {
        vec![&self.jwt]
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        beside(&mut self.jwt, settings);
        checked_mount(&mut self.mount)
    }

    fn enter(
        &self,
        server: &Server,
        clock: Clock,
        until: Instant,
    ) -> Result<Entered, AuthorityError> {
        let jwt = read_secret(&self.jwt)?;
        let mut body = json!({ "jwt": text(&jwt, &self.jwt)? });
        if let Some(role) = &self.role {
            body["role"] = role.as_str().into();
        }
        Form {
            mount: &self.mount,
            path: "login",
            body,
            hint: format!(
                "its claims must match the role's bindings: {}",
                claims(&jwt, clock.now())
            ),
            secrets: vec![jwt],
            words: self.words(),
        }
        .send(server, until)
    }
}

/// What a JWT (RFC 7519) says of itself, for an error: who made it, for whom, about whom, until when.
pub fn claims(jwt: &Secret, now: OffsetDateTime) -> String {
    let Some(claims) = payload(jwt) else {
        return "it is not a JWT".to_owned();
    };
    let mut said: Vec<String> = ["iss", "aud", "sub"]
        .iter()
        .filter_map(|name| {
            let value = claims.get(*name)?;
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Some(format!(
                "{name} {}",
                line::sanitized(value.as_bytes(), 100)?
            ))
        })
        .collect();
    let instant = |name| {
        let seconds = claims.get(name).and_then(Value::as_f64)?;
        OffsetDateTime::from_unix_timestamp(seconds as i64).ok()
    };
    if let Some(end) = instant("exp") {
        let past = if end <= now { ", which is past" } else { "" };
        said.push(format!("exp {}{past}", rfc3339(end)));
    }
    if let Some(start) = instant("nbf").filter(|start| *start > now) {
        said.push(format!("nbf {}, which is in the future", rfc3339(start)));
    }
    if said.is_empty() {
        return "it has none".to_owned();
    }
    said.join(", ")
}

fn payload(jwt: &Secret) -> Option<Value> {
    let mut parts = jwt.expose_str().ok()?.split('.');
    let payload = parts.nth(1)?;
    let json = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    serde_json::from_slice(&json).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn jwt(payload: &str) -> Secret {
        let payload = BASE64URL_NOPAD.encode(payload.as_bytes());
        Secret::from(format!("e30.{payload}.c2ln"))
    }

    #[test]
    fn a_jwt_is_told_by_what_a_role_can_be_bound_to() {
        let now = datetime!(2026-11-25 12:00 UTC);
        let said = claims(
            &jwt(r#"{"iss":"https://ci.lab","aud":["vault","x"],"sub":"repo:a","exp":1732530000}"#),
            now,
        );
        assert_eq!(
            said,
            r#"iss https://ci.lab, aud ["vault","x"], sub repo:a, exp 2024-11-25T10:20:00Z, which is past"#
        );
    }

    #[test]
    fn what_is_no_jwt_is_said_to_be_none_and_not_shown() {
        for text in ["canary", "a.canary.c", "a.e30", ""] {
            let said = claims(&Secret::from(text.to_owned()), OffsetDateTime::UNIX_EPOCH);
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
