//! The proofs of one order (RFC 8555 section 7.5): what is asked for each name, put up, looked at by
//! the CA, and taken away.

use std::time::Duration;

use instant_acme::{AuthorizationStatus, ChallengeType, Error, Order};

use super::challenge::{Presented, Task};
use super::order::{Conversation, FIRST_WAIT};
use super::problem;
use super::settings::Kind;
use super::wire::{Trouble, What};
use crate::authority::AuthorityError;
use crate::finding::Finding;
use crate::net::Repeat;

/// How long to wait for the CA's visit before it is asked how far it is.
const VISIT: Duration = Duration::from_millis(500);

impl Conversation<'_> {
    /// Proves whichever names are not proven yet.
    pub fn prove(&self, order: &mut Order) -> Result<Vec<Finding>, Trouble> {
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
                    let reason =
                        format!("the authorization is {other:?}, and the CA gives no reason");
                    return Err(self.wire.unusable(&words, &reason).into());
                }
            }
        }
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
        let name = crate::line::sanitized(name.as_bytes(), 300).unwrap_or_default();
        let ours = [Kind::Http, Kind::TlsAlpn, Kind::Dns].map(Kind::as_str);
        let ours: Vec<&str> = ours
            .into_iter()
            .filter(|ours| kinds.iter().any(|kind| kind == ours))
            .collect();
        let hint = if ours.is_empty() {
            "certbake supports none of those that the CA offers: have dns-01, http-01 or tls-alpn-01 enabled there".to_owned()
        } else {
            let ours = ours.join(", ");
            format!("set challenge to one that the CA offers for this name: {ours}")
        };
        AuthorityError::Refused(Box::new(
            Finding::error(
                problem::CHALLENGE_FAILED,
                format!("the CA does not accept {kind} for {name}"),
            )
            .fact("offered", kinds)
            .hint(hint),
        ))
        .into()
    }
}

fn kind_of(challenge: &instant_acme::Challenge) -> String {
    match &challenge.r#type {
        ChallengeType::Http01 => "http-01".to_owned(),
        ChallengeType::Dns01 => "dns-01".to_owned(),
        ChallengeType::TlsAlpn01 => "tls-alpn-01".to_owned(),
        ChallengeType::Unknown(name) => {
            crate::line::sanitized(name.as_bytes(), 40).unwrap_or_default()
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
