//! What authorities tell before an order, weighed: how long a certificate they would grant, and
//! whether a run could go on. For `provision`, its dry run and `doctor`.

use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Context;
use super::parallel;
use super::provision::{Candidate, Identity, Stop, request};
use crate::authority::{AuthorityError, Depth, foresight};
use crate::finding::{Finding, Severity};
use crate::outcome::Outcome;
use crate::pki::SigningRequest;
use crate::span::Span;
use crate::verify;

/// What one authority said of one identity's order.
pub struct Foresight<'a> {
    pub identity: &'a Identity,
    pub candidate: &'a Candidate,
    /// `None` where it has no preflight.
    pub said: Option<Result<Vec<Finding>, AuthorityError>>,
    /// Our clock when it had answered.
    pub at: OffsetDateTime,
    pub took: Duration,
}

/// Asks every authority of every identity, at the same time. `within` bounds each.
pub fn whole<'a>(
    identities: &'a [Identity],
    context: &Context<'_>,
    within: Option<Duration>,
) -> Result<Vec<Foresight<'a>>, Stop> {
    let requests = parallel::map(identities.iter().collect(), request)
        .into_iter()
        .collect::<Result<Vec<_>, Stop>>()?;
    let requests: Vec<SigningRequest> = requests
        .into_iter()
        .map(|(_, order)| order.request)
        .collect();
    let asked: Vec<_> = identities
        .iter()
        .zip(&requests)
        .flat_map(|(identity, request)| {
            identity
                .candidates
                .iter()
                .map(move |candidate| (identity, candidate, request))
        })
        .collect();
    Ok(parallel::map(asked, |(identity, candidate, request)| {
        one(identity, candidate, request, context, within)
    }))
}

fn one<'a>(
    identity: &'a Identity,
    candidate: &'a Candidate,
    request: &SigningRequest,
    context: &Context<'_>,
    within: Option<Duration>,
) -> Foresight<'a> {
    let begun = Instant::now();
    let name = candidate.place().name;
    context
        .progress
        .step(&format!("asking {name} about {}", identity.name));
    let order = crate::authority::Order {
        request: request.clone(),
        ttl: identity.ttl,
        deadline: begun + within.unwrap_or_else(|| identity.deadline.std()),
    };
    let preflight = candidate.opened.preflight.as_ref();
    let said = preflight.map(|preflight| preflight.preflight(&order, Depth::Whole));
    let took = begun.elapsed();
    let mut foresight = Foresight {
        identity,
        candidate,
        said,
        at: context.moment(),
        took,
    };
    let clock = foresight
        .clock_offset()
        .and_then(|offset| verify::clock(offset, &identity.policy, foresight.at));
    if let Some(Ok(said)) = &mut foresight.said {
        said.extend(shortened(identity, said));
        told_once(said);
        said.extend(clock);
    }
    foresight
}

/// What the authorities of one identity said, as a run would take it: one that cannot be reached is
/// passed over, and whoever stands behind the one that would be asked can only be warned of.
pub fn weigh(said: &[&Foresight<'_>]) -> (Outcome, Vec<Finding>) {
    let several = said.len() > 1;
    let mut worst = Outcome::Ok;
    let mut settled = false;
    let mut weighed = Vec::new();
    for foresight in said {
        let (outcome, mut findings) = foresight.findings();
        if several {
            name_who_answers(&mut findings, &foresight.candidate.place().name);
        }
        let passes_on = outcome == Outcome::Unreachable;
        if !settled {
            worst = outcome;
            settled = !passes_on;
            if settled {
                // Whoever was not reached before would have been passed over.
                weighed.iter_mut().for_each(only_warn);
            }
            weighed.extend(findings);
        } else {
            weighed.extend(findings.into_iter().map(|mut finding| {
                only_warn(&mut finding);
                finding
            }));
        }
        if several {
            let name = foresight.candidate.place().name;
            let from = weighed.iter_mut();
            from.filter(|finding| !finding.facts.contains_key("authority"))
                .for_each(|finding| {
                    finding
                        .facts
                        .insert("authority".to_owned(), Value::from(name.clone()));
                });
        }
    }
    (worst, weighed)
}

/// Beside another that does not answer, "the CA answers" would contradict itself.
fn name_who_answers(findings: &mut [Finding], authority: &str) {
    let answers = findings.iter_mut();
    for finding in answers.filter(|finding| finding.code == foresight::ANSWERS) {
        finding.summary = format!("{authority}: {}", finding.summary);
    }
}

/// Whom a run would order from: the first that can be reached.
pub fn would_be_asked<'f>(said: &[&'f Foresight<'_>]) -> Option<&'f Candidate> {
    let reached = |foresight: &&&Foresight<'_>| foresight.findings().0 != Outcome::Unreachable;
    Some(said.iter().find(reached)?.candidate)
}

fn only_warn(finding: &mut Finding) {
    if finding.is_error() {
        finding.severity = Severity::Warning;
    }
}

impl Foresight<'_> {
    /// What the authority said of itself when it answered.
    pub fn answers(&self) -> Option<&Finding> {
        let said = self.said.as_ref()?.as_ref().ok()?;
        said.iter()
            .find(|finding| finding.code == foresight::ANSWERS)
    }

    /// How far its clock is ahead of ours, where it said.
    pub fn clock_offset(&self) -> Option<time::Duration> {
        let clock = self.answers()?.facts.get(foresight::CLOCK)?.as_str()?;
        Some(OffsetDateTime::parse(clock, &Rfc3339).ok()? - self.at)
    }

    /// How an order would end by what was said, and the findings.
    fn findings(&self) -> (Outcome, Vec<Finding>) {
        let (outcome, findings) = match &self.said {
            None => (Outcome::Ok, Vec::new()),
            Some(Ok(said)) => (outcome(said), said.clone()),
            Some(Err(error)) => (error.outcome(), vec![error.clone().into_finding()]),
        };
        let about = |finding: Finding| finding.about(&self.identity.name);
        (outcome, findings.into_iter().map(about).collect())
    }
}

/// How a run ends with what was said before an order: what the gates know ends it as they would,
/// every other error is a refusal.
pub fn outcome(said: &[Finding]) -> Outcome {
    let of_gate = |finding: &Finding| {
        let check = verify::CHECKS
            .iter()
            .find(|check| check.code == finding.code);
        check.map_or(Outcome::Refused, |check| check.outcome)
    };
    said.iter()
        .filter(|finding| finding.is_error())
        .map(of_gate)
        .max()
        .unwrap_or(Outcome::Ok)
}

/// What the authority says of a limit is the reason of what the gate says of the lifetime: where both
/// do, it is one statement.
pub fn told_once(findings: &mut Vec<Finding>) {
    let of_gate = |finding: &Finding| finding.code == verify::LIFETIME_SHORTENED;
    if !findings.iter().any(of_gate) {
        return;
    }
    let (limits, mut rest): (Vec<_>, Vec<_>) = std::mem::take(findings)
        .into_iter()
        .partition(|finding| finding.code == foresight::CAPPED && !finding.is_error());
    if let (Some(limit), Some(told)) = (
        limits.into_iter().next(),
        rest.iter_mut().find(|it| of_gate(it)),
    ) {
        let reason = format!("{} ({})", limit.summary, limit.hint);
        told.facts.insert("reason".to_owned(), reason.into());
        for (name, fact) in limit.facts {
            told.facts.entry(name).or_insert(fact);
        }
    }
    *findings = rest;
}

/// A limit that the authority told of, held against the lifetime and the floor asked for.
pub fn shortened(identity: &Identity, said: &[Finding]) -> Option<Finding> {
    let limits = said.iter().filter_map(|finding| {
        let most = finding.facts.get(foresight::MOST_GRANTED)?.as_i64()?;
        Some((most, finding.code == foresight::CAPPED, finding))
    });
    // An issuer that ends then is what has to be changed, beside any limit.
    let (most, is_setting, limit) =
        limits.min_by_key(|(most, is_setting, _)| (*most, *is_setting))?;
    let cure = Some(limit.hint.as_str()).filter(|hint| !is_setting && !hint.is_empty());
    verify::lifetime_limit(Span::seconds(most), identity.ttl, &identity.policy, cure)
}
