//! The authorities: who answers, as whom, by what clock, and what was held against the orders.

use std::time::Duration;

use serde_json::Value;

use super::{Plan, Seen};
use crate::authority::{AuthorityError, foresight};
use crate::command::foresee::{self, Foresight};
use crate::command::provision::Candidate;
use crate::finding::Severity;
use crate::outcome::LookState;
use crate::span::Span;

/// Clocks that differ by less are said to agree: an answer tells whole seconds, and has travelled.
const AGREEING: Duration = Duration::from_secs(2);

pub fn look(plan: &Plan, said: &[Foresight<'_>], seen: &mut Seen) {
    for identity in &plan.identities {
        let of_identity: Vec<_> = said
            .iter()
            .filter(|said| std::ptr::eq(said.identity, identity))
            .collect();
        let (outcome, mut findings) = foresee::weigh(&of_identity);
        findings.retain(|finding| finding.code != foresight::ANSWERS);
        seen.found(outcome, findings);
    }
    let mut named: Vec<String> = Vec::new();
    for candidate in plan
        .identities
        .iter()
        .flat_map(|identity| &identity.candidates)
    {
        let name = candidate.place().name;
        if named.contains(&name) {
            continue;
        }
        let of_candidate: Vec<_> = said
            .iter()
            .filter(|said| said.candidate.place().name == name)
            .collect();
        one(candidate, &of_candidate, seen);
        named.push(name);
    }
}

/// One authority, by what it said to each identity.
fn one(candidate: &Candidate, said: &[&Foresight<'_>], seen: &mut Seen) {
    let place = candidate.place();
    let name = place.name.as_str();
    let kind = if place.kind == place.name {
        String::new()
    } else {
        format!("{}, ", place.kind)
    };
    seen.look(
        name,
        "place",
        LookState::Fine,
        format!("{kind}{}", place.place),
    );
    if candidate.opened.preflight.is_none() {
        let why = format!(
            "reach, login and limits: {} reveals nothing before an order",
            place.kind
        );
        return seen.look(name, "reach", LookState::NotLookedAt, why);
    }
    for said in said {
        if let Some(Err(error)) = &said.said {
            seen.look(name, "reach", LookState::Wrong, unwell(error));
        }
    }
    let answered = said.iter().filter(|said| matches!(said.said, Some(Ok(_))));
    let Some(slowest) = answered.clone().max_by_key(|said| said.took) else {
        return;
    };
    seen.look(name, "reach", LookState::Fine, answers(slowest));
    clock(name, slowest, seen);
    order(name, slowest, seen);
    for said in answered {
        let against = said.said.iter().flatten().flatten();
        for finding in against.filter(|finding| finding.severity != Severity::Note) {
            let name_of = &said.identity.name;
            seen.look(
                name,
                "order",
                LookState::Wrong,
                format!("{name_of}: {}", finding.code),
            );
        }
    }
}

/// What the authority was asked beside whether it is there.
fn order(name: &str, said: &Foresight<'_>, seen: &mut Seen) {
    let looked_at: Vec<&str> = said
        .answers()
        .and_then(|note| note.facts.get(foresight::LOOKED_AT)?.as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !looked_at.is_empty() {
        let said = format!("checked {}", looked_at.join(", "));
        seen.look(name, "order", LookState::Fine, said);
    }
    if !login(said).is_empty() && !looked_at.contains(&foresight::LOGIN) {
        let why = format!("whether it accepts {}: only an order shows", login(said));
        seen.look(name, "login", LookState::NotLookedAt, why);
    }
}

fn login<'a>(said: &'a Foresight<'_>) -> &'a str {
    said.answers()
        .and_then(|note| note.facts.get(foresight::LOGIN)?.as_str())
        .unwrap_or_default()
}

const fn unwell(error: &AuthorityError) -> &'static str {
    match error {
        AuthorityError::Refused(_) => "says no",
        AuthorityError::Unreachable(_) => "does not answer",
        AuthorityError::Unusable(_) => "sends an unusable answer",
        AuthorityError::Settings(_) => "its settings cannot be used",
    }
}

/// `answers within 41ms; certbake presents the user name "bob"`.
fn answers(said: &Foresight<'_>) -> String {
    let to = match login(said) {
        "" => String::new(),
        login => format!("; certbake presents {login}"),
    };
    format!("answers within {}ms{to}", said.took.as_millis().max(1))
}

fn clock(name: &str, said: &Foresight<'_>, seen: &mut Seen) {
    let Some(offset) = said.clock_offset() else {
        return;
    };
    if offset.unsigned_abs() <= AGREEING {
        return seen.look(
            name,
            "clock",
            LookState::Fine,
            "its clock agrees with this machine's",
        );
    }
    let direction = if offset.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let words = format!(
        "its clock is {} {direction} this machine's",
        Span::from(offset.abs())
    );
    let beyond = said.identity.policy.max_clock_offset;
    let state = match beyond {
        Some(most) if offset.abs() > most.duration() => LookState::Wrong,
        _ => LookState::Fine,
    };
    seen.look(name, "clock", state, words);
}
