//! EJBCA over its REST API: `pkcs10enroll`, approvals, revocation; login by client certificate or an
//! OAuth 2.0 token.

mod settings;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use time::OffsetDateTime;
use url::Url;

use self::settings::{Checked, Words};
use super::connection::{read_secret, under};
use super::delivered::{self, Waits};
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Reason,
    Revocation, Revoke, Settings, SettingsError, answer, foresight, with_connection,
};
use crate::finding::Finding;
use crate::net::{Client, Method, Repeat, Request, Response};
use crate::outcome::AuthorityPlace;
use crate::pki::pem;
use crate::secret::Secret;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "ejbca",
    summary: "EJBCA's REST API: mTLS or OAuth token, profiles, approvals",
    abilities: &[Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

const ENROLL: &str = "POST pkcs10enroll";

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let ejbca = Arc::new(Ejbca {
        settings: Checked::read(settings)?,
        session: Shared::default(),
        now: settings.now,
        read: Instant::now(),
    });
    Ok(Opened {
        secrets: ejbca.settings.secrets(),
        authority: ejbca.clone(),
        renew: None,
        preflight: Some(ejbca.clone()),
        revoke: Some(ejbca),
        finish: None,
    })
}

struct Ejbca {
    settings: Checked,
    session: Shared<Session>,
    /// The clock, and when it was read.
    now: OffsetDateTime,
    read: Instant,
}

/// A client, and the secrets of all orders.
struct Session {
    client: Client,
    token: Option<Secret>,
    password: Option<Secret>,
}

impl Ejbca {
    fn session(&self) -> Result<Arc<Session>, AuthorityError> {
        let read = |source: &Option<_>| source.as_ref().map(read_secret).transpose();
        self.session.get(|| {
            Ok(Session {
                token: read(&self.settings.words.token)?,
                password: read(&self.settings.words.password)?,
                client: self.settings.connection.open(None, None)?.client,
            })
        })
    }

    fn at(&self, path: &str) -> Url {
        under(&self.settings.base, path)
    }

    fn now(&self) -> OffsetDateTime {
        self.now + self.read.elapsed()
    }

    /// How we present ourselves.
    const fn login(&self) -> &'static str {
        match (
            &self.settings.words.token,
            &self.settings.connection.certificate,
        ) {
            (Some(_), None) => "a token",
            (Some(_), Some(_)) => "a token and a client certificate",
            (None, _) => "a client certificate",
        }
    }

    fn turned_down(&self, what: &str, request: &Request, response: &Response) -> AuthorityError {
        let (words, login) = (&self.settings.words, self.login());
        let error = answer::turned_down(what, request, response, login);
        let is_json = response.body.starts_with(b"{");
        let hint = match response.status {
            401 => format!("we came with {login}, which EJBCA does not know"),
            403 => format!(
                "we came with {login}: in EJBCA it needs a role with access to the CA \"{}\", the end \
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
            500 => "EJBCA keeps this reason to itself: its server log has it".to_owned(),
            503 => {
                "have the CA and its crypto token activated in EJBCA, or try again later".to_owned()
            }
            _ => return error,
        };
        answer::hinted(error, hint)
    }

    /// The CAs that this login may see, and EJBCA's clock.
    fn authorities(
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

    fn own<'a>(&self, all: &'a [wire::AuthorityFacts]) -> Option<&'a wire::AuthorityFacts> {
        let name = &self.settings.words.certificate_authority;
        all.iter().find(|known| known.name == *name)
    }

    /// The CA's own chain, DER; for enrolments that come without one.
    fn chain(&self, session: &Session, deadline: Instant) -> Result<Vec<Vec<u8>>, AuthorityError> {
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
        pem::certificates(&response.body)
            .map_err(|error| answer::unusable(what, &error.to_string(), &response))
    }

    /// Asks after an order that waits for its approval, until it is decided.
    fn finalize(
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
                "an approval is awaited, and no request_id given",
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
        let mut waits = Waits::until(deadline);
        let mut asked_to_wait = accepted.retry_after();
        loop {
            waits.pause(asked_to_wait).map_err(|wait| {
                let finding = delivered::pending(
                    "EJBCA awaits the approval of an administrator, which did not come before the \
                     deadline",
                    waits.asked,
                    wait,
                );
                AuthorityError::Unreachable(Box::new(finding.fact("request_id", number).hint(
                    "have it approved within the order's deadline, or give this login a profile \
                         that needs no approval: a later run makes a new key and another request",
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
    fn ask(&self, request: &Request) -> Result<Response, AuthorityError> {
        self.client
            .send(request)
            .map_err(|error| answer::failed(&error))
    }

    fn logged_in(&self, request: Request) -> Request {
        let request = request.header("accept", "application/json");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn post(
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

impl Authority for Ejbca {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let session = self.session()?;
        let words = &self.settings.words;
        let password = match &session.password {
            Some(password) => password.clone(),
            None => enrolment_code()?,
        };
        let common_name = order.request.subject.common_name.as_deref();
        let body = wire::Enroll {
            certificate_request: wire::request(order.request.der()),
            certificate_profile_name: &words.certificate_profile,
            end_entity_profile_name: &words.end_entity_profile,
            certificate_authority_name: &words.certificate_authority,
            username: words
                .username
                .as_deref()
                .or(common_name)
                .unwrap_or("certbake"),
            password: text(&password)?,
            include_chain: true,
            response_format: "DER",
            end_time: order
                .ttl
                .filter(|_| words.send_end_time)
                .map(|ttl| wire::time(self.now() + ttl.duration())),
        };
        let url = self.at("/v1/certificate/pkcs10enroll");
        let request = session
            .post(url, Repeat::IfTurnedAway, &body, order.deadline)
            .withhold(&password);
        let mut response = session.ask(&request)?;
        if response.status == 202 {
            response = self.finalize(&session, &response, &password, order.deadline)?;
        }
        if !matches!(response.status, 200 | 201) {
            return Err(self.turned_down(ENROLL, &request, &response));
        }
        let enrolled: wire::Enrolled = delivered::json(ENROLL, &response)?;
        let mut ders = enrolled.certificates().ok_or_else(|| {
            answer::unusable(
                ENROLL,
                "a certificate in it is neither base64 nor PEM",
                &response,
            )
        })?;
        if !enrolled.has_chain() {
            ders.extend(self.chain(&session, order.deadline)?);
        }
        let anchors = delivered::self_issued(&ders);
        let issued = delivered::issued(ENROLL, &response, ders, order)?;
        Ok(Issued { anchors, ..issued })
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.base.to_string(),
        }
    }
}

impl Preflight for Ejbca {
    /// Whether the CA is there, and how long it lasts; a login that may not list CAs may still order.
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session()?;
        let (all, date) = match (self.authorities(&session, order.deadline), depth) {
            (Ok(known), _) => known,
            (Err(AuthorityError::Refused(_)), Depth::Order) => return Ok(Vec::new()),
            (Err(error), _) => return Err(error),
        };
        let name = &self.settings.words.certificate_authority;
        let Some(own) = self.own(&all) else {
            let names: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
            let meant = answer::nearest(name, names.iter().copied())
                .map(|meant| format!("did you mean \"{meant}\"? "))
                .unwrap_or_default();
            return Err(AuthorityError::Refused(Box::new(
                Finding::error(
                    answer::REFUSED,
                    format!("EJBCA has no CA \"{name}\" that this login may use"),
                )
                .fact("certificate_authorities", names)
                .hint(format!(
                    "{meant}set certificate_authority to the name that EJBCA shows"
                )),
            )));
        };
        let wanted = order.ttl.map(|ttl| self.now() + ttl.duration());
        let mut found: Vec<Finding> = own
            .ends()
            .zip(wanted)
            .filter(|(ends, wanted)| ends < wanted)
            .map(|(ends, wanted)| answer::ends_first(&format!("the CA \"{name}\""), ends, wanted))
            .into_iter()
            .collect();
        if depth == Depth::Whole {
            let looked_at = ["login", "the CA and its end"];
            found.push(foresight::answers(self.login(), date, &looked_at));
        }
        Ok(found)
    }
}

impl Revoke for Ejbca {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let what = "PUT revoke";
        let session = self.session()?;
        let facts = revocation.certificate.facts();
        // EJBCA's own spelling of the name, where it tells it.
        let issuer = self
            .authorities(&session, revocation.deadline)
            .ok()
            .and_then(|(all, _)| Some(self.own(&all)?.subject_dn.clone()))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| facts.issuer.replace(", ", ","));
        let mut url = with_segments(
            self.at("/v1/certificate"),
            &[&issuer, &facts.serial, "revoke"],
        );
        url.query_pairs_mut()
            .append_pair("reason", reason(revocation.reason));
        let request = Request::new(Method::PUT, url, Repeat::Safe).until(revocation.deadline);
        let request = session.logged_in(request);
        let response = session.ask(&request)?;
        match response.status {
            // 409: it is revoked already.
            200 | 409 => Ok(Vec::new()),
            202 => Ok(vec![
                Finding::warning(
                    answer::PENDING,
                    "EJBCA awaits the approval of an administrator before it revokes",
                )
                .fact("serial", facts.serial.clone())
                .hint("have the revocation approved in EJBCA: until then the certificate works"),
            ]),
            _ => Err(self.turned_down(what, &request, &response)),
        }
    }
}

/// Each segment is escaped: a name may hold a slash.
fn with_segments(mut url: Url, segments: &[&str]) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(segments);
    }
    url
}

/// The names that EJBCA gives to RFC 5280's reasons.
const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "UNSPECIFIED",
        Reason::KeyCompromise => "KEY_COMPROMISE",
        Reason::Superseded => "SUPERSEDED",
        Reason::CessationOfOperation => "CESSATION_OF_OPERATION",
    }
}

fn text(secret: &Secret) -> Result<&str, AuthorityError> {
    secret.expose_str().map_err(|error| {
        AuthorityError::Settings(Box::new(
            Finding::error(
                answer::LOGIN_REFUSED,
                format!("the enrolment code: {error}"),
            )
            .hint("EJBCA takes it as JSON: give one that is text"),
        ))
    })
}

/// It is used in this order alone, and nobody needs to know it.
fn enrolment_code() -> Result<Secret, AuthorityError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| {
        AuthorityError::Settings(Box::new(Finding::error(
            answer::LOGIN_REFUSED,
            "the system has no randomness to give for an enrolment code",
        )))
    })?;
    Ok(Secret::from(HEXLOWER.encode(&bytes)))
}
