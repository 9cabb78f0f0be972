//! What Vault means by a status: a 403 alone does not say whether the token, the policy or the path
//! is wrong.

use std::time::Instant;

use serde::Deserialize;

use super::server::lacks_issuer;
use super::session::Session;
use super::settings::Checked;
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::net::{Request, Response};

pub const SEALED: Code = Code::new("vault-sealed");

/// The fact that tells 403s apart: `token`, `policy` or `path`.
pub const CAUSE: &str = "cause";

/// An answer that is no success, told in Vault's words.
pub struct TurnedDown<'a> {
    /// `POST pki/sign/app`.
    pub what: &'a str,
    pub request: &'a Request,
    pub response: &'a Response,
}

impl TurnedDown<'_> {
    pub fn finding(&self, code: Code, hint: impl Into<String>) -> Finding {
        let status = self.response.status;
        let said = self.said();
        let words = said
            .as_ref()
            .map_or_else(String::new, |said| format!(": {said}"));
        let finding = Finding::error(
            code,
            format!("{} was answered with {status}{words}", self.what),
        )
        .fact("status", status)
        .fact("attempts", self.response.attempts)
        .hint(hint);
        match said {
            Some(said) => finding.fact("said", said),
            None => finding,
        }
    }

    /// `2 errors occurred: * permission denied * invalid token` is Go's list on several lines.
    pub fn said(&self) -> Option<String> {
        let said = self.response.said(self.request)?;
        let list = said
            .split_once(" occurred:")
            .filter(|(head, _)| head.ends_with("error") || head.ends_with("errors"))
            .map(|(_, list)| list.trim().trim_start_matches("* ").replace(" * ", "; "));
        Some(list.unwrap_or(said)).filter(|said| !matches!(said.as_str(), "" | r#"{"errors":[]}"#))
    }

    pub fn refused(&self, code: Code, hint: impl Into<String>) -> AuthorityError {
        AuthorityError::Refused(Box::new(self.finding(code, hint)))
    }

    fn unreachable(&self, code: Code, hint: &str) -> AuthorityError {
        AuthorityError::Unreachable(Box::new(self.finding(code, hint)))
    }

    pub fn says(&self, words: &str) -> bool {
        self.said().is_some_and(|said| said.contains(words))
    }

    pub fn sealed(&self) -> AuthorityError {
        let mut finding = self.finding(
            SEALED,
            "unseal Vault (`vault operator unseal`), or find out why auto-unseal does not work",
        );
        finding.summary = format!("Vault is sealed: {}", finding.summary);
        AuthorityError::Unreachable(Box::new(finding))
    }

    /// Whatever does not depend on the login. `login` is how we presented ourselves, in words.
    pub fn in_general(&self, login: &str) -> AuthorityError {
        match self.response.status {
            404 => self.refused(
                answer::REFUSED,
                "nothing is mounted there: check url, namespace and mount, and `vault secrets list`",
            ),
            405 => self.refused(
                answer::REFUSED,
                "another engine is mounted there, or Vault is older: check mount",
            ),
            412 => self.unreachable(
                answer::BUSY,
                "this standby has not caught up with the active node: retry, or use the active node's address",
            ),
            472 => self.unreachable(
                answer::BUSY,
                "this is a disaster recovery secondary, which does not sign: give the primary's address",
            ),
            473 => self.unreachable(
                answer::BUSY,
                "this is a performance standby: give the address of the active node",
            ),
            503 if self.says("sealed") => self.sealed(),
            _ => answer::turned_down(self.what, self.request, self.response, login),
        }
    }

    /// An order, as `checked` describes it, or a step beside it.
    pub fn of_order(&self, session: &Session, checked: &Checked, until: Instant) -> AuthorityError {
        match self.response.status {
            400 => self.refused(answer::REFUSED, self.unfit(checked)),
            403 => self.forbidden(session, checked, &checked.sign_path(), until),
            500 if lacks_issuer(self.response) => self.without_issuer(checked),
            _ => self.in_general(&session.login),
        }
    }

    /// The mount cannot sign before somebody gives it what it lacks.
    pub fn without_issuer(&self, checked: &Checked) -> AuthorityError {
        let Checked { mount, .. } = checked;
        self.refused(
            answer::REFUSED,
            format!(
                "the mount \"{mount}\" has no such issuer: see `vault list {mount}/issuers`, then set issuer, \
                 issuer_ref of the role, or the mount's default (`vault write {mount}/config/issuers default=…`)"
            ),
        )
    }

    pub fn of_revocation(
        &self,
        session: &Session,
        checked: &Checked,
        until: Instant,
    ) -> AuthorityError {
        let Checked { mount, .. } = checked;
        match self.response.status {
            403 => self.forbidden(session, checked, &format!("{mount}/revoke"), until),
            400 | 404 => self.refused(
                answer::REFUSED,
                format!(
                    "check that \"{mount}\" is the mount that issued it: `vault list {mount}/certs`"
                ),
            ),
            _ => self.in_general(&session.login),
        }
    }

    /// 400: the request does not fit the role, or there is no such role.
    fn unfit(&self, checked: &Checked) -> String {
        let Checked { mount, role, .. } = checked;
        let read = format!("`vault read {mount}/roles/{role}`");
        if self.says("unknown role") {
            format!(
                "there is no role \"{role}\" on the mount \"{mount}\": see `vault list {mount}/roles`"
            )
        } else if self.says("beyond the expiration of the CA") {
            format!(
                "the issuing CA expires before the certificate would: ask for a shorter ttl, renew the CA, or \
                 set leaf_not_after_behavior (`vault read {mount}/issuer/default`)"
            )
        } else if self.says("keys of type") || self.says("-bit key") {
            format!(
                "choose another key_algorithm, or change key_type and key_bits of the role: {read}"
            )
        } else if self.says("not allowed by this role") {
            format!("add the name to allowed_domains of the role, or ask for another: {read}")
        } else if self.says("use_csr_common_name") || self.says("common name") {
            format!("set common_name, or require_cn=false in the role: {read}")
        } else {
            format!("its message says why; {read} shows the role")
        }
    }

    fn forbidden(
        &self,
        session: &Session,
        checked: &Checked,
        path: &str,
        until: Instant,
    ) -> AuthorityError {
        let finding = self.finding(answer::LOGIN_REFUSED, "");
        forbidden(finding, session, checked, path, until)
    }

    /// A login that was not accepted. `hint` is what the method knows.
    pub fn of_login(&self, mount: &str, words: &str, hint: &str) -> AuthorityError {
        let refused = |hint: String| self.refused(answer::LOGIN_REFUSED, hint);
        match self.response.status {
            400 | 401 => refused(hint.to_owned()),
            403 => refused(format!(
                "{hint}; where nothing is mounted, Vault answers 403 as well: check auth.mount (now \
                 \"{mount}\") and namespace"
            )),
            404 => refused(format!(
                "there is no such login at \"auth/{mount}\": check auth.mount, auth.method and namespace \
                 (`vault auth list`)"
            )),
            _ => self.in_general(words),
        }
    }
}

/// 403, or one to come: the token is looked at first, then the path. `finding` says what is refused.
pub fn forbidden(
    finding: Finding,
    session: &Session,
    checked: &Checked,
    path: &str,
    until: Instant,
) -> AuthorityError {
    let mount = &checked.mount;
    let policy = format!("path \"{path}\" {{ capabilities = [\"update\"] }}");
    let state = session.token_state(until);
    let finding = match &state {
        TokenState::Good { policies } => finding.fact("policies", policies.clone()),
        _ => finding,
    };
    let (code, cause, hint) = match state {
        TokenState::Bad => (
            answer::LOGIN_REFUSED,
            "token",
            session.renewal_hint().to_owned(),
        ),
        TokenState::Unknown => (
            answer::LOGIN_REFUSED,
            "unknown",
            format!(
                "certbake presented {}, and could not find out whether that is still valid",
                session.login
            ),
        ),
        TokenState::Good { .. } | TokenState::Silent if !session.is_pki(mount, until) => (
            answer::REFUSED,
            "path",
            format!(
                "the token is valid, but there is no PKI engine at \"{mount}\" (Vault answers 403 for that as \
                 well): check mount and namespace, and `vault secrets list`"
            ),
        ),
        TokenState::Silent => (
            answer::LOGIN_REFUSED,
            "policy",
            format!(
                "the login returned a token that may not even look itself up: none of its policies allows this, \
                 the path is misspelt, or this address is not among its token_bound_cidrs; a policy for it: \
                 {policy}"
            ),
        ),
        TokenState::Good { policies } => (
            answer::LOGIN_REFUSED,
            "policy",
            not_allowed(
                &policies.join(", "),
                narrowed(session, path, until),
                &policy,
            ),
        ),
    };
    let finding = Finding { code, ..finding };
    AuthorityError::Refused(Box::new(finding.fact(CAUSE, cause).hint(hint)))
}

/// What to do about a token that is valid.
fn not_allowed(policies: &str, narrowed: bool, policy: &str) -> String {
    if narrowed {
        return format!(
            "the token is valid, and its policies ({policies}) grant \"update\" on this path, but not to this request: look for \
             allowed_parameters, denied_parameters or required_parameters, and for min_wrapping_ttl \
             (certbake requests no wrapping)"
        );
    }
    format!(
        "the token is valid, but none of its policies ({policies}) allows this, or the path is misspelt; a policy for it: {policy}"
    )
}

/// What is refused is not the path.
fn narrowed(session: &Session, path: &str, until: Instant) -> bool {
    matches!(session.may_update(path, until), Ok(Some(true)))
}

/// What `auth/token/lookup-self` tells of a token.
pub enum TokenState {
    Good {
        policies: Vec<String>,
    },
    /// A login has just given it, and it may not look itself up.
    Silent,
    /// Wrong, expired, revoked, or of another server.
    Bad,
    /// It may not look itself up, or there was no answer.
    Unknown,
}

/// A token as it sees itself.
#[derive(Deserialize)]
pub struct TokenFacts {
    /// Seconds left; 0 is for ever.
    #[serde(default)]
    pub ttl: i64,
    /// How often it can still be used; 0 is as often as one likes, below that was the last time.
    #[serde(default)]
    pub num_uses: i64,
    pub policies: Option<Vec<String>>,
    pub identity_policies: Option<Vec<String>>,
}

impl TokenFacts {
    pub fn policies(self) -> Vec<String> {
        let mut policies = self.policies.unwrap_or_default();
        policies.extend(self.identity_policies.unwrap_or_default());
        policies
    }
}
