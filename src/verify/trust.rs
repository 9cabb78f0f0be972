//! Does the chain lead to the anchors, in order, unrevoked: webpki's typed reasons turned into facts.

use super::case::without_anchors;
use super::{Case, Check, Link, strength, usage, window};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::crl::Crl;
use crate::pki::path::PathError;

pub(super) const INCOMPLETE: Check = Check {
    code: Code::new("chain-incomplete"),
    summary: "every issuer between the certificate and the anchors is there",
    outcome: Outcome::Flawed,
    not_made: ended_before_issuers,
    run: incomplete,
};

pub(super) const UNTRUSTED: Check = Check {
    code: Code::new("chain-untrusted"),
    summary: "the chain verifies to one of the anchors",
    outcome: Outcome::Flawed,
    not_made: ended_elsewhere,
    run: untrusted,
};

pub(super) const MISORDERED: Check = Check {
    code: Code::new("chain-misordered"),
    summary: "the chain is delivered leaf first, each certificate followed by its issuer",
    outcome: Outcome::Flawed,
    not_made: |case| {
        let bundle = case.evidence.bundle;
        bundle
            .is_none()
            .then_some("it is not known in which order the chain is delivered")
    },
    run: misordered,
};

pub(super) const REVOKED: Check = Check {
    code: Code::new("revoked"),
    summary: "no link of the chain is on a revocation list",
    outcome: Outcome::Flawed,
    not_made: no_lists_to_search,
    run: revoked,
};

pub(super) const REVOCATION_UNKNOWN: Check = Check {
    code: Code::new("revocation-unknown"),
    summary: "the revocation lists given cover the chain and can be used",
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
const ENDED_EARLIER: &str = "path validation ended at a fault that another check names";

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
        let known = crl_fault(error).is_some() || odd_list(case).is_some();
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
    vec![
        Finding::error(
            INCOMPLETE.code,
            format!("{top} was issued by \"{issuer}\", which is neither in the chain nor among the anchors"),
        )
        .fact("missing_issuer", issuer)
        .fact("anchors", anchors)
        .hint(format!(
            "if \"{issuer}\" is an intermediate, have it delivered with the certificate; if it is a root, the anchors are those of another authority"
        )),
    ]
}

fn untrusted(case: &Case<'_>) -> Vec<Finding> {
    path_error(case)
        .map(|error| does_not_lead_there(case, error))
        .into_iter()
        .collect()
}

/// The path does not hold, whether or not another check was to say why.
pub(super) fn unexplained(case: &Case<'_>) -> Option<Finding> {
    path_error(case).map(|error| does_not_lead_there(case, error))
}

fn does_not_lead_there(case: &Case<'_>, error: &PathError) -> Finding {
    let (reason, hint) = reason(error);
    let top = case
        .links()
        .last()
        .map_or_else(String::new, |top| top.certificate().facts().issuer.clone());
    Finding::error(
        UNTRUSTED.code,
        format!(
            "the certificate \"{}\" does not lead to any of the anchors: {reason}",
            case.leaf().title()
        ),
    )
    .fact("reason", error.to_string())
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
            case.links().any(|link| {
                strength::signature_is_weak(link.certificate())
                    || strength::key_is_weak(link.certificate())
            })
        }
        error => error == &PathError::CertRevoked || crl_fault(error).is_some(),
    }
}

/// The reason in words, and what to do.
fn reason(error: &PathError) -> (String, &'static str) {
    const ISSUER: &str = "have the authority's issuing certificate corrected, then issue again";
    let (reason, hint) = match error {
        PathError::UnknownIssuer => (
            "a root of that name came along or is pinned, but it is not one of the anchors or did not sign the chain",
            "pin the root that the authority uses now; a root that comes with the chain is never trusted for having come",
        ),
        PathError::InvalidSignatureForPublicKey => (
            "a signature was not made by the issuer of that name: the issuer has a new key, or is another authority of the same name",
            "deliver the intermediates, and pin the root, that belong to the key which signed",
        ),
        PathError::CertExpired { .. } | PathError::CertNotValidYet { .. } => (
            "the only paths to them go through certificates that are not valid at this time",
            "renew the intermediate at the authority, and leave the old one out of the bundle",
        ),
        PathError::NameConstraintViolation => (
            "a certificate above it does not permit its names (name constraints)",
            "ask for names that the issuing certificate permits",
        ),
        PathError::PathLenConstraintViolated => (
            "there are more intermediates than a certificate above them permits (path length)",
            ISSUER,
        ),
        PathError::EndEntityUsedAsCa => (
            "a certificate above it is not a certificate authority's",
            "deliver the issuing certificate, not another certificate of the same name",
        ),
        PathError::RequiredEkuNotFoundContext(_) | PathError::EmptyEkuExtension => (
            "the path to them goes through an intermediate that does not allow the usage",
            ISSUER,
        ),
        PathError::UnsupportedCriticalExtension => (
            "a certificate has a critical extension that TLS peers do not know",
            "have the extension left out or marked as not critical",
        ),
        other => {
            return (
                format!("path validation says {other}"),
                "look at the certificates with `certbake inspect`, and have the faulty one issued again",
            );
        }
    };
    (reason.to_owned(), hint)
}

fn anchor_names(case: &Case<'_>) -> Vec<String> {
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
        .hint("write the certificate first and each issuer after what it issued: TLS 1.2 demands it (RFC 5246 section 7.4.2) and strict peers refuse anything else"),
    ]
}

fn revoked(case: &Case<'_>) -> Vec<Finding> {
    if path_error(case) != Some(&PathError::CertRevoked) {
        return Vec::new();
    }
    let serials: Vec<_> = case
        .links()
        .map(|link| link.certificate().facts().serial.clone())
        .collect();
    vec![
        Finding::error(
            REVOKED.code,
            format!(
                "the certificate \"{}\" or an issuer of it has been revoked",
                case.leaf().title()
            ),
        )
        .fact("serials", serials)
        .hint("ask the authority why, then have a new certificate issued for a new key"),
    ]
}

/// What is wrong with a revocation list.
fn crl_fault(error: &PathError) -> Option<&'static str> {
    Some(match error {
        PathError::CrlExpired { .. } => "it has expired",
        PathError::InvalidCrlSignatureForPublicKey => "its signature is not the issuer's",
        PathError::IssuerNotCrlSigner => "its issuer may not sign revocation lists (key usage)",
        PathError::InvalidCrlNumber => "its number is invalid",
        PathError::UnsupportedCrlVersion
        | PathError::UnsupportedDeltaCrl
        | PathError::UnsupportedIndirectCrl
        | PathError::UnsupportedCrlIssuingDistributionPoint
        | PathError::UnsupportedRevocationReason
        | PathError::UnsupportedRevocationReasonsPartitioning
        | PathError::UnsupportedCrlSignatureAlgorithmContext(_)
        | PathError::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            "it is of a kind that cannot be used"
        }
        _ => return None,
    })
}

/// What webpki does not ask of a list: a number (RFC 5280 section 5.2.3), and that an anchor which
/// signed it may do so (section 6.3.3, step f): to webpki an anchor is a name and a key.
fn odd_list(case: &Case<'_>) -> Option<Finding> {
    let lists = || {
        case.evidence
            .crls
            .iter()
            .filter_map(|der| Crl::from_der(der))
    };
    let unsigning = case.anchor().filter(|anchor| {
        let facts = anchor.facts();
        let signed = lists().any(|list| list.issuer_der == facts.subject_der);
        signed && facts.key_usage.is_some_and(|usage| !usage.crl_sign())
    });
    if let Some(anchor) = unsigning {
        let what = "a revocation list cannot be used: its issuer may not sign revocation lists (key usage)";
        return Some(
            Finding::error(REVOCATION_UNKNOWN.code, what)
                .fact("issuer", anchor.facts().subject.as_str()),
        );
    }
    let improper = lists().find(|list| !list.number_is_proper)?;
    let make = if case.policy.strict {
        Finding::error
    } else {
        Finding::warning
    };
    Some(
        make(
            REVOCATION_UNKNOWN.code,
            "strict peers refuse a revocation list: it has no number, or one marked as critical"
                .to_owned(),
        )
        .fact("issuer", improper.issuer),
    )
}

fn revocation_unknown(case: &Case<'_>) -> Vec<Finding> {
    const HINT: &str = "give a current list of every issuer in the chain (--crl), fetched from where the authority publishes it";
    if let Some((error, fault)) =
        path_error(case).and_then(|error| Some((error, crl_fault(error)?)))
    {
        return vec![
            Finding::error(
                REVOCATION_UNKNOWN.code,
                format!("a revocation list cannot be used: {fault}"),
            )
            .fact("reason", error.to_string())
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
