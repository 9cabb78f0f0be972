//! Cloudflare's cfssl and multirootca: `authsign` with an HMAC key, `sign` where there is none,
//! `info` for the CA and the profile, `revoke` where the server keeps a store.

mod session;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use self::session::{Answer, Session};
use self::settings::{Checked, Words};
use self::wire::{SignRequest, Signed};
use super::clock::{Clock, Heard};
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Depth, Entry, Issued, Opened, Order, Preflight, Revocation,
    Revoke, Settings, SettingsError, answer, foresight, received, with_connection,
};
use crate::finding::{Code, Finding, rfc3339};
use crate::net::Repeat;
use crate::outcome::AuthorityPlace;
use crate::pki::{Certificate, Usage, serial};
use crate::span::Span;

const OPEN: Code = Code::new("cfssl-open");
const REPLAYABLE: Code = Code::new("cfssl-replayable");
const USAGE_MISSING: Code = Code::new("usage-missing");

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "cfssl",
    summary: "cfssl serve and multirootca: HMAC key, mTLS, profiles and labels",
    abilities: &[Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let cfssl = Arc::new(Cfssl {
        settings: Checked::read(settings)?,
        session: Shared::default(),
        clock: Clock::of_run(settings),
    });
    Ok(Opened {
        secrets: cfssl.settings.secrets(),
        authority: cfssl.clone(),
        renew: None,
        preflight: Some(cfssl.clone()),
        revoke: Some(cfssl),
        finish: None,
        keys_in: None,
    })
}

struct Cfssl {
    settings: Checked,
    session: Shared<Session>,
    clock: Clock,
}

impl Cfssl {
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session.get(|| Session::open(&self.settings, deadline))
    }

    /// `authsign`, or `sign` without a key. An empty request is one that only tries the key.
    fn sign(
        &self,
        session: &Session,
        request: &str,
        not_after: Option<String>,
        deadline: Instant,
    ) -> Result<(&'static str, Answer<Signed>), AuthorityError> {
        let body = SignRequest {
            certificate_request: request,
            profile: &self.settings.profile,
            label: &self.settings.label,
            bundle: self.settings.bundle,
            not_after,
        }
        .json();
        let (what, endpoint, body) = match &session.key {
            Some(key) => (
                "POST authsign",
                "authsign",
                wire::authenticated(&body, &key.hmac),
            ),
            None => ("POST sign", "sign", body),
        };
        let settings = &self.settings;
        let request = session.request(settings, endpoint, Repeat::IfTurnedAway, body, deadline);
        let answer = session.ask(settings, what, &request)?;
        Ok((what, answer))
    }

    /// The profile's lifetime is the longest. `cfssl serve` grants just that; multirootca grants any
    /// end that it is told, so it is told one only when that comes sooner.
    fn not_after(&self, session: &Session, order: &Order) -> Option<String> {
        let ttl = order.ttl?;
        let most = session.info.lifetime()?;
        (ttl < most).then(|| rfc3339(self.clock.now() + ttl.duration()))
    }

    /// What is wrong with the way to the CA itself, said with every order.
    fn exposure(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.settings.key.is_none() {
            let certificate = match &self.settings.connection.certificate {
                Some(_) => " and shows a certificate that it trusts",
                None => "",
            };
            findings.push(
                Finding::warning(
                    OPEN,
                    format!("the CA signs without an HMAC key: for everybody who can reach it{certificate}"),
                )
                .hint("set an auth_key for the profile on the server, and give it as key"),
            );
        }
        if self.settings.can_be_overheard() {
            findings.push(
                Finding::warning(
                    REPLAYABLE,
                    "orders go over plain http, and cfssl accepts replays: whoever listens on the network can send an order again",
                )
                .fact("url", self.settings.connection.url.to_string())
                .hint("start the server with -tls-cert and -tls-key, and give https://"),
            );
        }
        findings
    }

    /// What of the order the profile does not grant.
    fn limits(&self, session: &Session, order: &Order) -> Vec<Finding> {
        let profile = self.settings.profile_in_words();
        let most = session.info.lifetime();
        let mut findings = Vec::new();
        if let (Some(asked), Some(most)) = (order.ttl, most)
            && asked > most
        {
            findings.push(
                Finding::warning(
                    foresight::CAPPED,
                    format!("{asked} was requested, but {profile} grants {most} at most"),
                )
                .fact("asked_seconds", asked.as_seconds())
                .fact(foresight::MOST_GRANTED, most.as_seconds())
                .hint(
                    "ask for no more, or have expiry of the profile raised; a profile that the \
                     server does not know is answered as the default one",
                ),
            );
        }
        findings.extend(self.ends_first(session, order, most));
        findings.extend(usage_missing(session, order, &profile));
        findings
    }

    fn ends_first(&self, session: &Session, order: &Order, most: Option<Span>) -> Option<Finding> {
        let issuer = session.issuer.as_ref()?;
        let granted = match (order.ttl, most) {
            (Some(asked), Some(most)) => asked.min(most),
            (asked, most) => asked.or(most)?,
        };
        let now = self.clock.now();
        let wanted = now + granted.duration();
        let ends = issuer.window().not_after;
        (ends < wanted).then(|| answer::ends_first(&issuer.title(), ends, now, wanted))
    }

    /// A request without a CSR is refused after the key has been found right, and one with a CSR that is
    /// none after none has been found to be wanted: nothing is signed.
    fn try_key(&self, session: &Session, deadline: Instant) -> Result<(), AuthorityError> {
        let request = if session.key.is_some() { "" } else { "none" };
        let Err(error) = self.sign(session, request, None, deadline) else {
            return Ok(());
        };
        let AuthorityError::Refused(finding) = &error else {
            return Err(error);
        };
        let is_about_the_request = finding
            .summary
            .ends_with("missing parameter 'certificate_request'")
            || finding.summary.ends_with("invalid request")
            || finding
                .facts
                .get("cfssl_error")
                .is_some_and(wire::is_about_the_csr);
        if is_about_the_request {
            Ok(())
        } else {
            Err(error)
        }
    }
}

impl Authority for Cfssl {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let session = self.session(order.deadline)?;
        let not_after = self.not_after(&session, order);
        let request = order.request.pem();
        let (what, answer) = self.sign(&session, &request, not_after, order.deadline)?;
        let unusable = |reason: String| answer::unusable(what, &reason, &answer.response);
        let signed = &answer.result;
        let mut certificates =
            received::certificates(signed.certificate.as_bytes()).map_err(unusable)?;
        if let Some(bundle) = signed.bundle.as_ref().filter(|b| !b.bundle.is_empty()) {
            certificates
                .extend(received::certificates(bundle.bundle.as_bytes()).map_err(unusable)?);
        }
        certificates.extend(session.issuer.clone());
        let mut issued = received::issued(certificates, order.request.spki()).map_err(unusable)?;
        issued.date = answer.response.date.or(session.clock.map(Heard::now));
        issued.findings = self.exposure();
        issued
            .findings
            .extend(answer.messages.iter().filter_map(beside));
        Ok(issued)
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.connection.url.to_string(),
        }
    }
}

impl Preflight for Cfssl {
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(order.deadline)?;
        let mut findings = self.limits(&session, order);
        if depth == Depth::Order {
            return Ok(findings);
        }
        self.try_key(&session, order.deadline)?;
        findings.extend(self.exposure());
        let looked_at = [
            "TLS and trust",
            "lifetime and usages of the profile",
            "login",
        ];
        findings.push(foresight::answers(
            &self.settings.login(),
            session.clock.map(Heard::now),
            &looked_at,
        ));
        Ok(findings)
    }
}

impl Revoke for Cfssl {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(revocation.deadline)?;
        let body = revoked(revocation).to_string().into_bytes();
        let settings = &self.settings;
        let request = session.request(settings, "revoke", Repeat::Safe, body, revocation.deadline);
        let answer: Result<Answer<serde_json::Value>, _> =
            session.ask(settings, "POST revoke", &request);
        match answer {
            Ok(answer) => Ok(answer.messages.iter().filter_map(beside).collect()),
            Err(error @ AuthorityError::Refused(_)) => Err(answer::hinted(
                error,
                "cfssl revokes only what is in its store: the server needs -db-config, and needed \
                 it when it signed; multirootca revokes nothing",
            )),
            Err(error) => Err(error),
        }
    }
}

/// cfssl `api/revoke`: the serial in decimal, the authority's key in lower-case hexadecimal.
fn revoked(revocation: &Revocation<'_>) -> serde_json::Value {
    let certificate: &Certificate = revocation.certificate;
    serde_json::json!({
        "serial": serial::decimal(&certificate.facts().serial),
        "authority_key_id": certificate.facts().authority_key_id.as_deref().unwrap_or_default(),
        "reason": revocation.reason.crl_name(),
    })
}

/// The names of cfssl's usages (cfssl `config/config.go`, ExtKeyUsage).
fn usage_missing(session: &Session, order: &Order, profile: &str) -> Option<Finding> {
    let wanted = match order.request.usage {
        Usage::Client => "client auth",
        Usage::Server => "server auth",
    };
    let granted = session.info.usages.as_ref()?;
    let purpose = order.request.usage.purpose();
    (!granted.iter().any(|usage| usage == wanted)).then(|| {
        Finding::error(
            USAGE_MISSING,
            format!("{profile} issues certificates without {purpose}, which this order needs"),
        )
        .fact("wanted", purpose)
        .fact("allowed", granted.clone())
        .hint(format!(
            "have \"{wanted}\" put into usages of the profile, or name another profile; one that \
             the server does not know is answered as the default one"
        ))
    })
}

/// What the server says beside a success.
fn beside(message: &wire::Message) -> Option<Finding> {
    let words = crate::line::sanitized(message.message.as_bytes(), 300)?;
    Some(
        Finding::warning(answer::SAID, format!("the CA said: {words}"))
            .fact("cfssl_message", message.code)
            .fact("said", words)
            .hint("nothing to do: it signed anyway"),
    )
}
