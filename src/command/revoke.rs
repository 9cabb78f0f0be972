//! `revoke`: a certificate is taken back at the authority that issued it.

use std::time::{Duration, Instant};

use super::Context;
use super::provision::Candidate;
use crate::authority::{AuthorityError, Reason, Revocation};
use crate::finding::{Code, Finding, Severity, rfc3339};
use crate::outcome::{CertificateSummary, IdentityReport, Outcome, Report};
use crate::pki::{Certificate, Chain, PrivateKey};

const REVOKED: Code = Code::new("certificate-revoked");
const NOT_OFFERED: Code = Code::new("revocation-not-offered");
const FAILED: Code = Code::new("revocation-failed");

/// What is to be revoked, and by whom.
pub struct Plan {
    /// The identity that carries it, or the certificate's own name.
    pub name: String,
    pub candidate: Candidate,
    pub certificate: Certificate,
    /// Its key, where it is at hand: some authorities take that as the login.
    pub key: Option<PrivateKey>,
    pub reason: Reason,
    /// How long it may take.
    pub deadline: Duration,
}

pub fn run(plan: &Plan, context: &Context<'_>) -> Report {
    let mut report = Report::new("revoke", context.now);
    report.identities.push(IdentityReport {
        name: plan.name.clone(),
        authority: Some(plan.candidate.place()),
        certificate: Some(CertificateSummary::from(&Chain {
            leaf: plan.certificate.clone(),
            intermediates: Vec::new(),
            roots: Vec::new(),
        })),
        ..IdentityReport::default()
    });
    let place = plan.candidate.place().name;
    context
        .progress
        .step(&format!("asking {place} to revoke {}", plan.name));
    let revocation = Revocation {
        certificate: &plan.certificate,
        key: plan.key.as_ref(),
        reason: plan.reason,
        deadline: Instant::now() + plan.deadline,
    };
    let mut findings = match ask(&plan.candidate, &revocation) {
        Asked::Revoked(said) => said,
        Asked::Failed(error) => {
            report.conclude(error.outcome());
            vec![error.into_finding()]
        }
        Asked::NotOffered(finding) => {
            report.conclude(Outcome::Usage);
            vec![finding]
        }
    };
    if let Some(open) = &plan.candidate.opened.finish {
        findings.extend(open.finish());
    }
    report.findings.extend(
        findings
            .into_iter()
            .map(|finding| finding.about(&plan.name)),
    );
    report
}

enum Asked {
    Revoked(Vec<Finding>),
    Failed(AuthorityError),
    NotOffered(Finding),
}

fn ask(candidate: &Candidate, revocation: &Revocation<'_>) -> Asked {
    let Some(revoke) = &candidate.opened.revoke else {
        return Asked::NotOffered(not_offered(candidate, revocation.certificate));
    };
    match revoke.revoke(revocation) {
        Ok(mut said) => {
            said.push(revoked(candidate, revocation));
            Asked::Revoked(said)
        }
        Err(error) => Asked::Failed(error),
    }
}

/// Takes back what a failed run was issued. Best effort: it changes nothing of how the run ends.
pub(super) fn take_back(
    candidate: &Candidate,
    certificate: &Certificate,
    key: &PrivateKey,
    within: Duration,
) -> Vec<Finding> {
    let revocation = Revocation {
        certificate,
        key: Some(key),
        reason: Reason::CessationOfOperation,
        deadline: Instant::now() + within,
    };
    match ask(candidate, &revocation) {
        Asked::Revoked(said) => said,
        Asked::NotOffered(mut finding) => {
            finding.severity = Severity::Warning;
            vec![finding]
        }
        Asked::Failed(error) => vec![failed(candidate, certificate, &error.into_finding())],
    }
}

fn revoked(candidate: &Candidate, revocation: &Revocation<'_>) -> Finding {
    let certificate = revocation.certificate;
    let serial = &certificate.facts().serial;
    let place = candidate.place().name;
    let note = Finding::note(
        REVOKED,
        format!(
            "{place} has revoked certificate {serial}{}; peers that check no revocation list accept it until {}",
            why(revocation.reason),
            rfc3339(certificate.window().not_after)
        ),
    );
    about(note, candidate, certificate)
        .fact("reason", revocation.reason.as_str())
        .hint("give peers the list, or have them refuse the fingerprint")
}

const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "",
        Reason::KeyCompromise => ", since its key may be known to others",
        Reason::Superseded => ", since it has been replaced",
        Reason::CessationOfOperation => ", since it is no longer used",
    }
}

fn not_offered(candidate: &Candidate, certificate: &Certificate) -> Finding {
    let place = candidate.place();
    let serial = &certificate.facts().serial;
    let error = Finding::error(
        NOT_OFFERED,
        format!(
            "certificate {serial} is not revoked: {} ({}) offers no revocation that certbake can use",
            place.name, place.kind
        ),
    );
    about(error, candidate, certificate).hint(format!(
        "have the CA's operators revoke serial {serial} with the CA's own tools; until then block the fingerprint where peers can, or let the certificate expire"
    ))
}

fn failed(candidate: &Candidate, certificate: &Certificate, why: &Finding) -> Finding {
    let serial = &certificate.facts().serial;
    let warning = Finding::warning(
        FAILED,
        format!(
            "certificate {serial} was issued but not written, and could not be revoked: {}",
            why.summary
        ),
    );
    about(warning, candidate, certificate)
        .fact("because", why.code.as_str())
        .hint(why.hint.clone())
}

fn about(finding: Finding, candidate: &Candidate, certificate: &Certificate) -> Finding {
    finding
        .fact("authority", candidate.place().name)
        .fact("serial", certificate.facts().serial.as_str())
        .fact("issuer", certificate.facts().issuer.as_str())
        .fact("fingerprint", certificate.fingerprint())
        .instant("not_after", certificate.window().not_after)
}
