//! EJBCA as it is asked: the session, the CAs that it tells of, orders that wait for an approval, and
//! what its refusals mean.

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;
use url::Url;

use super::settings::Checked;
use super::{ENROLL, wire};
use crate::authority::clock::Clock;
use crate::authority::connection::{read_secret, under};
use crate::authority::delivered;
use crate::authority::shared::Shared;
use crate::authority::{AuthorityError, answer};
use crate::finding::Finding;
use crate::net::{Client, Repeat, Request, Response};
use crate::pki::Certificate;
use crate::secret::Secret;

pub struct Ejbca {
    pub settings: Checked,
    pub session: Shared<Session>,
    pub clock: Clock,
}

/// A client, and the secrets of all orders.
pub struct Session {
    client: Client,
    token: Option<Secret>,
    pub password: Option<Secret>,
}

impl Ejbca {
    pub fn session(&self) -> Result<Arc<Session>, AuthorityError> {
        let read = |source: &Option<_>| source.as_ref().map(read_secret).transpose();
        self.session.get(|| {
            Ok(Session {
                token: read(&self.settings.words.token)?,
                password: read(&self.settings.words.password)?,
                client: self.settings.connection.open(None, None)?.client,
            })
        })
    }

    pub fn at(&self, path: &str) -> Url {
        under(&self.settings.base, path)
    }

    /// How we present ourselves.
    pub const fn login(&self) -> &'static str {
        match (
            &self.settings.words.token,
            &self.settings.connection.certificate,
        ) {
            (Some(_), None) => "a token",
            (Some(_), Some(_)) => "a token and a client certificate",
            (None, _) => "a client certificate",
        }
    }

    pub fn turned_down(
        &self,
        what: &str,
        request: &Request,
        response: &Response,
    ) -> AuthorityError {
        let (words, login) = (&self.settings.words, self.login());
        let error = answer::turned_down(what, request, response, login);
        let is_json = response.body.starts_with(b"{");
        let hint = match response.status {
            401 => format!("certbake presented {login}, which EJBCA does not know"),
            403 => format!(
                "certbake presented {login}: in EJBCA it needs a role with access to the CA \"{}\", the end \
                 entity profile \"{}\" and to creating end entities, and the REST protocol enabled \
                 (System Configuration)",
                words.certificate_authority, words.end_entity_profile
            ),
            404 if is_json => "check certificate_authority, certificate_profile and \
                               end_entity_profile: they are names as EJBCA shows them"
                .to_owned(),
            404 => "check the URL, and that EJBCA's REST API is enabled (System Configuration, \
                    Protocol Configuration)"
                .to_owned(),
            409 => {
                "the CA permits one certificate a key or a subject: allow several on the CA, or \
                    use the same username each time"
                    .to_owned()
            }
            422 => {
                "the profiles do not allow this request: names, key, or validity (send_end_time = \
                    false leaves the end to the profile)"
                    .to_owned()
            }
            500 => "EJBCA does not say why: see its server log".to_owned(),
            503 => "activate the CA and its crypto token in EJBCA, or retry later".to_owned(),
            _ => return error,
        };
        answer::hinted(error, hint)
    }

    /// The CAs that this login may see, and EJBCA's clock.
    pub fn authorities(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<(Vec<wire::AuthorityFacts>, Option<OffsetDateTime>), AuthorityError> {
        let what = "GET ca";
        let request = session.logged_in(Request::get(self.at("/v1/ca")).until(deadline));
        let response = session.ask(&request)?;
        if response.status != 200 {
            return Err(self.turned_down(what, &request, &response));
        }
        let list: wire::Authorities = delivered::json(what, &response)?;
        Ok((list.certificate_authorities, response.date))
    }

    pub fn own<'a>(&self, all: &'a [wire::AuthorityFacts]) -> Option<&'a wire::AuthorityFacts> {
        let name = &self.settings.words.certificate_authority;
        all.iter().find(|known| known.name == *name)
    }

    /// The CA's own chain, for enrolments that come without one.
    pub fn chain(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        let (all, _) = self.authorities(session, deadline)?;
        let Some(own) = self.own(&all) else {
            return Ok(Vec::new());
        };
        let what = "GET ca/…/certificate/download";
        let url = with_segments(
            self.at("/v1/ca"),
            &[&own.subject_dn, "certificate", "download"],
        );
        let request = session.logged_in(Request::get(url).until(deadline));
        let response = session.ask(&request)?;
        if response.status != 200 {
            return Err(self.turned_down(what, &request, &response));
        }
        delivered::certificates(what, &response, [&response.body[..]])
    }

    /// Asks after an order that waits for its approval, until it is decided.
    pub fn finalize(
        &self,
        session: &Session,
        accepted: &Response,
        password: &Secret,
        deadline: Instant,
    ) -> Result<Response, AuthorityError> {
        let waiting: wire::Waiting = delivered::json(ENROLL, accepted)?;
        let number = waiting.request().ok_or_else(|| {
            answer::unusable(
                ENROLL,
                "it waits for an approval, but gives no request_id",
                accepted,
            )
        })?;
        let url = self.at(&format!("/v1/certificate/{number}/finalize"));
        let body = wire::Finalize {
            response_format: "DER",
            password: text(password)?,
        };
        let request = session
            .post(url, Repeat::IfTurnedAway, &body, deadline)
            .withhold(password);
        let mut waits = self.settings.connection.teller().waits(deadline);
        let mut asked_to_wait = accepted.retry_after();
        loop {
            waits.pause(asked_to_wait, "an approval is awaited").map_err(|wait| {
                let finding = delivered::pending(
                    "EJBCA is waiting for an administrator's approval, which was not given before the deadline",
                    waits.asked,
                    wait,
                );
                AuthorityError::Unreachable(Box::new(finding.fact("request_id", number).hint(
                    "have it approved within the order's deadline, or give this login a profile that needs no approval; a later run makes a new key and a new request",
                )))
            })?;
            let response = session.ask(&request)?;
            match response.status {
                202 => asked_to_wait = response.retry_after(),
                200 | 201 => return Ok(response),
                _ => return Err(self.turned_down("POST finalize", &request, &response)),
            }
        }
    }
}

impl Session {
    pub fn ask(&self, request: &Request) -> Result<Response, AuthorityError> {
        self.client
            .send(request)
            .map_err(|error| answer::failed(&error))
    }

    pub fn logged_in(&self, request: Request) -> Request {
        let request = request.header("accept", "application/json");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub fn post(
        &self,
        url: Url,
        repeat: Repeat,
        body: &impl serde::Serialize,
        deadline: Instant,
    ) -> Request {
        let body = serde_json::to_vec(body).unwrap_or_default();
        let request = Request::post(url, repeat, body).header("content-type", "application/json");
        self.logged_in(request).until(deadline)
    }
}

/// Each segment is escaped: a name may hold a slash.
pub fn with_segments(mut url: Url, segments: &[&str]) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(segments);
    }
    url
}

/// EJBCA takes it as JSON.
pub fn text(secret: &Secret) -> Result<&str, AuthorityError> {
    secret.expose_str().map_err(|error| {
        AuthorityError::Settings(Box::new(
            Finding::error(
                answer::LOGIN_REFUSED,
                format!("the enrolment code: {error}"),
            )
            .hint("EJBCA expects it as JSON: give a UTF-8 text"),
        ))
    })
}
