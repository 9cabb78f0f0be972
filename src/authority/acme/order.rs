//! One order (RFC 8555 section 7.4): names, proofs, our request, the certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use instant_acme::{
    AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder, Order,
    OrderStatus,
};
use serde_json::json;
use time::OffsetDateTime;

use super::challenge::{Challenges, Presented, Task};
use super::jws::{self, Signer};
use super::names;
use super::problem;
use super::session::Session;
use super::wire::{Trouble, What, Wire};
use crate::authority::answer::PENDING;
use crate::authority::{AuthorityError, Issued, Order as Asked};
use crate::finding::{Finding, rfc3339};
use crate::net::Repeat;
use crate::pki::{Certificate, Chain, pem};

/// Between two questions of how far the CA is, where it names no time: short at first, since a
/// private CA needs milliseconds.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long to wait for the CA's visit before it is asked how far it is.
const VISIT: Duration = Duration::from_millis(500);

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
            let what = What::of("asking the CA to sign the request");
            self.wire
                .ask(what, Repeat::IfTurnedAway, async || {
                    order.finalize_csr(asked.request.der()).await
                })
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
        let signer = Signer::Account(&self.session.account.id, &key);
        let url = &self.wire.directory().new_order;
        let place = self.wire.ask(what, Repeat::IfTurnedAway, async || {
            let response = jws::post(&self.wire, signer, url, &payload)?;
            let place = response.header("location").map(str::to_owned);
            place.ok_or(Error::Str("the URL of the order"))
        })?;
        self.wire.ask(what, Repeat::Safe, async || {
            self.account.order(place.clone()).await
        })
    }

    /// Proves whichever names are not proven yet.
    fn prove(&self, order: &mut Order) -> Result<Vec<Finding>, Trouble> {
        let tasks = self.tasks(order)?;
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let presented = self.challenges.present(&tasks, self.wire.deadline())?;
        for task in &tasks {
            let words = self.verifying(task);
            self.wire
                .ask(self.what(&words), Repeat::IfTurnedAway, async || {
                    set_ready(order, &task.url, self.challenges.kind()).await
                })
                .map_err(|trouble| self.explained(trouble, &presented))?;
        }
        presented.await_visit(VISIT);
        for task in &tasks {
            self.await_verdict(order, task)
                .map_err(|trouble| self.explained(trouble, &presented))?;
        }
        Ok(presented.withdraw())
    }

    fn tasks(&self, order: &mut Order) -> Result<Vec<Task>, Trouble> {
        let what = What::of("reading the authorizations");
        let kind = self.challenges.kind();
        let read = self.wire.ask(what, Repeat::Safe, async || {
            // Those that were read are kept by the order.
            let mut all = order.authorizations();
            let mut found = Vec::new();
            while let Some(next) = all.next().await {
                let mut authorization = next?;
                let url = authorization.url().to_owned();
                let pending = authorization.status == AuthorizationStatus::Pending;
                let name = authorization.identifier().to_string();
                let kinds: Vec<String> = authorization.challenges.iter().map(kind_of).collect();
                if !pending {
                    continue;
                }
                found.push(match authorization.challenge(kind.clone()) {
                    None => Err((name, kinds)),
                    Some(challenge) => {
                        let proof = challenge.key_authorization();
                        Ok(Task {
                            url,
                            identifier: challenge.identifier().identifier.clone(),
                            token: challenge.token.clone(),
                            digest: proof.digest().as_ref().to_vec(),
                            key_authorization: proof.as_str().to_owned(),
                        })
                    }
                });
            }
            Ok(found)
        })?;
        read.into_iter()
            .map(|task| task.map_err(|(name, kinds)| self.not_offered(&name, kinds)))
            .collect()
    }

    fn await_verdict(&self, order: &mut Order, task: &Task) -> Result<(), Trouble> {
        let words = self.verifying(task);
        let what = self.what(&words);
        let mut pace = FIRST_WAIT;
        loop {
            let status = self.wire.ask(what, Repeat::Safe, async || {
                verdict(order, &task.url, self.challenges.kind()).await
            })?;
            match status {
                AuthorizationStatus::Valid => return Ok(()),
                AuthorizationStatus::Pending => self.pause(&mut pace, &words)?,
                other => {
                    let reason = format!("the authorization is {other:?}, and no reason is given");
                    return Err(self.wire.unusable(&words, &reason).into());
                }
            }
        }
    }

    /// Waits while the order is in a state that passes by itself.
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
                    let reason = "the order is invalid, and no reason is given";
                    return Err(self.wire.unusable("the order", reason).into());
                }
                _ if status == passing => {}
                _ => return Ok(()),
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
    fn pause(&self, pace: &mut Duration, what: &str) -> Result<(), Trouble> {
        let wait = self.wire.retry_after().unwrap_or(*pace).max(FIRST_WAIT);
        *pace = (*pace * 3 / 2).min(LONGEST_WAIT);
        if self.wire.rest(wait, &format!("{what} is not done"), 1) {
            return Ok(());
        }
        Err(AuthorityError::Unreachable(Box::new(
            Finding::error(
                PENDING,
                format!("{what}: the CA has not come to an end before the deadline"),
            )
            .fact("wait_seconds", wait.as_secs_f64())
            .hint("give the order a longer deadline; the CA's log says what it waits for"),
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
        let chain = Chain::arrange(certificates.clone(), asked.request.spki())
            .map_err(|error| unusable(error.to_string()))?;
        let mut ders = vec![chain.leaf.der().to_vec()];
        let others = certificates.iter().filter(|other| **other != chain.leaf);
        ders.extend(others.map(|other| other.der().to_vec()));
        Ok(ders)
    }

    fn verifying(&self, task: &Task) -> String {
        let kind = self.challenges.proof().kind().as_str();
        format!("verifying {} by {kind}", task.name())
    }

    const fn what<'w>(&self, words: &'w str) -> What<'w> {
        What {
            words,
            challenge: true,
        }
    }

    /// A failed proof with what to look at: the way there, and whether anybody came.
    fn explained(&self, trouble: Trouble, presented: &Presented) -> Trouble {
        let Trouble { error, problem } = trouble;
        let error = match error {
            AuthorityError::Refused(finding) if finding.code == problem::CHALLENGE_FAILED => {
                let mut finding = *finding;
                if finding.hint.is_empty() {
                    finding.hint = self.challenges.hint();
                }
                if let Some(visited) = presented.visited() {
                    finding = finding.fact("ca_came_here", visited);
                }
                AuthorityError::Refused(Box::new(finding))
            }
            other => other,
        };
        Trouble { error, problem }
    }

    fn not_offered(&self, name: &str, kinds: Vec<String>) -> Trouble {
        let kind = self.challenges.proof().kind().as_str();
        let name = crate::line::harmless(name.as_bytes(), 300).unwrap_or_default();
        AuthorityError::Refused(Box::new(
            Finding::error(
                problem::CHALLENGE_FAILED,
                format!("the CA does not let {name} be proven by {kind}"),
            )
            .fact("offered", kinds.clone())
            .hint(format!(
                "set challenge to one that it offers for this name: {}",
                kinds.join(", ")
            )),
        ))
        .into()
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

/// step-ca answers a lifetime beyond its provisioner's limit so, once all is proven.
fn perhaps_too_long(trouble: Trouble, terms: &Terms<'_>) -> Trouble {
    let problem = trouble.problem.clone();
    let error = match trouble.error {
        AuthorityError::Unreachable(mut finding)
            if problem.as_deref() == Some("serverInternal") && terms.not_after.is_some() =>
        {
            finding.hint = "perhaps the lifetime is beyond the CA's limit, which some say in their log alone (step-ca: maxTLSCertDuration): ask for a shorter ttl, or leave out ask_lifetime; else try again later".to_owned();
            AuthorityError::Unreachable(finding)
        }
        other => other,
    };
    Trouble { error, problem }
}

fn kind_of(challenge: &instant_acme::Challenge) -> String {
    match &challenge.r#type {
        ChallengeType::Http01 => "http-01".to_owned(),
        ChallengeType::Dns01 => "dns-01".to_owned(),
        ChallengeType::TlsAlpn01 => "tls-alpn-01".to_owned(),
        ChallengeType::Unknown(name) => {
            crate::line::harmless(name.as_bytes(), 40).unwrap_or_default()
        }
        _ => "device-attest-01".to_owned(),
    }
}

async fn set_ready(order: &mut Order, url: &str, kind: ChallengeType) -> Result<(), Error> {
    let mut all = order.authorizations();
    while let Some(next) = all.next().await {
        let mut authorization = next?;
        if authorization.url() == url
            && let Some(mut challenge) = authorization.challenge(kind.clone())
        {
            return challenge.set_ready().await;
        }
    }
    Ok(())
}

/// How far an authorization is; the error of its challenge as this one's.
async fn verdict(
    order: &mut Order,
    url: &str,
    kind: ChallengeType,
) -> Result<AuthorizationStatus, Error> {
    let mut all = order.authorizations();
    while let Some(next) = all.next().await {
        let mut authorization = next?;
        if authorization.url() != url {
            continue;
        }
        let state = authorization.refresh().await?;
        let error = state
            .challenges
            .iter()
            .find(|challenge| challenge.r#type == kind)
            .and_then(|challenge| challenge.error.clone());
        return match error {
            Some(error) if state.status != AuthorizationStatus::Valid => Err(Error::Api(error)),
            _ => Ok(state.status),
        };
    }
    Err(Error::Str("the authorization of a name"))
}
