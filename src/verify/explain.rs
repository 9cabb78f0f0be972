//! Why a chain does not lead to the anchors: webpki's typed reasons in words, with what to do.

use super::Case;
use crate::pki::Certificate;
use crate::pki::path::PathError;

const ISSUER: &str = "have the authority's issuing certificate corrected, then issue again";
const LOOK: &str =
    "look at the certificates with `certbake inspect`, and have the faulty one issued again";

/// The reason's own name, without what webpki carries along in numbers.
pub(super) fn name(error: &PathError) -> String {
    let text = error.to_string();
    text.split('(').next().unwrap_or_default().to_owned()
}

/// The reason in words, and what to do.
pub(super) fn reason(case: &Case<'_>, error: &PathError) -> (String, &'static str) {
    let (reason, hint) = match error {
        PathError::NameConstraintViolation => return constrained(case),
        PathError::UnsupportedSignatureAlgorithmContext(context) => {
            return unknown_signature(
                case,
                &context.signature_algorithm_id,
                "in a way that rustls does not know",
            );
        }
        PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            return unknown_signature(
                case,
                &context.signature_algorithm_id,
                "by a kind of key that rustls does not know for it",
            );
        }
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
        PathError::PathLenConstraintViolated => (
            "there are more intermediates than a certificate above them permits (path length)",
            ISSUER,
        ),
        PathError::MaximumPathDepthExceeded => (
            "there are more than six intermediates, and rustls looks through no more",
            "have the certificate issued by an authority nearer to the root",
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
        PathError::MalformedDnsIdentifier => (
            "one of its DNS names cannot be held against the name constraints above it: a wildcard against what is excluded, or no host name",
            "ask for names without a wildcard, or have the constraint say what is permitted",
        ),
        other => return malformed(other),
    };
    (reason.to_owned(), hint)
}

/// A certificate that says what none may say, or cannot be read.
fn malformed(error: &PathError) -> (String, &'static str) {
    let (reason, hint) = match error {
        PathError::BadDerTime => (
            "a certificate's dates lie before 1970, which rustls does not read, or are not written as RFC 5280 section 4.1.2.5 wants them",
            "have the certificate issued again with a later notBefore",
        ),
        PathError::InvalidCertValidity => (
            "a certificate ends before it begins",
            "have the authority's dates corrected, then issue again",
        ),
        PathError::UnsupportedCertVersion => (
            "a certificate is not of version 3, the only one that rustls takes",
            "have it issued with extensions: those of version 1 cannot say what they are for",
        ),
        PathError::BadDer
        | PathError::TrailingData(_)
        | PathError::ExtensionValueInvalid
        | PathError::MalformedExtensions => (
            "a certificate or one of its extensions is not written as DER and RFC 5280 want it",
            LOOK,
        ),
        other => return (format!("path validation says {}", name(other)), LOOK),
    };
    (reason.to_owned(), hint)
}

/// rustls-webpki evaluates constraints on DNS names and addresses alone, and refuses the chain for any other.
fn constrained(case: &Case<'_>) -> (String, &'static str) {
    let links = case.links().chain(case.anchors_not_reached());
    let weighed_not = links
        .map(|link| (link, link.certificate().other_names_constrained()))
        .find(|(_, kinds)| !kinds.is_empty());
    match weighed_not {
        Some((link, kinds)) => (
            format!(
                "{link} has name constraints on {}, which rustls does not evaluate: it refuses the chain, whatever the names are",
                Vec::from_iter(kinds).join(" and ")
            ),
            "have that authority constrain DNS names and addresses alone, or ask for no name of the constrained kind; OpenSSL and Go evaluate such constraints, and may accept the chain",
        ),
        None => (
            "a certificate above it does not permit its names (name constraints)".to_owned(),
            "ask for names that the issuing certificate permits",
        ),
    }
}

/// `algorithm` is the content of a DER `AlgorithmIdentifier`.
fn unknown_signature(case: &Case<'_>, algorithm: &[u8], what: &str) -> (String, &'static str) {
    let bears = |certificate: &Certificate| {
        certificate
            .der()
            .windows(algorithm.len().max(1))
            .any(|window| window == algorithm)
    };
    let signed = case.links().find(|link| bears(link.certificate()));
    let reason = signed.map_or_else(
        || "a certificate's signature is of a kind that rustls does not know".to_owned(),
        |link| {
            let how = &link.certificate().facts().signature;
            format!("{link} is signed with {how}, {what}")
        },
    );
    (
        reason,
        "have the authority sign with ECDSA, Ed25519, RSA or RSA-PSS, over SHA-256, SHA-384 or SHA-512 (RSA-PSS with a salt as long as the digest)",
    )
}
