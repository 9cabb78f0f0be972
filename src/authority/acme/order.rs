//! One order (RFC 8555 section 7.4): names, proofs, our request, the certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use instant_acme::{CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus};
use serde_json::json;
use time::OffsetDateTime;

use super::challenge::Challenges;
use super::names;
use super::post::{Author, post};
use super::session::Session;
use super::wire::{LOST_ATTEMPTS, Trouble, What, Wire};
use crate::authority::answer::PENDING;
use crate::authority::{AuthorityError, Issued, Order as Asked, answer, received};
use crate::finding::{Finding, rfc3339};
use crate::net::Repeat;
use crate::pki::{Certificate, pem};

/// Between two questions of how far the CA is, where it names no time: short at first, since a
/// private CA needs milliseconds.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Half the wait before an order whose answer was lost is looked at.
const FIRST_LOSS: Duration = Duration::from_millis(50);

/// What is asked for beside the request.
pub struct Terms<'a> {
    pub profile: Option<&'a str>,
    pub not_after: Option<OffsetDateTime>,
    /// RFC 9773 section 5.
    pub replaces: Option<&'a CertificateIdentifier<'static>>,
}

/// A conversation about one order.
pub struct Conversation<'a> {
    pub session: &'a Session,
    pub challenges: &'a Challenges,
    pub account: instant_acme::Account,
    pub wire: Arc<Wire>,
}

impl<'a> Conversation<'a> {
    pub fn open(
        session: &'a Session,
        challenges: &'a Challenges,
        deadline: Instant,
    ) -> Result<Self, AuthorityError> {
        let wire = session.wire(deadline);
        Ok(Self {
            session,
            challenges,
            account: session.account.speaking(&wire)?,
            wire,
        })
    }

    /// From the names to the certificate.
    pub fn issue(&self, asked: &Asked, terms: &Terms<'_>) -> Result<Issued, Trouble> {
        let names = names::identifiers(&asked.request)?;
        let mut order = self.place(&names, terms)?;
        let mut findings = Vec::new();
        if order.state().status == OrderStatus::Pending {
            findings = self.prove(&mut order)?;
        }
        self.settle(&mut order, OrderStatus::Pending)?;
        if order.state().status == OrderStatus::Ready {
            self.finalize(&mut order, asked.request.der())
                .map_err(|trouble| perhaps_too_long(trouble, terms))?;
        }
        self.settle(&mut order, OrderStatus::Processing)?;
        let what = What::of("fetching the certificate");
        let text = self
            .wire
            .ask(what, Repeat::Safe, async || order.certificate().await)?;
        let certificates = self.certificates(text.as_deref().unwrap_or_default(), asked)?;
        Ok(Issued {
            certificates,
            anchors: Vec::new(),
            date: self.wire.date(),
            findings,
        })
    }

    fn place(&self, names: &[Identifier], terms: &Terms<'_>) -> Result<Order, Trouble> {
        let what = What::of("placing the order");
        if let Some(not_after) = terms.not_after {
            return self.place_with_lifetime(what, names, terms, not_after);
        }
        let mut new = NewOrder::new(names);
        if let Some(profile) = terms.profile {
            new = new.profile(profile);
        }
        if let Some(replaces) = terms.replaces {
            new = new.replaces(replaces.clone());
        }
        self.wire.ask(what, Repeat::IfTurnedAway, async || {
            self.account.new_order(&new).await
        })
    }

    fn place_with_lifetime(
        &self,
        what: What<'_>,
        names: &[Identifier],
        terms: &Terms<'_>,
        not_after: OffsetDateTime,
    ) -> Result<Order, Trouble> {
        let mut payload = json!({ "identifiers": names, "notAfter": rfc3339(not_after) });
        if let Some(profile) = terms.profile {
            payload["profile"] = json!(profile);
        }
        if let Some(replaces) = terms.replaces {
            payload["replaces"] = json!(replaces);
        }
        let key = self.session.account.key()?;
        let author = Author::Account(&self.session.account.id, &key);
        let url = &self.wire.directory().new_order;
        let place = self.wire.ask(what, Repeat::IfTurnedAway, async || {
            let response = post(&self.wire, author, url, &payload)?;
            let place = response.header("location").map(str::to_owned);
            place.ok_or(Error::Str("the URL of the order"))
        });
        let place = place.map_err(perhaps_no_lifetimes)?;
        self.wire.ask(what, Repeat::Safe, async || {
            self.account.order(place.clone()).await
        })
    }

    /// Where the answer is lost, the order itself says whether the CA has heard: it is ready still, and
    /// may be asked again, or has gone on (RFC 8555 section 7.4).
    fn finalize(&self, order: &mut Order, csr: &[u8]) -> Result<(), Trouble> {
        let what = What::of("asking the CA to sign the request");
        let mut lost = 0;
        while order.state().status == OrderStatus::Ready {
            let asked = self.wire.ask(what, Repeat::IfTurnedAway, async || {
                order.finalize_csr(csr).await
            });
            let trouble = match asked {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            // What was lost may be heard late, after the order was looked at.
            let overtaken = lost > 0 && trouble.is("orderNotReady");
            lost += 1;
            let wait = FIRST_LOSS * (1 << lost.min(6));
            let again = lost < LOST_ATTEMPTS && (self.wire.was_lost() || overtaken);
            if !again || !self.wire.rest(wait, &trouble.reason(), lost) {
                return Err(trouble);
            }
            let what = What::of("looking whether the CA heard of the request");
            self.wire
                .ask(what, Repeat::Safe, async || order.refresh().await.map(drop))?;
        }
        Ok(())
    }

    /// Waits while the order is in a state that passes by itself. Once it is asked to sign, a CA may
    /// still call the order ready for a while.
    fn settle(&self, order: &mut Order, passing: OrderStatus) -> Result<(), Trouble> {
        let what = What::of("waiting for the order");
        let mut pace = FIRST_WAIT;
        let mut fresh = passing == OrderStatus::Processing;
        loop {
            let status = order.state().status;
            let failed = order.state().error.clone();
            if let Some(failed) = failed {
                return Err(self.wire.told(what, &failed));
            }
            match status {
                OrderStatus::Invalid => {
                    let reason = "the order is invalid, and the CA gives no reason";
                    return Err(self.wire.unusable("the order", reason).into());
                }
                OrderStatus::Valid => return Ok(()),
                _ if passing == OrderStatus::Pending && status != passing => return Ok(()),
                _ => {}
            }
            // What was proven may have made the order ready already.
            if fresh {
                self.pause(&mut pace, "the order")?;
            }
            fresh = true;
            self.wire
                .ask(what, Repeat::Safe, async || order.refresh().await.map(drop))?;
        }
    }

    /// As long as the CA asks for, else ever longer.
    pub(super) fn pause(&self, pace: &mut Duration, what: &str) -> Result<(), Trouble> {
        let wait = self.wire.retry_after().unwrap_or(*pace).max(FIRST_WAIT);
        *pace = (*pace * 3 / 2).min(LONGEST_WAIT);
        if self.wire.rest(wait, &format!("{what} is not done"), 1) {
            return Ok(());
        }
        Err(AuthorityError::Unreachable(Box::new(
            Finding::error(
                PENDING,
                format!("{what}: the CA did not finish before the deadline"),
            )
            .fact("wait_seconds", wait.as_secs_f64())
            .hint("give the order a longer deadline; the CA's log says what it is waiting for"),
        ))
        .into())
    }

    fn certificates(&self, text: &str, asked: &Asked) -> Result<Vec<Vec<u8>>, AuthorityError> {
        let what = "the certificate";
        let unusable = |reason: String| self.wire.unusable(what, &reason);
        let certificates: Vec<Certificate> = pem::certificates(text.as_bytes())
            .map_err(|error| unusable(error.to_string()))?
            .into_iter()
            .map(Certificate::from_der)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(error.to_string()))?;
        let certificates =
            received::leaf_first(certificates, asked.request.spki()).map_err(unusable)?;
        Ok(certificates.iter().map(|one| one.der().to_vec()).collect())
    }
}

impl From<AuthorityError> for Trouble {
    fn from(error: AuthorityError) -> Self {
        Self {
            error,
            problem: None,
        }
    }
}

/// RFC 8555 section 7.4 leaves it to the CA, and has no name for its no (Vault: `malformed`).
fn perhaps_no_lifetimes(trouble: Trouble) -> Trouble {
    if !trouble.is("malformed") {
        return trouble;
    }
    let hint = "many CAs accept no notAfter, and grant what their profile or role says: leave out ask_lifetime";
    Trouble {
        error: answer::hinted(trouble.error, hint),
        problem: trouble.problem,
    }
}

/// step-ca answers a lifetime beyond its provisioner's limit so, once all is proven.
fn perhaps_too_long(trouble: Trouble, terms: &Terms<'_>) -> Trouble {
    let problem = trouble.problem.clone();
    let error = match trouble.error {
        AuthorityError::Unreachable(mut finding)
            if problem.as_deref() == Some("serverInternal") && terms.not_after.is_some() =>
        {
            finding.hint = "the lifetime may exceed the CA's limit, which some CAs say only in their log (step-ca: maxTLSCertDuration): ask for a shorter ttl, or leave out ask_lifetime; otherwise retry later".to_owned();
            AuthorityError::Unreachable(finding)
        }
        other => other,
    };
    Trouble { error, problem }
}
