//! Tokens that somebody else made: looked at before they are spent, and spent once.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use time::OffsetDateTime;

use super::clocks::Clocks;
use super::token::{Claims, LEEWAY, Purpose, Token, UNUSABLE, unusable};
use crate::authority::AuthorityError;
use crate::authority::connection::read_secret;
use crate::finding::Finding;
use crate::pki::digest;
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub struct Given {
    pub source: SecretSource,
    pub is_id_token: bool,
    /// SHA-256 of those that may have reached the CA.
    spent: Mutex<HashSet<[u8; 32]>>,
}

impl Given {
    pub fn new(source: SecretSource, is_id_token: bool) -> Self {
        Self {
            source,
            is_id_token,
            spent: Mutex::default(),
        }
    }

    /// A token that is spent from now on.
    ///
    /// # Errors
    /// As [`Given::look`].
    pub fn read(&self, purpose: &Purpose<'_>, clocks: &Clocks) -> Result<Token, AuthorityError> {
        let token = self.look(purpose, clocks)?;
        self.spent().insert(digest::sha256(token.text.expose()));
        Ok(token)
    }

    /// Reads a token and holds it against the order; nothing is spent.
    ///
    /// # Errors
    /// [`AuthorityError::Settings`]: no token, one that was spent, or one that does not fit.
    pub fn look(&self, purpose: &Purpose<'_>, clocks: &Clocks) -> Result<Token, AuthorityError> {
        let text = read_secret(&self.source)?;
        let claims = claims(&text).ok_or_else(|| {
            unusable(
                &format!("the content of {} is not a token", self.source),
                "give a token of three base64 parts with dots between them: step ca token prints one",
            )
        })?;
        let token = Token { text, claims };
        if self.spent().contains(&digest::sha256(token.text.expose())) {
            return Err(unusable(
                &format!(
                    "the token of {} was already used for an earlier order of this run",
                    self.source
                ),
                "a token is good for one certificate: give a source that makes one each time \
                 (cmd:…), or the provisioner's password",
            ));
        }
        token.fits(purpose, clocks)?;
        Ok(token)
    }

    /// It never reached the CA after all.
    pub fn unspend(&self, token: &Token) {
        self.spent().remove(&digest::sha256(token.text.expose()));
    }

    fn spent(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The claims of a token (RFC 7519 section 7.2), unverified.
fn claims(token: &Secret) -> Option<Claims> {
    let parts: Vec<&str> = token.expose_str().ok()?.split('.').collect();
    let [_, claims, _] = parts[..] else {
        return None;
    };
    let json = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    serde_json::from_slice(&json).ok()
}

impl Token {
    /// Holds a token made elsewhere against the order, before it is spent.
    ///
    /// # Errors
    /// [`AuthorityError::Settings`]: the CA would certainly refuse it, or sign other names.
    fn fits(&self, purpose: &Purpose<'_>, clocks: &Clocks) -> Result<(), AuthorityError> {
        self.is_alive(clocks)?;
        let claims = &self.claims;
        let operation = purpose.audience.rsplit('/').next().unwrap_or_default();
        let is_for = |audience: &String| {
            let path = audience.split('#').next().unwrap_or_default();
            // SSH has a sign of its own, `/1.0/ssh/sign`.
            let before = path.strip_suffix(operation);
            before.is_some_and(|before| before.ends_with('/') && !before.ends_with("/ssh/"))
        };
        // An id token's audience is a client of the identity provider.
        let is_one_time = claims.aud.iter().any(|audience| audience.contains("/1.0/"));
        if is_one_time && !claims.aud.iter().any(is_for) {
            return Err(self.misfit(
                &format!(
                    "the token is for {}, not for {operation}",
                    claims.aud.join(", ")
                ),
                "make one for this operation: step ca token NAME",
            ));
        }
        if let (Some(bound), Some(der)) = (
            claims.cnf.as_ref().and_then(|cnf| cnf.request.as_ref()),
            purpose.request,
        ) && *bound != BASE64URL_NOPAD.encode(&digest::sha256(der))
        {
            return Err(self.misfit(
                "the token is bound to another signing request",
                "make it without that binding: certbake makes a new key and a new request each time",
            ));
        }
        if is_one_time && let Some(asked) = &purpose.sans {
            self.names_fit(&purpose.subject, asked)?;
        }
        Ok(())
    }

    fn is_alive(&self, clocks: &Clocks) -> Result<(), AuthorityError> {
        let now = clocks.there();
        let at = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
        if let Some(end) = at(self.claims.exp)
            && end.saturating_add(LEEWAY) < now
        {
            return Err(self.misfit(
                "the token has expired",
                "tokens live for minutes: make one just before the run, or give a source that makes one (cmd:…)",
            ));
        }
        if let Some(start) = at(self.claims.nbf.or(self.claims.iat))
            && start.saturating_sub(LEEWAY) > now
        {
            return Err(self.misfit(
                "the token is not valid yet",
                "compare this machine's clock with that of the machine that made the token",
            ));
        }
        Ok(())
    }

    /// RFC 5280 does not matter here: the CA takes exactly the token's names.
    fn names_fit(&self, subject: &str, asked: &[String]) -> Result<(), AuthorityError> {
        let claims = &self.claims;
        let of_token = match claims.sans.as_deref() {
            None | Some([]) => vec![claims.sub.clone()],
            Some(sans) => sans.to_vec(),
        };
        let set = |names: &[String]| -> BTreeSet<String> {
            names
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| name.to_ascii_lowercase())
                .collect()
        };
        let subject_fits = subject == claims.sub || of_token.iter().any(|name| name == subject);
        if subject_fits && set(asked) == set(&of_token) {
            return Ok(());
        }
        let list = |names: &[String]| set(names).into_iter().collect::<Vec<_>>().join(", ");
        Err(self.misfit(
            &format!(
                "the token is for \"{}\" with the names {}, but the order is for \"{subject}\" with {}",
                claims.sub,
                list(&of_token),
                match list(asked) {
                    none if none.is_empty() => "none".to_owned(),
                    names => names,
                },
            ),
            "make the token for the same names (step ca token NAME --san …), or order the token's names; without --san, its subject is also its only DNS name",
        ))
    }

    fn misfit(&self, summary: &str, hint: &str) -> AuthorityError {
        AuthorityError::Settings(Box::new(
            self.facts(Finding::error(UNUSABLE, summary)).hint(hint),
        ))
    }
}
