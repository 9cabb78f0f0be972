//! The ways to log in, one file each. All but a token that is there already end in
//! `POST auth/<mount>/…`.

mod approle;
mod aws;
mod cert;
mod jwt;
mod kubernetes;
mod sigv4;
mod token;
mod userpass;

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub use self::approle::AppRole;
use self::aws::Aws;
use self::cert::Cert;
use self::jwt::Jwt;
use self::kubernetes::Kubernetes;
use self::token::Token;
use self::userpass::Userpass;
use super::refusal::TurnedDown;
use super::server::{Answer, Auth, Server, read};
use super::settings;
use crate::authority::clock::Clock;
use crate::authority::{AuthorityError, Settings, SettingsError, answer};
use crate::finding::Finding;
use crate::net::Repeat;
use crate::secret::Secret;
use crate::secret_source::{SecretSource, UNREADABLE};

/// `auth = { method = "…", … }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum Method {
    Token(Token),
    AppRole(AppRole),
    Jwt(Jwt),
    Kubernetes(Kubernetes),
    Cert(Cert),
    Userpass(Userpass),
    Aws(Aws),
}

/// What a way to log in has to say and do.
pub trait Login {
    /// How we present ourselves, after "we came with".
    fn words(&self) -> String;

    /// Where its secrets come from.
    fn sources(&self) -> Vec<&SecretSource>;

    /// Completes the settings and checks them. `shows_certificate`: TLS shows a client certificate.
    fn complete(
        &mut self,
        settings: &Settings<'_>,
        shows_certificate: bool,
    ) -> Result<(), SettingsError>;

    /// Comes back with a token.
    fn enter(
        &self,
        server: &Server,
        clock: Clock,
        deadline: Instant,
    ) -> Result<Entered, AuthorityError>;
}

/// A token, and what Vault said of it where a login gave it.
pub struct Entered {
    pub token: Secret,
    pub got: Option<Auth>,
}

impl Method {
    pub fn token(token: SecretSource) -> Self {
        Self::Token(Token { token })
    }

    pub fn userpass(username: String, password: SecretSource) -> Self {
        Self::Userpass(Userpass::new(username, password))
    }

    pub fn cert() -> Self {
        Self::Cert(Cert::default())
    }

    pub fn login(&self) -> &dyn Login {
        match self {
            Self::Token(login) => login,
            Self::AppRole(login) => login,
            Self::Jwt(login) => login,
            Self::Kubernetes(login) => login,
            Self::Cert(login) => login,
            Self::Userpass(login) => login,
            Self::Aws(login) => login,
        }
    }

    pub fn login_mut(&mut self) -> &mut dyn Login {
        match self {
            Self::Token(login) => login,
            Self::AppRole(login) => login,
            Self::Jwt(login) => login,
            Self::Kubernetes(login) => login,
            Self::Cert(login) => login,
            Self::Userpass(login) => login,
            Self::Aws(login) => login,
        }
    }
}

/// What is sent to `auth/<mount>/<path>`.
struct Form<'a> {
    mount: &'a str,
    path: &'a str,
    body: Value,
    /// What of it must not come back in an error.
    secrets: Vec<Secret>,
    /// As [`Login::words`].
    words: String,
    /// What to look at when it is refused.
    hint: String,
}

impl Form<'_> {
    fn send(&self, server: &Server, deadline: Instant) -> Result<Entered, AuthorityError> {
        let path = format!("auth/{}/{}", self.mount, self.path);
        let what = format!("POST {path}");
        let mut request = server.post(&path, Repeat::IfTurnedAway, &self.body, deadline);
        for secret in &self.secrets {
            request = request.withhold(secret);
        }
        let response = server.send(&request)?;
        if response.status != 200 {
            let turned_down = TurnedDown {
                what: &what,
                request: &request,
                response: &response,
            };
            return Err(turned_down.of_login(self.mount, &self.words, &self.hint));
        }
        let answer: Answer<Value> = read(&what, &response)?;
        match answer.auth {
            Some(mut auth) if !auth.client_token.is_empty() => Ok(Entered {
                token: Secret::from(std::mem::take(&mut auth.client_token)),
                got: Some(auth),
            }),
            Some(auth) if auth.mfa_requirement.is_some() => Err(wants_a_second_factor(&what)),
            _ => Err(answer::unusable(&what, "it contains no token", &response)),
        }
    }
}

fn wants_a_second_factor(what: &str) -> AuthorityError {
    AuthorityError::Refused(Box::new(
        Finding::error(
            answer::LOGIN_REFUSED,
            format!("{what}: this login requires a second factor"),
        )
        .hint("a build cannot give one: log in with approle, jwt or cert"),
    ))
}

/// The mount of a login, checked.
fn checked_mount(mount: &mut String) -> Result<(), SettingsError> {
    *mount = settings::path("auth.mount", mount)?;
    Ok(())
}

/// A secret's file, seen from the configuration.
fn beside(source: &mut SecretSource, settings: &Settings<'_>) {
    *source = source.clone().relative_to(settings.directory);
}

/// A secret as a JSON string.
fn text(secret: &Secret, source: &SecretSource) -> Result<String, AuthorityError> {
    secret.expose_str().map(str::to_owned).map_err(|error| {
        AuthorityError::Settings(Box::new(
            Finding::error(UNREADABLE, format!("reading {source}: {error}"))
                .hint("give the secret as text, as Vault shows it"),
        ))
    })
}
