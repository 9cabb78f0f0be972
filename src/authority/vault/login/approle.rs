//! AppRole: a role id, and a secret id that may come wrapped: then it can be unwrapped once, and
//! when that fails, somebody else may have done it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Entered, Form, Login, beside, checked_mount, text};
use crate::authority::clock::Clock;
use crate::authority::connection::{read_secret, wrong};
use crate::authority::vault::refusal::TurnedDown;
use crate::authority::vault::server::{Server, data, with_token};
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::finding::{Code, Finding};
use crate::net::Repeat;
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const ALREADY_UNWRAPPED: Code = Code::new("vault-secret-id-already-unwrapped");
pub const WRAPPED_ELSEWHERE: Code = Code::new("vault-secret-id-wrapped-elsewhere");

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppRole {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    /// The role id itself, or where it comes from: env:NAME, file:PATH.
    role_id: String,
    /// Where the secret id comes from.
    secret_id: Option<SecretSource>,
    /// A wrapping token (`vault write -wrap-ttl=… -f auth/approle/role/…/secret-id`), unwrapped once.
    secret_id_wrapped: Option<SecretSource>,
    /// Where the wrapped secret id was made, if not at `auth/<mount>/role/…/secret-id`.
    secret_id_wrapped_at: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    unwrapped: Mutex<Option<Result<Secret, AuthorityError>>>,
}

fn usual_mount() -> String {
    "approle".to_owned()
}

#[derive(Deserialize)]
struct Wrapping {
    creation_path: Option<String>,
}

#[derive(Deserialize)]
struct SecretId {
    secret_id: String,
}

impl AppRole {
    /// Whether logging in uses up what is given.
    pub const fn can_be_used_once(&self) -> bool {
        self.secret_id_wrapped.is_some()
    }

    /// Whether the wrapping token still stands for a secret id, without unwrapping it.
    pub fn look_up(&self, server: &Server, deadline: Instant) -> Result<(), AuthorityError> {
        match &self.secret_id_wrapped {
            Some(source) => self.inspect(server, &read_secret(source)?, deadline),
            None => Ok(()),
        }
    }

    /// The role id may be configuration or come from where secrets come from.
    fn role_id(&self) -> Result<String, AuthorityError> {
        match self.role_id.parse::<SecretSource>() {
            Ok(source) => text(&read_secret(&source)?, &source),
            Err(_) => Ok(self.role_id.clone()),
        }
    }

    fn secret_id(
        &self,
        server: &Server,
        deadline: Instant,
    ) -> Result<Option<Secret>, AuthorityError> {
        if let Some(source) = &self.secret_id {
            return read_secret(source).map(Some);
        }
        let Some(source) = &self.secret_id_wrapped else {
            return Ok(None);
        };
        let mut unwrapped = self
            .unwrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*unwrapped {
            return outcome.clone().map(Some);
        }
        let wrapping = read_secret(source)?;
        self.inspect(server, &wrapping, deadline)?;
        // However often a login is tried, and whatever comes of this: it is asked for once.
        let outcome = unwrap(server, &wrapping, deadline);
        unwrapped.insert(outcome).clone().map(Some)
    }

    /// A secret id that was unwrapped and wrapped again on the way shows by its creation path.
    fn inspect(
        &self,
        server: &Server,
        wrapping: &Secret,
        deadline: Instant,
    ) -> Result<(), AuthorityError> {
        let what = "POST sys/wrapping/lookup";
        let body = json!({ "token": String::from_utf8_lossy(wrapping.expose()) });
        let request = server
            .post("sys/wrapping/lookup", Repeat::IfTurnedAway, &body, deadline)
            .withhold(wrapping);
        let response = server.send(&request)?;
        if response.status != 200 {
            let turned_down = TurnedDown {
                what,
                request: &request,
                response: &response,
            };
            return Err(not_there(&turned_down));
        }
        let wrapping: Wrapping = data(what, &response)?;
        let path = wrapping.creation_path.unwrap_or_default();
        let expected = match &self.secret_id_wrapped_at {
            Some(expected) => path == *expected,
            None => {
                path.starts_with(&format!("auth/{}/role/", self.mount))
                    && (path.ends_with("/secret-id") || path.ends_with("/custom-secret-id"))
            }
        };
        if expected {
            Ok(())
        } else {
            Err(wrapped_elsewhere(&path, &self.mount))
        }
    }
}

fn unwrap(server: &Server, wrapping: &Secret, deadline: Instant) -> Result<Secret, AuthorityError> {
    let what = "POST sys/wrapping/unwrap";
    let request = server.post("sys/wrapping/unwrap", Repeat::Never, &json!({}), deadline);
    let request = with_token(request, wrapping);
    let response = server.send(&request).map_err(|error| match error {
        AuthorityError::Unreachable(finding) | AuthorityError::Unusable(finding) => {
            let hint = format!(
                "{}; the secret id may now be unwrapped and the answer lost: make a new wrapped one",
                finding.hint
            );
            AuthorityError::Unreachable(Box::new(finding.hint(hint)))
        }
        other => other,
    })?;
    if response.status != 200 {
        let turned_down = TurnedDown {
            what,
            request: &request,
            response: &response,
        };
        return Err(not_there(&turned_down));
    }
    let secret_id: SecretId = data(what, &response)?;
    Ok(Secret::from(secret_id.secret_id))
}

/// The wrapping token stands for nothing any more.
fn not_there(turned_down: &TurnedDown<'_>) -> AuthorityError {
    if !matches!(turned_down.response.status, 400 | 403 | 404) {
        return turned_down.in_general("a wrapped secret id");
    }
    let mut finding = turned_down.finding(
        ALREADY_UNWRAPPED,
        "if it is younger than its wrap-ttl, treat it as stolen: destroy the secret id \
         (`vault write auth/approle/role/ROLE/secret-id-accessor/destroy …`, see Vault's audit log for who unwrapped it), then make a new wrapped one",
    );
    finding.summary = format!(
        "the wrapped secret id no longer exists: somebody else has unwrapped it, or it has expired ({})",
        finding.summary
    );
    AuthorityError::Refused(Box::new(finding))
}

fn wrapped_elsewhere(path: &str, mount: &str) -> AuthorityError {
    AuthorityError::Refused(Box::new(
        Finding::error(
            WRAPPED_ELSEWHERE,
            format!(
                "the wrapped secret id was not made by AppRole, but at {path}: somebody may have unwrapped \
                 it and wrapped it again; it was not used"
            ),
        )
        .fact("creation_path", path)
        .fact("expected", format!("auth/{mount}/role/…/secret-id"))
        .hint(
            "make and wrap a new one in one request; if it is meant to come from there, set auth.secret_id_wrapped_at",
        ),
    ))
}

impl Login for AppRole {
    fn words(&self) -> String {
        format!("an AppRole login (auth/{})", self.mount)
    }

    fn sources(&self) -> Vec<&SecretSource> {
        self.secret_id
            .iter()
            .chain(&self.secret_id_wrapped)
            .collect()
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        if self.secret_id.is_some() && self.secret_id_wrapped.is_some() {
            return Err(wrong(
                "auth.secret_id",
                "secret_id_wrapped is also given: give only one of them",
            ));
        }
        if let Ok(SecretSource::File(path)) = self.role_id.parse() {
            self.role_id = SecretSource::File(settings.directory.join(path)).to_string();
        }
        let sources = [&mut self.secret_id, &mut self.secret_id_wrapped];
        for source in sources.into_iter().flatten() {
            beside(source, settings);
        }
        checked_mount(&mut self.mount)
    }

    fn enter(&self, server: &Server, _: Clock, until: Instant) -> Result<Entered, AuthorityError> {
        let mut body = json!({ "role_id": self.role_id()? });
        let mut secrets = Vec::new();
        if let Some(secret_id) = self.secret_id(server, until)? {
            let source = self.secret_id.as_ref().or(self.secret_id_wrapped.as_ref());
            if let Some(source) = source {
                body["secret_id"] = text(&secret_id, source)?.into();
            }
            secrets.push(secret_id);
        }
        Form {
            mount: &self.mount,
            path: "login",
            body,
            secrets,
            words: self.words(),
            hint: "the role id is wrong, or the secret id is wrong, expired, or used as often as it may be \
                   (secret_id_num_uses), or this address is not among its bound CIDRs"
                .to_owned(),
        }
        .send(server, until)
    }
}
