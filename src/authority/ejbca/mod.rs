//! EJBCA over its REST API: `pkcs10enroll`, approvals, revocation; login by client certificate or an
//! OAuth 2.0 token.

mod api;
mod settings;
mod wire;

use std::sync::Arc;

use data_encoding::HEXLOWER;

use self::api::{Ejbca, text, with_segments};
use self::settings::{Checked, Words};
use super::clock::Clock;
use super::delivered;
use super::random::random;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Reason,
    Revocation, Revoke, Settings, SettingsError, answer, foresight, with_connection,
};
use crate::choice::nearest;
use crate::finding::Finding;
use crate::net::{Method, Repeat, Request};
use crate::outcome::AuthorityPlace;
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
        clock: Clock::of_run(settings),
    });
    Ok(Opened {
        secrets: ejbca.settings.secrets(),
        authority: ejbca.clone(),
        renew: None,
        preflight: Some(ejbca.clone()),
        revoke: Some(ejbca),
        finish: None,
        keys_in: None,
    })
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
                .map(|ttl| wire::time(self.clock.now() + ttl.duration())),
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
        let texts = enrolled.certificates();
        let texts = texts.iter().map(Vec::as_slice);
        let mut certificates = delivered::certificates(ENROLL, &response, texts)?;
        if !enrolled.has_chain() {
            certificates.extend(self.chain(&session, order.deadline)?);
        }
        delivered::issued(ENROLL, &response, certificates, order)
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
            let meant = nearest(name, names.iter().copied())
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
        let now = self.clock.now();
        let wanted = order.ttl.map(|ttl| now + ttl.duration());
        let mut found: Vec<Finding> = own
            .ends()
            .zip(wanted)
            .filter(|(ends, wanted)| ends < wanted)
            .map(|(ends, wanted)| {
                answer::ends_first(&format!("the CA \"{name}\""), ends, now, wanted)
            })
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
            // Whoever asks again once it is approved is told 409.
            202 => Err(AuthorityError::Unreachable(Box::new(
                Finding::error(
                    answer::PENDING,
                    "EJBCA waits for an administrator's approval before it revokes",
                )
                .fact("serial", facts.serial.clone())
                .hint("approve the revocation in EJBCA: until then the certificate is valid"),
            ))),
            _ => Err(self.turned_down(what, &request, &response)),
        }
    }
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

/// It is used in this order alone, and nobody needs to know it.
fn enrolment_code() -> Result<Secret, AuthorityError> {
    let bytes = random::<16>("an order needs an enrolment code")?;
    Ok(Secret::from(HEXLOWER.encode(&bytes)))
}
