//! Enrollment over Secure Transport (RFC 7030, RFC 8951): `/cacerts`, `/csrattrs`, `/simpleenroll`
//! and `/simplereenroll`, tolerant of what real servers send.

mod csrattrs;
mod session;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::session::Session;
use self::settings::{Checked, Words};
use super::clock::Clock;
use super::shared::Shared;
use super::{
    Ability, Asking, Authority, AuthorityError, Concurrent, Conversation, Current, Depth, Entry,
    Issued, Opened, Order, Preflight, Renew, Settings, SettingsError, answer, delivered, foresight,
    received, with_connection,
};
use crate::finding::Finding;
use crate::net::{ClientCertificate, Repeat, Request, Response};
use crate::outcome::AuthorityPlace;
use crate::pki::{Certificate, pem};
use crate::secret::Secret;

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "est",
    summary: "any EST server (RFC 7030): HTTP Basic or mTLS, trust by anchors or fingerprint",
    abilities: &[Ability::Renew, Ability::Preflight],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

/// While a request is pending: the shortest pause, and the one where the server names none.
const LEAST_WAIT: Duration = Duration::from_millis(200);
const USUAL_WAIT: Duration = Duration::from_secs(5);

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let est = Arc::new(Est {
        settings: Checked::read(settings)?,
        clock: Clock::of_run(settings),
        session: Shared::default(),
    });
    Ok(Opened {
        secrets: est.settings.secrets(),
        authority: est.clone(),
        renew: Some(est.clone()),
        preflight: Some(est),
        revoke: None,
        finish: None,
        keys_in: None,
    })
}

/// An EST server and what has been learnt from it.
struct Est {
    settings: Checked,
    clock: Clock,
    session: Shared<Session>,
}

impl Est {
    /// The one session of all orders.
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        self.session
            .get(|| Session::open(&self.settings, None, deadline))
    }

    /// Whichever of its issuers signs, the certificate ends with the last of them.
    fn ends_first(&self, session: &Session, order: &Order) -> Option<Finding> {
        let issuers = session.cacerts.issuers.iter();
        let last = issuers
            .filter_map(|der| Certificate::from_der(der.as_slice()).ok())
            .max_by_key(|issuer| issuer.window().not_after)?;
        let now = self.clock.now();
        let wanted = now + order.ttl.unwrap_or_default().duration();
        let ends = last.window().not_after;
        let issuer = format!("the CA's intermediate \"{}\"", last.title());
        (ends < wanted).then(|| answer::ends_first(&issuer, ends, now, wanted))
    }
}

impl Authority for Est {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let session = self.session(order.deadline)?;
        let client = &session.client;
        client.wait_for(enroll(&session, "simpleenroll", order))
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.base.to_string(),
        }
    }

    fn concurrent(&self) -> Option<&dyn Concurrent> {
        Some(self)
    }
}

impl Concurrent for Est {
    fn open(&self, deadline: Instant) -> Result<Arc<dyn Conversation>, AuthorityError> {
        Ok(self.session(deadline)?)
    }
}

impl Conversation for Session {
    fn ask<'a>(&'a self, order: &'a Order) -> Asking<'a> {
        Box::pin(enroll(self, "simpleenroll", order))
    }
}

impl Renew for Est {
    /// RFC 7030 section 4.2.2: subject and alternative names must be those of the current
    /// certificate; the key may be new.
    fn renew(&self, order: &Order, current: &Current<'_>) -> Result<Issued, AuthorityError> {
        let certificate = ClientCertificate {
            chain: current.chain.to_vec(),
            key: Secret::new(current.key.expose_pkcs8().to_vec()),
        };
        let session = Session::open(&self.settings, Some(certificate), order.deadline)?;
        let client = &session.client;
        client.wait_for(enroll(&session, "simplereenroll", order))
    }
}

impl Preflight for Est {
    /// `/csrattrs` needs no login by the standard (RFC 7030 section 4.5.1); where one that we show is
    /// refused, an order will be too.
    fn preflight(&self, order: &Order, _: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(order.deadline)?;
        let request = session.with_login(csrattrs(&session, order));
        let response = session.ask(&request)?;
        if matches!(response.status, 401 | 403) {
            return Err(session.turned_down("GET csrattrs", &request, &response));
        }
        let mut findings: Vec<Finding> = wanted(&response, order).into_iter().collect();
        findings.extend(self.ends_first(&session, order));
        let looked_at = [
            "TLS and trust",
            "CA certificates and their ends",
            "what it wants in requests",
        ];
        let date = response.date.or(session.cacerts.date);
        findings.push(foresight::answers(&session.login(), date, &looked_at));
        Ok(findings)
    }

    /// What the server wants in requests, an order is told just as well.
    fn looks_before_orders(&self) -> bool {
        false
    }
}

async fn enroll(
    session: &Session,
    operation: &str,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let response = match post(session, operation, order).await {
        Err(AuthorityError::Refused(finding)) if finding.code == answer::REFUSED => {
            let explained = explained(finding, session, order).await;
            return Err(AuthorityError::Refused(explained));
        }
        answer => answer?,
    };
    let what = format!("POST {operation}");
    let certificates = wire::certificates(&what, &response)?;
    let certificates = received::leaf_first(certificates, order.request.spki())
        .map_err(|reason| answer::unusable(&what, &reason, &response))?;
    let ders = certificates.iter().map(|one| one.der().to_vec());
    let mut ders: Vec<_> = ders.collect();
    for issuer in &session.cacerts.issuers {
        if !ders.contains(issuer) {
            ders.push(issuer.clone());
        }
    }
    Ok(Issued {
        certificates: ders,
        anchors: session.cacerts.roots.clone(),
        date: response.date.or(session.cacerts.date),
        findings: Vec::new(),
    })
}

/// Sends the request, and the identical one again while it is pending (RFC 7030 section 4.2.3).
async fn post(
    session: &Session,
    operation: &str,
    order: &Order,
) -> Result<Response, AuthorityError> {
    // In lines, which the oldest servers want; RFC 8951 section 3.1 lets all others read it too.
    let body = pem::base64_lines(order.request.der()).into_bytes();
    let request = Request::post(session.url(operation), Repeat::IfTurnedAway, body)
        .header("content-type", "application/pkcs10")
        .header("content-transfer-encoding", "base64")
        .until(order.deadline);
    let request = session.with_login(request);
    let waits = session.teller.waits(order.deadline);
    let mut waits = waits.between(LEAST_WAIT, USUAL_WAIT);
    loop {
        let response = session.exchange(&request).await?;
        match response.status {
            200 => return Ok(response),
            202 => {
                let wanted = response.retry_after().unwrap_or(USUAL_WAIT);
                let pause = waits.pass(Some(wanted), "the request awaits approval");
                if let Err(wait) = pause.await {
                    return Err(pending(waits.asked, wait));
                }
            }
            _ => {
                let what = format!("POST {operation}");
                return Err(session.turned_down(&what, &request, &response));
            }
        }
    }
}

fn pending(asked: u32, wait: Duration) -> AuthorityError {
    let summary = "the CA accepted the request but did not decide on it before the deadline";
    AuthorityError::Unreachable(Box::new(delivered::pending(summary, asked, wait).hint(
        "have the CA approve such requests by itself, or give the order a longer deadline: a \
         later run makes a new key, and its request is another one",
    )))
}

/// What the server wants in requests, where that may be why it refused.
async fn explained(finding: Box<Finding>, session: &Session, order: &Order) -> Box<Finding> {
    match demands(session, order).await {
        Some(note) => {
            let missing = note.facts.get("missing").cloned().unwrap_or_default();
            let hint = format!("{}: {}", note.summary, note.hint);
            Box::new(finding.fact("csr_attributes_missing", missing).hint(hint))
        }
        None => finding,
    }
}

/// Attributes that are wanted and not given; 204, 404 and whatever else is no list mean none.
async fn demands(session: &Session, order: &Order) -> Option<Finding> {
    let request = session.with_login(csrattrs(session, order));
    wanted(&session.exchange(&request).await.ok()?, order)
}

fn csrattrs(session: &Session, order: &Order) -> Request {
    Request::get(session.url("csrattrs")).until(order.deadline)
}

fn wanted(response: &Response, order: &Order) -> Option<Finding> {
    if response.status != 200 {
        return None;
    }
    let wanted = csrattrs::wanted(&wire::der(&response.body)?).ok()?;
    csrattrs::unmet(&wanted, order.request.der())
}
