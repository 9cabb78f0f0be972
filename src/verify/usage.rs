//! May the certificate be used for what it is wanted for.

use super::case::without_purpose;
use super::{Case, Check, Link};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::Usage;
use crate::pki::usages::ANY;

/// The certificate and everything above it allow the usage wanted.
pub(super) const MISSING: Check = Check {
    code: Code::new("usage-missing"),
    outcome: Outcome::Flawed,
    not_made: without_purpose,
    run: missing,
};

/// The certificate is not a certificate authority's.
pub(super) const LEAF_IS_CA: Check = Check {
    code: Code::new("leaf-is-ca"),
    outcome: Outcome::Flawed,
    not_made: without_purpose,
    run: leaf_is_ca,
};

/// `anyExtendedKeyUsage` does not count: TLS peers may refuse it (RFC 5280 section 4.2.1.12), and
/// OpenSSL and rustls do.
fn forbids(link: Link<'_>, usage: Usage) -> bool {
    let allowed = &link.certificate().facts().extended_key_usage;
    allowed
        .as_ref()
        .is_some_and(|allowed| !allowed.iter().any(|name| name == usage.purpose()))
}

/// Some link names usages, and this one is not among them.
pub(super) fn a_link_forbids(case: &Case<'_>, usage: Usage) -> bool {
    case.links().any(|link| forbids(link, usage))
}

fn missing(case: &Case<'_>) -> Vec<Finding> {
    // A chain that is led to anchors is led there for a usage.
    let usage = case
        .usage()
        .or_else(|| case.trust.as_ref().map(|_| Usage::default()));
    let Some(usage) = usage else {
        return Vec::new();
    };
    // The anchor's extended key usage counts too, though path validation does not look at it: OpenSSL
    // and Go refuse what it forbids.
    let mut findings: Vec<_> = case
        .links_to_anchor()
        .filter(|link| forbids(*link, usage))
        .map(|link| forbidden(case, link, usage))
        .collect();
    findings.extend(unsigning(case, usage));
    findings.extend(of_another_type(case, usage));
    if case.leaf().facts().extended_key_usage.is_none() {
        findings.extend(unstated(case, usage));
    }
    findings
}

fn forbidden(case: &Case<'_>, link: Link<'_>, usage: Usage) -> Finding {
    let allowed = link.certificate().facts().extended_key_usage.as_deref();
    let allowed = allowed.unwrap_or_default();
    let purpose = usage.purpose();
    let put = format!(
        "have the CA's role, profile or template put {purpose} into the extended key usage"
    );
    let named = match allowed {
        [] => "empty".to_owned(),
        named => named.join(", "),
    };
    let summary = if allowed.iter().any(|name| name == ANY) {
        format!(
            "{link} does not name {purpose}: its extended key usage is {named}; Go and Java take {ANY} for it, OpenSSL and rustls do not"
        )
    } else {
        format!("{link} does not allow {purpose}: its extended key usage is {named}")
    };
    Finding::error(MISSING.code, summary)
        .fact("wanted", purpose)
        .fact("allowed", allowed.to_vec())
        .fact("subject", link.certificate().facts().subject.as_str())
        .hint(match case.evidence.asked {
            Some(_) => case.hint(format!(
                "{put}; the request asked for it, but the CA decides"
            )),
            None => put,
        })
}

/// A client proves itself by a signature (RFC 5246 section 7.4.8, RFC 8446 section 4.4.3), which OpenSSL
/// and Java do not take from a key that may not make one. Servers have keys that only decrypt still.
fn unsigning(case: &Case<'_>, usage: Usage) -> Option<Finding> {
    let allowed = case.leaf().facts().key_usage?;
    if usage != Usage::Client || allowed.digital_signature() {
        return None;
    }
    Some(
        Finding::error(
            MISSING.code,
            format!(
                "the certificate \"{}\" does not allow digitalSignature, which a TLS client needs to prove itself: its key usage is {}",
                case.leaf().title(),
                match allowed.names().as_slice() {
                    [] => "empty".to_owned(),
                    names => names.join(", "),
                }
            ),
        )
        .fact("wanted", "digitalSignature")
        .fact("allowed", allowed.names())
        .fact("subject", case.leaf().facts().subject.as_str())
        .hint("have the CA's role, profile or template put digitalSignature into the key usage: OpenSSL and Java refuse such a client"),
    )
}

/// Where a certificate has Netscape's certificate type, OpenSSL and Java still go by it; rustls and Go do not.
fn of_another_type(case: &Case<'_>, usage: Usage) -> Option<Finding> {
    let wanted = match usage {
        Usage::Client => "client",
        Usage::Server => "server",
    };
    let leaf = case.leaf();
    let types = leaf.facts().netscape_types.as_ref()?;
    if types.contains(&wanted) {
        return None;
    }
    let named = match types.as_slice() {
        [] => "empty".to_owned(),
        named => named.join(", "),
    };
    Some(
        Finding::error(
            MISSING.code,
            format!(
                "OpenSSL and Java refuse the certificate \"{}\" for a TLS {wanted}: its Netscape certificate type (nsCertType) is {named}",
                leaf.title()
            ),
        )
        .fact("wanted", wanted)
        .fact("allowed", types.clone())
        .fact("subject", leaf.facts().subject.as_str())
        .hint(format!("have the CA leave nsCertType out of its template, which nothing needs any more, or put {wanted} into it")),
    )
}

/// Without the extension every usage is allowed (RFC 5280 section 4.2.1.12): good enough for a
/// certificate met in a file, not for one that was asked to state its usage.
fn unstated(case: &Case<'_>, usage: Usage) -> Option<Finding> {
    let summary = format!(
        "the certificate \"{}\" has no extended key usage, so it is good for any purpose, not just for {}",
        case.leaf().title(),
        usage.purpose()
    );
    let finding = if case.evidence.asked.is_some() {
        Finding::error(MISSING.code, summary)
    } else if case.policy.usage.is_some() {
        Finding::warning(MISSING.code, summary)
    } else {
        return None;
    };
    Some(
        finding
            .fact("wanted", usage.purpose())
            .fact("subject", case.leaf().facts().subject.as_str())
            .hint(format!(
                "have the CA's role, profile or template put {} into the extended key usage",
                usage.purpose()
            )),
    )
}

fn leaf_is_ca(case: &Case<'_>) -> Vec<Finding> {
    let leaf = case.leaf();
    if !leaf.facts().is_ca {
        return Vec::new();
    }
    vec![
        Finding::error(
            LEAF_IS_CA.code,
            format!(
                "the certificate \"{}\" is a CA certificate: whoever holds its key can sign others",
                leaf.title()
            ),
        )
        .fact("subject", leaf.facts().subject.as_str())
        .hint("have an end-entity certificate issued (basicConstraints CA:FALSE); if this is the issuer's own certificate, give the certificate that it issued instead"),
    ]
}
