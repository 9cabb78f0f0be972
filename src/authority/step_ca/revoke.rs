//! `/1.0/revoke`: with a token of the provisioner, or over mTLS with the certificate's own key.

use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use super::explain::{self, Presented};
use super::order::{post, spend, with_token};
use super::session::{self, Api, Session};
use super::settings::Checked;
use super::token::Purpose;
use crate::authority::revocation::PASSIVE;
use crate::authority::{AuthorityError, Reason, Revocation, answer};
use crate::finding::Finding;
use crate::net::{Repeat, Request, Response};
use crate::pki::{Certificate, serial};

/// By a token: its subject is the serial number.
pub fn by_token(
    settings: &Checked,
    session: &Session,
    revocation: &Revocation<'_>,
) -> Result<Vec<Finding>, AuthorityError> {
    let doubt = doubt(session, revocation)?;
    let serial = serial::decimal(&revocation.certificate.facts().serial);
    let purpose = Purpose {
        audience: settings.audience("revoke"),
        subject: serial.clone(),
        sans: None,
        request: None,
    };
    let body = body(&serial, revocation.reason);
    let spent = spend(session, &purpose, |token, repeat| {
        to(
            session,
            repeat,
            with_token(&body, token),
            revocation.deadline,
        )
    })?;
    let presented = Presented::Token(&spent.token);
    let mut notes = answered(session, &spent.request, &spent.response, &presented)?;
    notes.extend(doubt);
    Ok(notes)
}

/// With a token step-ca notes any serial number as revoked, also one that it never gave. One of another
/// name is refused; one of the same name and another key may have been its own, before that was
/// replaced. Older ones do not tell their intermediates.
fn doubt(
    session: &Session,
    revocation: &Revocation<'_>,
) -> Result<Option<Finding>, AuthorityError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        crts: Vec<String>,
    }
    let what = "GET /intermediates";
    let request = Request::get(session.api.at("/intermediates")).until(revocation.deadline);
    let response = session.api.ask(&request)?;
    if !matches!(response.status, 200 | 201) {
        return Ok(None);
    }
    let answer: Answer = Api::read(what, &request, &response)?;
    if answer.crts.is_empty() {
        return Ok(None);
    }
    let issuer = revocation.certificate.facts();
    let here = session::certificates(what, &answer.crts, &response)?;
    if here
        .iter()
        .any(|ca| revocation.certificate.is_issued_by(ca))
    {
        return Ok(None);
    }
    let has_the_name = |ca: &Certificate| ca.facts().subject_der == issuer.issuer_der;
    if here.iter().any(has_the_name) {
        return Ok(Some(another_key(&issuer.issuer)));
    }
    let names: Vec<&str> = here.iter().map(|ca| ca.facts().subject.as_str()).collect();
    Err(AuthorityError::Refused(Box::new(
        Finding::error(
            answer::REFUSED,
            format!(
                "the certificate was issued by \"{}\", and this step-ca signs as \"{}\": since it would record any \
                 serial number as revoked, certbake does not ask it to",
                issuer.issuer,
                names.join("\", \"")
            ),
        )
        .fact("issuer", issuer.issuer.as_str())
        .fact("intermediates", names)
        .hint(
            "name the CA that issued it; if this one did, under an earlier name, revoke it there: \
             step ca revoke SERIAL",
        ),
    )))
}

fn another_key(issuer: &str) -> Finding {
    Finding::warning(
        PASSIVE,
        format!(
            "this step-ca signs as \"{issuer}\" with another key than the certificate's issuer had: it has \
             recorded the serial number, and would record any"
        ),
    )
    .fact("issuer", issuer)
    .hint(
        "unless its intermediate has been replaced since, another CA of the same name issued the certificate: \
         revoke it there",
    )
}

/// By the certificate itself, which `session` shows.
pub fn by_certificate(
    session: &Session,
    revocation: &Revocation<'_>,
) -> Result<Vec<Finding>, AuthorityError> {
    let serial = serial::decimal(&revocation.certificate.facts().serial);
    let body = body(&serial, revocation.reason);
    let request = to(session, Repeat::IfTurnedAway, body, revocation.deadline);
    let response = session.api.ask(&request)?;
    answered(session, &request, &response, &Presented::Certificate)
}

fn to(session: &Session, repeat: Repeat, body: serde_json::Value, deadline: Instant) -> Request {
    post(session, "/1.0/revoke", repeat, body).until(deadline)
}

fn body(serial: &str, reason: Reason) -> serde_json::Value {
    json!({
        "serial": serial,
        "reasonCode": reason.code(),
        "reason": match reason {
            Reason::Unspecified => "",
            Reason::KeyCompromise => "key compromise",
            Reason::Superseded => "superseded",
            Reason::CessationOfOperation => "cessation of operation",
        },
        // The only kind that step-ca has.
        "passive": true,
    })
}

fn answered(
    session: &Session,
    request: &Request,
    response: &Response,
    presented: &Presented<'_>,
) -> Result<Vec<Finding>, AuthorityError> {
    let is_revoked_already = response.status == 400
        && response
            .said(request)
            .is_some_and(|said| said.contains("already revoked"));
    if response.status != 200 && !is_revoked_already {
        return Err(explain::turned_down(
            "POST /1.0/revoke",
            session,
            request,
            response,
            presented,
        ));
    }
    Ok(vec![
        Finding::note(
            PASSIVE,
            "step-ca no longer renews the certificate, but peers learn of it only if its CRL is enabled",
        )
        .hint("enable the CA's CRL (crl.enabled) and have your services check it: otherwise they accept the certificate until it expires"),
    ])
}
