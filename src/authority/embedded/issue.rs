//! One order: what is granted of a request, signed, logged, and only then handed out.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SerialNumber};
use time::{Duration, OffsetDateTime};

use super::directory::CaDirectory;
use super::error::{IssueError, NEW_CA};
use super::log::IssuedEntry;
use crate::authority::foresight;
use crate::finding::{Code, Finding, rfc3339};
use crate::pki::request::san;
use crate::pki::{Certificate, ReceivedRequest, Usage};
use crate::span::Span;

const ISSUER_ENDS: Code = Code::new("embedded-ca-ends-first");
const PARTLY: Code = Code::new("request-partly-granted");

/// For clocks that run a little behind the CA's.
pub(super) const BACKDATED: Duration = Duration::MINUTE;

/// On which terms a request is granted.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub now: OffsetDateTime,
    /// The lifetime from `now` on.
    pub ttl: Span,
    pub max_ttl: Span,
    /// For the log: `local`, or the user of the EST server.
    pub requester: &'a str,
}

/// What was granted, already in the log.
#[derive(Debug)]
pub struct Granted {
    pub certificate: Certificate,
    /// How it differs from what was asked for.
    pub findings: Vec<Finding>,
}

impl CaDirectory {
    /// Signs a certificate for the request: its subject, names and key as they are; clientAuth
    /// unless it asks for serverAuth; never a CA; never beyond `max_ttl` or the intermediate's end.
    /// It is in the log, and the log on the disk, before this returns.
    ///
    /// # Errors
    /// When the request asks for what this CA does not give, or it could not be signed or logged.
    pub fn issue(
        &self,
        request: &ReceivedRequest,
        terms: &Terms<'_>,
    ) -> Result<Granted, IssueError> {
        let mut findings = Vec::new();
        let mut params = CertificateParams::default();
        params.distinguished_name = request.distinguished_name().clone();
        params.subject_alt_names = request
            .names
            .iter()
            .map(san)
            .collect::<Result<_, _>>()
            .map_err(|error| IssueError::Signing(error.reason))?;
        let usages = usages(request, &mut findings)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.iter().copied().map(purpose).collect();
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.not_before = terms.now - BACKDATED;
        params.not_after = self.end(terms, &mut findings)?;
        let serial = serial().ok_or_else(|| {
            IssueError::Signing("the system's random number generator failed".to_owned())
        })?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let signed = params
            .signed_by(request, &self.issuer)
            .map_err(|error| IssueError::Signing(error.to_string()))?;
        let certificate = Certificate::from_der(signed.der().to_vec())
            .map_err(|error| IssueError::Signing(error.to_string()))?;
        if certificate.facts().spki != request.spki
            || certificate.facts().subject_der != request.subject_der
        {
            return Err(IssueError::Unfaithful);
        }
        self.log
            .append(&entry(&certificate, terms))
            .map_err(IssueError::Log)?;
        Ok(Granted {
            certificate,
            findings,
        })
    }

    /// How the lifetime of an order on these terms would be shortened.
    pub(super) fn foresee(&self, terms: &Terms<'_>) -> Result<Vec<Finding>, IssueError> {
        let mut findings = Vec::new();
        let end = self.end(terms, &mut findings)?;
        let most = (end - terms.now).whole_seconds();
        let limits = |finding: Finding| finding.fact(foresight::MOST_GRANTED, most);
        Ok(findings.into_iter().map(limits).collect())
    }

    fn end(
        &self,
        terms: &Terms<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<OffsetDateTime, IssueError> {
        let last = self.intermediate().window().not_after;
        if last <= terms.now {
            return Err(IssueError::IntermediateEnded {
                at: last,
                hint: self.renewal(),
            });
        }
        if terms.ttl > terms.max_ttl {
            findings.push(capped(terms));
        }
        let end = terms.now + terms.ttl.min(terms.max_ttl).duration();
        if end > last {
            findings.push(self.ends_first(end, last, terms));
        }
        Ok(end.min(last))
    }

    fn ends_first(&self, end: OffsetDateTime, last: OffsetDateTime, terms: &Terms<'_>) -> Finding {
        let issuer = self.intermediate().title();
        Finding::warning(
            ISSUER_ENDS,
            format!(
                "shortened to {}: the CA's intermediate, {issuer}, expires then{}",
                Span::from(last - terms.now),
                if self.ends_with_root() {
                    ", and so does its root"
                } else {
                    ""
                }
            ),
        )
        .fact("issuer", issuer)
        .instant("issuer_not_after", last)
        .instant("would_have_ended", end)
        .fact("granted_seconds", (last - terms.now).whole_seconds())
        .hint(self.renewal())
    }

    /// What makes the CA last longer.
    pub fn renewal(&self) -> &'static str {
        if self.ends_with_root() {
            return NEW_CA;
        }
        "renew the intermediate: `certbake docs embedded` says how"
    }
}

fn capped(terms: &Terms<'_>) -> Finding {
    Finding::warning(
        foresight::CAPPED,
        format!(
            "{} was requested, but the CA grants {} at most",
            terms.ttl, terms.max_ttl
        ),
    )
    .fact("asked_seconds", terms.ttl.as_seconds())
    .fact(foresight::MOST_GRANTED, terms.max_ttl.as_seconds())
    .hint("ask for a shorter ttl, or raise max_ttl in the CA's settings")
}

/// What of the usages asked for is given. A request that names none is for a client.
fn usages(
    request: &ReceivedRequest,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Usage>, IssueError> {
    if request.asks_for_ca {
        return Err(IssueError::AsksForCa);
    }
    if request.subject.is_empty() && request.names.is_empty() {
        return Err(IssueError::Nameless);
    }
    let Some(asked) = &request.extended_key_usage else {
        report_left_out(&request.other_extensions, findings);
        return Ok(vec![Usage::Client]);
    };
    let (given, left): (Vec<_>, Vec<_>) = asked
        .iter()
        .map(|name| {
            [Usage::Client, Usage::Server]
                .into_iter()
                .find(|usage| usage.purpose() == name)
                .ok_or_else(|| name.clone())
        })
        .partition(Result::is_ok);
    let left: Vec<String> = left.into_iter().filter_map(Result::err).collect();
    if given.is_empty() {
        return Err(IssueError::Usage(left));
    }
    let left = [left, request.other_extensions.clone()].concat();
    report_left_out(&left, findings);
    Ok(given.into_iter().filter_map(Result::ok).collect())
}

/// A CA decides what it certifies (RFC 2986 section 3); it says what it left out.
fn report_left_out(left: &[String], findings: &mut Vec<Finding>) {
    if left.is_empty() {
        return;
    }
    findings.push(
        Finding::note(
            PARTLY,
            format!(
                "the request also asked for {}, which this CA does not certify",
                left.join(", ")
            ),
        )
        .fact("left_out", left.to_vec())
        .hint("leave it out of the request, or use a CA that certifies it"),
    );
}

const fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
    }
}

fn entry(certificate: &Certificate, terms: &Terms<'_>) -> IssuedEntry {
    let facts = certificate.facts();
    IssuedEntry {
        at: rfc3339(terms.now),
        serial: facts.serial.clone(),
        subject: facts.subject.clone(),
        names: facts.names.iter().map(ToString::to_string).collect(),
        usage: facts.extended_key_usage.clone().unwrap_or_default(),
        not_before: rfc3339(facts.window.not_before),
        not_after: rfc3339(facts.window.not_after),
        fingerprint: certificate.fingerprint(),
        requester: terms.requester.to_owned(),
    }
}

/// 126 random bits in 16 octets: positive and well below the 20 octets of RFC 5280 section 4.1.2.2.
pub(super) fn serial() -> Option<[u8; 16]> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).ok()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Some(serial)
}
