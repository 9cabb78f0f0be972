//! A token that Vault accepts: given, or got by a login and given back in the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::login::Entered;
use super::refusal::{TokenFacts, TokenState, TurnedDown};
use super::server::{Auth, Server, data, with_token};
use super::settings::Checked;
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::net::{Repeat, Request, Response};
use crate::secret::Secret;

pub const TOKEN_KEPT: Code = Code::new("vault-token-kept");

const LOOKUP: &str = "auth/token/lookup-self";

/// How long giving the token back may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Everything between settings and the first order.
pub struct Session {
    pub server: Arc<Server>,
    token: Secret,
    /// How we presented ourselves, in words: `an AppRole login`.
    pub login: String,
    /// What is known of a token that a login gave.
    got: Option<Auth>,
    /// A certificate hangs on a lease of the token.
    leased: AtomicBool,
}

impl Session {
    /// Logs in, or reads the token that is there.
    pub fn open(
        server: Arc<Server>,
        settings: &Checked,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let login = settings.method.login();
        let Entered { token, got } = login.enter(&server, settings.clock, deadline)?;
        Ok(Self {
            server,
            token,
            login: login.words(),
            got,
            leased: AtomicBool::new(false),
        })
    }

    pub fn get(&self, path: &str, deadline: Instant) -> Request {
        with_token(self.server.get(path, deadline), &self.token)
    }

    pub fn post(&self, path: &str, repeat: Repeat, body: &Value, deadline: Instant) -> Request {
        with_token(self.server.post(path, repeat, body, deadline), &self.token)
    }

    pub fn send(&self, request: &Request) -> Result<Response, AuthorityError> {
        self.server.send(request)
    }

    /// Revoking the token would take a certificate with it from now on.
    pub fn holds_a_lease(&self) {
        self.leased.store(true, Ordering::Relaxed);
    }

    /// Another login would give another token.
    pub const fn came_by_login(&self) -> bool {
        self.got.is_some()
    }

    /// What is read beside orders would use it up.
    pub fn has_limited_uses(&self) -> bool {
        self.got
            .as_ref()
            .is_some_and(|auth| auth.num_uses.is_some_and(|uses| uses > 0))
    }

    /// The token as it sees itself, or what Vault says of it.
    pub fn look_up(&self, deadline: Instant) -> Result<(Request, Response), AuthorityError> {
        let request = self.get(LOOKUP, deadline);
        let response = self.send(&request)?;
        Ok((request, response))
    }

    pub fn token_state(&self, deadline: Instant) -> TokenState {
        let Ok((request, response)) = self.look_up(deadline) else {
            return TokenState::Unknown;
        };
        let turned_down = TurnedDown {
            what: LOOKUP,
            request: &request,
            response: &response,
        };
        let is_invalid = turned_down.says("invalid token") || turned_down.says("bad token");
        match response.status {
            200 => match data::<TokenFacts>(LOOKUP, &response) {
                Ok(facts) => TokenState::Good {
                    policies: facts.policies(),
                },
                Err(_) => TokenState::Unknown,
            },
            // A role may leave out the policy "default", by which tokens look themselves up.
            403 if self.came_by_login() && !is_invalid => TokenState::Silent,
            403 => TokenState::Bad,
            _ => TokenState::Unknown,
        }
    }

    /// Whether the policies give `update` on a path; `None` where the token may not ask.
    pub fn may_update(
        &self,
        path: &str,
        deadline: Instant,
    ) -> Result<Option<bool>, AuthorityError> {
        let what = "POST sys/capabilities-self";
        let request = self.post(
            "sys/capabilities-self",
            Repeat::Safe,
            &json!({ "paths": [path] }),
            deadline,
        );
        let response = self.send(&request)?;
        if response.status != 200 {
            return Ok(None);
        }
        let capabilities: BTreeMap<String, Value> = data(what, &response)?;
        let held = capabilities.get(path).and_then(Value::as_array);
        let updates = |held: &Vec<Value>| {
            held.iter()
                .any(|it| matches!(it.as_str(), Some("update" | "root")))
        };
        Ok(held.map(updates))
    }

    /// Whether a PKI engine stands there: its certificate is public.
    pub fn is_pki(&self, mount: &str, deadline: Instant) -> bool {
        let request = self.server.get(&format!("{mount}/ca/pem"), deadline);
        // Without an answer the mount is not to blame.
        self.send(&request)
            .map_or(true, |response| !matches!(response.status, 403..=405))
    }

    pub fn renewal_hint(&self) -> &'static str {
        if self.came_by_login() {
            "the login's token has expired or was revoked in the meantime: give its role a longer token_ttl"
        } else {
            "the token is wrong, has expired or was revoked, or is of another server or namespace: get a \
             new one, or let certbake log in (auth.method = \"approle\", \"jwt\", …)"
        }
    }

    /// Gives a token that a login gave back, unless that takes a certificate with it.
    pub fn close(&self) -> Option<Finding> {
        let got = self.got.as_ref()?;
        // Those are not stored anywhere, and end by themselves.
        if got.token_type.as_deref() == Some("batch") {
            return None;
        }
        let ends = got.lease_duration;
        if self.leased.load(Ordering::Relaxed) {
            return Some(
                Finding::note(
                    TOKEN_KEPT,
                    "the login's token is not revoked: the role ties certificates to it \
                     (generate_lease), and revoking it would revoke what was just issued",
                )
                .fact("ends_in_seconds", ends)
                .hint("when it expires, Vault revokes the certificate anyway: set generate_lease=false in the role"),
            );
        }
        let deadline = Instant::now() + FAREWELL;
        let request = self.post(
            "auth/token/revoke-self",
            Repeat::IfTurnedAway,
            &json!({}),
            deadline,
        );
        let reason = match self.send(&request) {
            Ok(response) if (200..300).contains(&response.status) => return None,
            // Its last use was the order.
            Ok(response) if response.status == 403 && self.has_limited_uses() => return None,
            Ok(response) => {
                let turned_down = TurnedDown {
                    what: "POST auth/token/revoke-self",
                    request: &request,
                    response: &response,
                };
                turned_down.finding(TOKEN_KEPT, "").summary
            }
            Err(error) => error.into_finding().summary,
        };
        Some(
            Finding::warning(
                TOKEN_KEPT,
                format!("the login's token could not be revoked: {reason}"),
            )
            .fact("ends_in_seconds", ends)
            .hint("it expires by itself; keep the policy \"default\" in its role, so that it may revoke itself"),
        )
    }
}
