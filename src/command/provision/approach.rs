//! One identity on its way to an answer: key and request, and the first of its authorities that answers.
//! One that cannot be reached is passed over; one that says no is not.

use std::time::{Duration, Instant};

use super::super::Context;
use super::plan::{Candidate, Identity};
use super::{Stop, request};
use crate::authority::{AuthorityError, Conversation, Depth, Issued, Order, Preflight};
use crate::command::foresee;
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::PrivateKey;
use crate::span::Span;

const PASSED_OVER: Code = Code::new("ca-passed-over");

/// An order on its way, and which authority it has come to.
pub struct Approach<'a> {
    pub identity: &'a Identity,
    /// Made when they are first needed.
    request: Option<(PrivateKey, Order)>,
    /// What is left of the deadline; waiting for other identities takes nothing of it.
    left: Duration,
    at: usize,
    /// What that authority said to the order, where it did not take it.
    turned_down: Option<AuthorityError>,
    findings: Vec<Finding>,
}

/// What an authority answered, and which one.
pub struct Answer<'a> {
    pub identity: &'a Identity,
    pub key: PrivateKey,
    pub issued: Issued,
    pub candidate: &'a Candidate,
    /// Who was passed over, and what was said before the order.
    pub findings: Vec<Finding>,
}

impl<'a> Approach<'a> {
    pub fn new(identity: &'a Identity) -> Self {
        Self {
            identity,
            request: None,
            left: identity.deadline.std(),
            at: 0,
            turned_down: None,
            findings: Vec::new(),
        }
    }

    /// Whether something is known before the order.
    pub fn looks_first(&self) -> bool {
        let mut candidates = self.identity.candidates.iter();
        candidates.any(|candidate| early(candidate).is_some())
    }

    /// Finds the first authority that has nothing against the order.
    pub fn settled(mut self, context: &Context<'_>) -> Result<Self, Stop> {
        self.settle(context)?;
        Ok(self)
    }

    /// Asks for the certificate.
    pub fn ask(mut self, context: &Context<'_>) -> Result<Answer<'a>, Stop> {
        loop {
            if let Some(error) = self.turned_down.take() {
                self.pass_over(error)?;
                self.settle(context)?;
            }
            let candidate = self.asks(context);
            match self.timed(|order| candidate.opened.authority.issue(order))? {
                Ok(issued) => return Ok(self.answered(issued)),
                Err(error) => self.turned_down = Some(error),
            }
        }
    }

    /// Asks the authority that it has come to, and holds no thread. Without an answer, [`Approach::ask`]
    /// goes on.
    pub async fn ask_among(
        mut self,
        open: &dyn Conversation,
        context: &Context<'_>,
    ) -> Result<Result<Answer<'a>, Self>, Stop> {
        self.asks(context);
        let begun = Instant::now();
        let answer = open.ask(self.order(begun)?).await;
        self.spend(begun);
        Ok(match answer {
            Ok(issued) => Ok(self.answered(issued)),
            Err(error) => Err(self.not_taken(error)),
        })
    }

    /// The authority that it has come to takes no order.
    #[must_use]
    pub fn not_taken(mut self, error: AuthorityError) -> Self {
        self.turned_down = Some(error);
        self
    }

    /// Tells who is asked now.
    pub fn asks(&self, context: &Context<'_>) -> &'a Candidate {
        let candidate = self.candidate();
        context.progress.step(&format!(
            "asking {} for {}",
            candidate.place().name,
            self.identity.name
        ));
        candidate
    }

    fn answered(self, issued: Issued) -> Answer<'a> {
        let candidate = self.candidate();
        let (key, _) = self.request.expect("an answer has had a request");
        // What was said before the order is not said again with its answer.
        let said_again =
            |finding: &Finding| issued.findings.iter().any(|said| said.code == finding.code);
        let findings = self.findings.into_iter();
        Answer {
            identity: self.identity,
            findings: findings.filter(|finding| !said_again(finding)).collect(),
            key,
            issued,
            candidate,
        }
    }

    /// Preflights, until an authority has nothing against the order.
    fn settle(&mut self, context: &Context<'_>) -> Result<(), Stop> {
        loop {
            let candidate = self.candidate();
            let Some(preflight) = early(candidate) else {
                return Ok(());
            };
            let place = candidate.place().name;
            let what = format!("asking {place} what it allows {}", self.identity.name);
            context.progress.step(&what);
            match self.timed(|order| preflight.preflight(order, Depth::Order))? {
                Ok(findings) => {
                    self.findings.extend(findings);
                    return self.nothing_against();
                }
                Err(error) => self.pass_over(error)?,
            }
        }
    }

    fn nothing_against(&mut self) -> Result<(), Stop> {
        let shortened = foresee::shortened(self.identity, &self.findings);
        self.findings.extend(shortened);
        foresee::told_once(&mut self.findings);
        let outcome = foresee::outcome(&self.findings);
        if outcome == Outcome::Ok {
            return Ok(());
        }
        Err(self.stop(outcome, Vec::new()))
    }

    /// How long it may take, and how many authorities it has for that.
    pub fn patience(&self) -> (Span, usize) {
        let identity = self.identity;
        (identity.deadline, identity.candidates.len() - self.at)
    }

    /// The authority that it has come to.
    pub fn candidate(&self) -> &'a Candidate {
        &self.identity.candidates[self.at]
    }

    fn timed<T>(
        &mut self,
        ask: impl FnOnce(&Order) -> Result<T, AuthorityError>,
    ) -> Result<Result<T, AuthorityError>, Stop> {
        let begun = Instant::now();
        let answer = ask(self.order(begun)?);
        self.spend(begun);
        Ok(answer)
    }

    /// A fair share of what is left of the deadline: an authority that hangs must not take the time of
    /// those after it.
    pub fn share(&self) -> Duration {
        let waiting = self.identity.candidates.len() - self.at;
        self.left / u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// What was waited for it since then is no longer left.
    pub fn spend(&mut self, begun: Instant) {
        self.left = self.left.saturating_sub(begun.elapsed());
    }

    fn order(&mut self, begun: Instant) -> Result<&Order, Stop> {
        let deadline = begun + self.share();
        let (_, order) = match &mut self.request {
            Some(made) => made,
            none => none.insert(request(self.identity)?),
        };
        order.deadline = deadline;
        Ok(order)
    }

    /// Goes on to the next authority, where this one could not be reached and there is one.
    fn pass_over(&mut self, error: AuthorityError) -> Result<(), Stop> {
        let next = self.identity.candidates.get(self.at + 1);
        let (AuthorityError::Unreachable(finding), Some(next)) = (&error, next) else {
            let outcome = error.outcome();
            return Err(self.stop(outcome, vec![error.into_finding()]));
        };
        self.findings
            .push(passed_over(self.candidate(), next, finding));
        self.at += 1;
        Ok(())
    }

    fn stop(&mut self, outcome: Outcome, last: Vec<Finding>) -> Stop {
        let mut findings = std::mem::take(&mut self.findings);
        findings.extend(last);
        Stop {
            authority: Some(self.candidate().place()),
            ..Stop::all(outcome, findings)
        }
    }
}

/// What can be known of an order before it, where anything can.
fn early(candidate: &Candidate) -> Option<&dyn Preflight> {
    let preflight = candidate.opened.preflight.as_deref();
    preflight.filter(|preflight| preflight.looks_before_orders())
}

/// Who did not answer and why, and who is asked instead.
fn passed_over(candidate: &Candidate, next: &Candidate, why: &Finding) -> Finding {
    let (name, next) = (candidate.place().name, next.place().name);
    let mut finding = Finding::warning(
        PASSED_OVER,
        format!(
            "{name} was passed over and {next} asked instead: {}",
            why.summary
        ),
    )
    .fact("passed_over", name)
    .fact("asked_instead", next)
    .fact("because", why.code.as_str());
    for (fact, value) in &why.facts {
        finding.facts.entry(fact.clone()).or_insert(value.clone());
    }
    finding.hint(why.hint.clone())
}
