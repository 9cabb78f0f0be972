//! From the answer for one identity to a credential that the gates have judged.

use std::sync::Arc;

use super::super::{Context, foresee};
use super::Stop;
use super::approach::{Answer, Approach};
use super::plan::{Candidate, Content, Identity};
use crate::authority::Conversation;
use crate::finding::{Code, Finding};
use crate::outcome::{Checks, Outcome, WindowSummary};
use crate::pki::credential::CredentialError;
use crate::pki::{Anchors, Certificate, Chain, Credential, pem};
use crate::verify;

const NOT_A_CERTIFICATE: Code = Code::new("answer-not-a-certificate");
const CHAIN_NOT_PLACED: Code = Code::new("chain-not-placed");

/// A credential that came, with what the gates say of it.
pub struct Ordered {
    pub identity: String,
    pub credential: Credential,
    /// Who issued it.
    pub candidate: Candidate,
    /// Over the path that was verified.
    pub window: WindowSummary,
    pub checks: Checks,
    /// `Ok` when every gate passed.
    pub outcome: Outcome,
    pub findings: Vec<Finding>,
}

pub fn one(approach: Approach<'_>, context: &Context<'_>) -> Result<Ordered, Stop> {
    proven(approach.ask(context)?, context)
}

/// One of many that a thread waits for; given back where its authority does not take the order.
pub async fn among<'a>(
    approach: Approach<'a>,
    open: &dyn Conversation,
    context: &Context<'_>,
) -> Result<Result<Ordered, Stop>, Approach<'a>> {
    match approach.ask_among(open, context).await {
        Ok(answer) => answer.map(|answer| proven(answer, context)),
        Err(stop) => Ok(Err(stop)),
    }
}

fn proven(answer: Answer<'_>, context: &Context<'_>) -> Result<Ordered, Stop> {
    let Answer {
        identity,
        key,
        issued,
        candidate,
        mut findings,
    } = answer;
    let anchors = match &candidate.anchors {
        Some(pinned) => pinned.clone(),
        None => Anchors::new(
            issued
                .anchors
                .iter()
                .filter_map(|der| Certificate::from_der(der.clone()).ok())
                .collect(),
        ),
    };
    let credential =
        Credential::assemble(Arc::new(key), &issued.certificates, anchors).map_err(|error| {
            Stop {
                authority: Some(candidate.place()),
                ..Stop::new(Outcome::Flawed, unassembled(&error))
            }
        })?;
    let now = context.moment();
    let bundle = as_it_lands(credential.chain());
    let evidence = verify::Evidence {
        bundle: Some(&bundle),
        anchors: Some(credential.anchors()),
        key: Some(credential.key().spki()),
        asked: Some(verify::Asked {
            subject: &identity.subject,
            names: &identity.names,
            usage: identity.usage,
            ttl: identity.ttl,
        }),
        clock_offset: issued.date.map(|date| date - now),
        ..verify::Evidence::new(now, credential.chain())
    };
    let verdict = verify::credential(&evidence, &identity.policy);
    findings.extend(issued.findings);
    findings.extend(verdict.findings);
    foresee::told_once(&mut findings);
    findings.extend(chain_not_placed(identity, &credential));
    let outcome = verify::outcome(&findings);
    Ok(Ordered {
        identity: identity.name.clone(),
        window: verdict.summary,
        checks: verdict.checks,
        credential,
        candidate: candidate.clone(),
        outcome,
        findings,
    })
}

/// The chain as peers will be given it, read out of the text that the placements hold.
fn as_it_lands(chain: &Chain) -> Vec<Certificate> {
    let written = pem::certificates(chain.pem().as_bytes()).unwrap_or_default();
    let known = |der: &Vec<u8>| chain.certificates().find(|link| link.der() == der).cloned();
    written.iter().filter_map(known).collect()
}

fn unassembled(error: &CredentialError) -> Finding {
    match error {
        CredentialError::NotACertificate { position, .. } => Finding::error(NOT_A_CERTIFICATE, format!("the CA's answer is not a certificate: {error}"))
            .fact("position", *position)
            .hint("ask the CA's operators what it sends; certbake expects DER or PEM certificates"),
        CredentialError::OtherKey { subjects } => Finding::error(verify::KEY_MISMATCH, "the CA's certificate is not for the key in the request")
            .fact("certificates", subjects.clone())
            .hint("the CA sent somebody else's certificate, or made a key of its own: use an endpoint that signs your request"),
    }
}

/// The chain has intermediates, but no placement takes them to where TLS will look.
fn chain_not_placed(identity: &Identity, credential: &Credential) -> Option<Finding> {
    let intermediates = &credential.chain().intermediates;
    let placed = identity
        .placements
        .iter()
        .any(|placement| Content::holds_intermediates(&placement.content));
    if intermediates.is_empty() || placed {
        return None;
    }
    let names: Vec<String> = intermediates.iter().map(Certificate::title).collect();
    Some(
        Finding::warning(CHAIN_NOT_PLACED, format!("the certificate lands without its issuer {}", names.join(", ")))
            .fact("intermediates", names)
            .hint("servers that trust only the root will answer unknown_ca: place full_chain (--cert) instead of certificate (--leaf)"),
    )
}
