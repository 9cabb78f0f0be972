//! Does the chain lead to the anchors, in order, unrevoked: webpki's typed reasons turned into facts.

use super::case::without_anchors;
use super::{Case, Check, Link, explain, peers, strength, usage, window};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::crl::{Crl, RevocationList};
use crate::pki::path::PathError;
use crate::span::Span;

/// Every issuer between the certificate and the anchors is there.
pub(super) const INCOMPLETE: Check = Check {
    code: Code::new("chain-incomplete"),
    outcome: Outcome::Flawed,
    not_made: ended_before_issuers,
    run: incomplete,
};

/// The chain verifies to one of the anchors.
pub(super) const UNTRUSTED: Check = Check {
    code: Code::new("chain-untrusted"),
    outcome: Outcome::Flawed,
    not_made: ended_elsewhere,
    run: untrusted,
};

/// The chain is delivered leaf first, each certificate followed by its issuer.
pub(super) const MISORDERED: Check = Check {
    code: Code::new("chain-misordered"),
    outcome: Outcome::Flawed,
    not_made: |case| {
        let bundle = case.evidence.bundle;
        bundle
            .is_none()
            .then_some("the order in which the chain is delivered is not known")
    },
    run: misordered,
};

/// No link of the chain is on a revocation list.
pub(super) const REVOKED: Check = Check {
    code: Code::new("revoked"),
    outcome: Outcome::Flawed,
    not_made: no_lists_to_search,
    run: revoked,
};

/// The revocation lists given cover the chain and can be used.
pub(super) const REVOCATION_UNKNOWN: Check = Check {
    code: Code::new("revocation-unknown"),
    outcome: Outcome::Flawed,
    not_made: no_lists_to_use,
    run: revocation_unknown,
};

fn path_error<'a>(case: &'a Case<'_>) -> Option<&'a PathError> {
    case.trust.as_ref()?.path.as_ref().err()
}

/// The link whose issuer is neither in the chain nor among the anchors.
fn missing_issuer<'a>(case: &'a Case<'_>) -> Option<Link<'a>> {
    let top = case.links().last()?;
    let wanted = &top.certificate().facts().issuer_der;
    let anchors = case.evidence.anchors?.certificates();
    let known = |certificate: &crate::pki::Certificate| certificate.facts().subject_der == *wanted;
    let delivered = case.evidence.bundle.unwrap_or_default();
    let mut known_ones = anchors.iter().chain(delivered).chain(&case.chain.roots);
    (!known_ones.any(known)).then_some(top)
}

/// Another fault ended the validation of the path, so that nothing more is known of it.
const ENDED_EARLIER: &str = "path validation stopped at a fault that another check reports";

fn ended_before_issuers(case: &Case<'_>) -> Option<&'static str> {
    let other = path_error(case).is_some_and(|error| error != &PathError::UnknownIssuer);
    without_anchors(case)
        .or_else(|| (other && missing_issuer(case).is_some()).then_some(ENDED_EARLIER))
}

fn ended_elsewhere(case: &Case<'_>) -> Option<&'static str> {
    let elsewhere = path_error(case).is_some_and(|error| is_said_elsewhere(case, error));
    without_anchors(case).or_else(|| elsewhere.then_some(ENDED_EARLIER))
}

fn no_lists_to_search(case: &Case<'_>) -> Option<&'static str> {
    no_lists(case).or_else(|| match path_error(case) {
        None | Some(PathError::CertRevoked) => None,
        Some(_) => Some(ENDED_EARLIER),
    })
}

fn no_lists_to_use(case: &Case<'_>) -> Option<&'static str> {
    no_lists(case).or_else(|| {
        let error = path_error(case)?;
        let known = crl_fault(case, error).is_some() || odd_list(case).is_some();
        (!known).then_some(ENDED_EARLIER)
    })
}

fn no_lists(case: &Case<'_>) -> Option<&'static str> {
    if case.evidence.crls.is_empty() {
        return Some("no revocation lists were given");
    }
    without_anchors(case)
}

fn incomplete(case: &Case<'_>) -> Vec<Finding> {
    let (Some(PathError::UnknownIssuer), Some(top)) = (path_error(case), missing_issuer(case))
    else {
        return Vec::new();
    };
    let issuer = top.certificate().facts().issuer.as_str();
    let anchors = anchor_names(case);
    let (known, hint) = if explain::is_written_otherwise(case, issuer) {
        (
            "is known, but writes its own name in other octets (UTF8String or PrintableString, capitals, spaces)",
            format!(
                "have \"{issuer}\" issue with its name copied from its own certificate: rustls and Go compare names octet for octet; OpenSSL compares letters, and accepts the chain"
            ),
        )
    } else if anchors.is_empty() {
        (
            "is not in the chain, and no anchors are known",
            format!(
                "pin the CA's root (anchors, --ca-anchors); if \"{issuer}\" is an intermediate, also have the CA deliver it with the certificate"
            ),
        )
    } else {
        (
            "is neither in the chain nor among the anchors",
            format!(
                "if \"{issuer}\" is an intermediate, deliver it with the certificate; if it is a root, pin it: the anchors belong to another CA"
            ),
        )
    };
    let summary = format!("{top} was issued by \"{issuer}\", which {known}");
    vec![
        Finding::error(INCOMPLETE.code, summary)
            .fact("missing_issuer", issuer)
            .fact("anchors", anchors)
            .hint(hint),
    ]
}

fn untrusted(case: &Case<'_>) -> Vec<Finding> {
    path_error(case)
        .map(|error| does_not_lead_there(case, error))
        .into_iter()
        .chain(peers::refused(case))
        .collect()
}

/// The path does not hold, whether or not another check was to say why.
pub(super) fn unexplained(case: &Case<'_>) -> Option<Finding> {
    path_error(case).map(|error| does_not_lead_there(case, error))
}

fn does_not_lead_there(case: &Case<'_>, error: &PathError) -> Finding {
    let (reason, hint) = explain::reason(case, error);
    let top = case
        .links()
        .last()
        .map_or_else(String::new, |top| top.certificate().facts().issuer.clone());
    Finding::error(
        UNTRUSTED.code,
        format!(
            "the certificate \"{}\" does not chain to any of the anchors: {reason}",
            case.leaf().title()
        ),
    )
    .fact("reason", explain::name(error))
    .fact("ends_at", top)
    .fact("anchors", anchor_names(case))
    .hint(hint)
}

/// Whether another check names the same fault by a better name.
fn is_said_elsewhere(case: &Case<'_>, error: &PathError) -> bool {
    let wanted = case.usage().unwrap_or_default();
    match error {
        PathError::UnknownIssuer => missing_issuer(case).is_some(),
        PathError::CertExpired { .. } | PathError::CertNotValidYet { .. } => {
            window::refuses_a_link(case)
        }
        PathError::CaUsedAsEndEntity => case.leaf().facts().is_ca,
        PathError::EmptyEkuExtension | PathError::RequiredEkuNotFoundContext(_) => {
            usage::a_link_forbids(case, wanted)
        }
        PathError::UnsupportedSignatureAlgorithmContext(_)
        | PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            case.links().chain(case.anchors_not_reached()).any(|link| {
                strength::signature_is_weak(link.certificate())
                    || strength::key_is_weak(link.certificate())
            })
        }
        // RSA below 2048 bits verifies nothing.
        PathError::InvalidSignatureForPublicKey => {
            let mut issuers = case.links().skip(1).chain(case.anchors_not_reached());
            issuers.any(|link| strength::key_is_weak(link.certificate()))
        }
        error => error == &PathError::CertRevoked || crl_fault(case, error).is_some(),
    }
}

pub(super) fn anchor_names(case: &Case<'_>) -> Vec<String> {
    case.evidence.anchors.map_or_else(Vec::new, |anchors| {
        anchors
            .certificates()
            .iter()
            .map(|anchor| anchor.facts().subject.clone())
            .collect()
    })
}

fn misordered(case: &Case<'_>) -> Vec<Finding> {
    let Some(bundle) = case.evidence.bundle else {
        return Vec::new();
    };
    let expected: Vec<_> = case.chain.certificates().collect();
    // A root at the end is superfluous, not out of order.
    let delivered: Vec<_> = bundle
        .iter()
        .filter(|certificate| expected.contains(certificate))
        .collect();
    if delivered == expected {
        return Vec::new();
    }
    let titles = |certificates: &[&crate::pki::Certificate]| -> Vec<String> {
        certificates
            .iter()
            .map(|certificate| certificate.title())
            .collect()
    };
    vec![
        Finding::warning(
            MISORDERED.code,
            format!(
                "the chain is delivered out of order: {}",
                titles(&delivered).join(", ")
            ),
        )
        .fact("delivered", titles(&delivered))
        .fact("expected", titles(&expected))
        .hint("write the certificate first, then each issuer after the certificate it signed: TLS 1.2 requires it (RFC 5246 section 7.4.2), and strict peers refuse any other order"),
    ]
}

fn revoked(case: &Case<'_>) -> Vec<Finding> {
    if path_error(case) != Some(&PathError::CertRevoked) {
        return Vec::new();
    }
    let of_issuer = |link: &Link<'_>, list: &RevocationList| {
        let issuer = &link.certificate().facts().issuer_der;
        list.said().is_some_and(|said| said.issuer_der == *issuer)
    };
    // An issuer's lists by themselves revoke what it issued, and nothing else of the chain.
    let is_revoked = |link: &Link<'_>| {
        let lists = case.evidence.crls.iter();
        let lists: Vec<_> = lists.filter(|list| of_issuer(link, list)).collect();
        case.is_revoked_by(&lists)
    };
    let mut findings: Vec<_> = case.links().filter(is_revoked).map(on_a_list).collect();
    if findings.is_empty() {
        let what = format!("an issuer of {} has been revoked", Link::Leaf(case.leaf()));
        findings.push(Finding::error(REVOKED.code, what).hint(ANOTHER_ISSUER));
    }
    findings
}

const ANOTHER_ISSUER: &str =
    "ask the CA why, then have the certificate issued anew by an issuer that is not revoked";

fn on_a_list(link: Link<'_>) -> Finding {
    let facts = link.certificate().facts();
    Finding::error(
        REVOKED.code,
        format!("{link} has been revoked by \"{}\"", facts.issuer),
    )
    .fact("revoked_serial", facts.serial.as_str())
    .fact("subject", facts.subject.as_str())
    .hint(match link {
        Link::Leaf(_) => "ask the CA why, then have a new certificate issued for a new key",
        _ => ANOTHER_ISSUER,
    })
}

/// What is wrong with a revocation list.
fn crl_fault(case: &Case<'_>, error: &PathError) -> Option<&'static str> {
    let unusable = |list: &RevocationList| list.usable().err() == Some(error);
    Some(match error {
        PathError::CrlExpired { .. } => "it has expired",
        PathError::InvalidCrlSignatureForPublicKey => "its signature is not the issuer's",
        PathError::IssuerNotCrlSigner => {
            "its issuer's key usage does not allow signing revocation lists"
        }
        PathError::InvalidCrlNumber => "its number is invalid",
        PathError::UnsupportedCrlVersion => {
            "it is version 1, a list without extensions (OpenSSL: set crl_extensions)"
        }
        PathError::UnsupportedDeltaCrl => {
            "it is a delta list, which holds only changes: give the complete list"
        }
        PathError::UnsupportedIndirectCrl => {
            "it is an indirect list, which covers other issuers too"
        }
        PathError::UnsupportedCrlIssuingDistributionPoint => {
            "its issuing distribution point has no address (fullName), without which rustls takes none"
        }
        PathError::UnsupportedRevocationReasonsPartitioning => {
            "it covers only some reasons for revocation"
        }
        PathError::UnsupportedCriticalExtension if case.evidence.crls.iter().any(unusable) => {
            "it has a critical extension that rustls does not support"
        }
        PathError::UnsupportedRevocationReason
        | PathError::UnsupportedCrlSignatureAlgorithmContext(_)
        | PathError::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            "its kind is not supported"
        }
        _ if case.evidence.crls.iter().any(unusable) => {
            "it is not encoded as RFC 5280 section 5 requires"
        }
        _ => return None,
    })
}

/// What webpki does not ask of a list: that it has begun, a number (RFC 5280 section 5.2.3), and that an
/// anchor which signed it may do so (section 6.3.3, step f): to webpki an anchor is a name and a key.
fn odd_list(case: &Case<'_>) -> Option<Finding> {
    let lists = || case.evidence.crls.iter().filter_map(RevocationList::said);
    let unsigning = case.anchor().filter(|anchor| {
        let facts = anchor.facts();
        let signed = lists().any(|list| list.issuer_der == facts.subject_der);
        signed && facts.key_usage.is_some_and(|usage| !usage.crl_sign())
    });
    if let Some(anchor) = unsigning {
        let what = "a revocation list cannot be used: its issuer's key usage does not allow signing revocation lists";
        return Some(
            Finding::error(REVOCATION_UNKNOWN.code, what)
                .fact("issuer", anchor.facts().subject.as_str()),
        );
    }
    let ahead = |list: &Crl| list.this_update > case.now;
    let improper = lists().find(|list| ahead(list) || !list.number_is_proper)?;
    let what = if ahead(improper) {
        let wait = Span::from(improper.this_update - case.now);
        format!("its thisUpdate is {wait} in the future")
    } else {
        "it has no CRL number, or one marked as critical".to_owned()
    };
    let make = if case.policy.strict {
        Finding::error
    } else {
        Finding::warning
    };
    Some(
        make(
            REVOCATION_UNKNOWN.code,
            format!("strict peers refuse a revocation list: {what}"),
        )
        .fact("issuer", improper.issuer.as_str()),
    )
}

fn revocation_unknown(case: &Case<'_>) -> Vec<Finding> {
    const HINT: &str = "give a current list of every issuer in the chain (--crl), fetched from where the CA publishes it";
    if let Some((error, fault)) =
        path_error(case).and_then(|error| Some((error, crl_fault(case, error)?)))
    {
        return vec![
            Finding::error(
                REVOCATION_UNKNOWN.code,
                format!("a revocation list cannot be used: {fault}"),
            )
            .fact("reason", explain::name(error))
            .hint(HINT),
        ];
    }
    if let Some(finding) = odd_list(case) {
        return vec![finding.hint(HINT)];
    }
    let uncovered = case
        .trust
        .as_ref()
        .is_some_and(|trust| trust.revocation_unknown && trust.path.is_ok());
    if !uncovered {
        return Vec::new();
    }
    vec![
        Finding::warning(
            REVOCATION_UNKNOWN.code,
            "the revocation lists do not cover every link of the chain",
        )
        .fact(
            "chain",
            case.links()
                .map(|link| link.certificate().facts().issuer.clone())
                .collect::<Vec<_>>(),
        )
        .hint(HINT),
    ]
}
