//! Why a chain does not lead to the anchors: webpki's typed reasons in words, with what to do.

use super::Case;
use crate::pki::path::{self, PathError};
use crate::pki::{Anchors, Certificate};

const ISSUER: &str = "have the CA's issuing certificate corrected, then reissue this one";
const LOOK: &str =
    "look at the certificates with `certbake inspect`, and have the faulty one reissued";

/// The reason's own name, without what webpki carries along in numbers.
pub(super) fn name(error: &PathError) -> String {
    let text = error.to_string();
    text.split('(').next().unwrap_or_default().to_owned()
}

/// The reason in words, and what to do.
pub(super) fn reason(case: &Case<'_>, error: &PathError) -> (String, &'static str) {
    let (reason, hint) = match error {
        PathError::NameConstraintViolation => return constrained(case),
        PathError::UnsupportedCriticalExtension => return unsupported_extension(case),
        PathError::UnsupportedSignatureAlgorithmContext(context) => {
            return unknown_signature(
                case,
                &context.signature_algorithm_id,
                "with an algorithm that rustls does not support",
            );
        }
        PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            return unknown_signature(
                case,
                &context.signature_algorithm_id,
                "by a kind of key that rustls does not support for it",
            );
        }
        PathError::UnknownIssuer => (
            "a root of that name was delivered or is pinned, but it is not one of the anchors, or did not sign the chain",
            "pin the root that the CA uses now; a root is never trusted just because it was delivered with the chain",
        ),
        PathError::InvalidSignatureForPublicKey => (
            "a signature does not verify with the key of the issuer it names: the issuer has a new key, or is another CA of the same name",
            "deliver the intermediates and pin the root that belong to the signing key",
        ),
        PathError::CertExpired { .. } | PathError::CertNotValidYet { .. } => (
            "every path to them goes through a certificate that has expired or is not valid yet",
            "renew the intermediate at the CA, and leave the old one out of the bundle",
        ),
        PathError::PathLenConstraintViolated => (
            "there are more intermediates than the path length of a certificate above them permits",
            ISSUER,
        ),
        PathError::MaximumPathDepthExceeded => (
            "there are more than six intermediates, the most that rustls follows",
            "have the certificate issued by a CA nearer to the root",
        ),
        PathError::EndEntityUsedAsCa => (
            "a certificate above it is not a CA certificate",
            "deliver the issuing certificate, not another certificate of the same name",
        ),
        PathError::RequiredEkuNotFoundContext(_) | PathError::EmptyEkuExtension => (
            "an intermediate on the path does not allow the usage",
            ISSUER,
        ),
        PathError::MalformedDnsIdentifier => (
            "one of its DNS names cannot be checked against the name constraints above it: it is a wildcard where names are excluded, or not a host name",
            "ask for names without a wildcard, or have the constraint list what is permitted instead",
        ),
        other => return malformed(other),
    };
    (reason.to_owned(), hint)
}

/// A certificate that says what none may say, or cannot be read.
fn malformed(error: &PathError) -> (String, &'static str) {
    let (reason, hint) = match error {
        PathError::BadDerTime => (
            "a certificate's dates are before 1970, which rustls does not accept, or are not encoded as RFC 5280 section 4.1.2.5 requires",
            "have the certificate reissued with a later notBefore",
        ),
        PathError::InvalidCertValidity => (
            "a certificate's notAfter is before its notBefore",
            "have the dates corrected at the CA, then reissue",
        ),
        PathError::UnsupportedCertVersion => (
            "a certificate is not version 3, the only version that rustls accepts",
            "have it reissued with extensions: a version 1 certificate cannot state its usage",
        ),
        PathError::BadDer
        | PathError::TrailingData(_)
        | PathError::ExtensionValueInvalid
        | PathError::MalformedExtensions => (
            "a certificate or one of its extensions is not encoded as DER and RFC 5280 require",
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
                "{link} has name constraints on {}, which rustls does not evaluate: it refuses the chain whatever the names",
                Vec::from_iter(kinds).join(" and ")
            ),
            "have that CA constrain only DNS names and addresses, or ask for no name of the constrained kind; OpenSSL and Go do evaluate such constraints and may accept the chain",
        ),
        None => (
            "a certificate above it does not permit its names (name constraints)".to_owned(),
            "ask for names that the issuing certificate permits",
        ),
    }
}

/// Whether a certificate is known whose subject reads like this issuer (RFC 5280 section 7.1), and so has
/// other octets.
pub(super) fn is_written_otherwise(case: &Case<'_>, issuer: &str) -> bool {
    let letters = |name: &str| name.to_lowercase().replace(' ', "");
    let wanted = letters(issuer);
    let anchors = case.evidence.anchors.map(Anchors::certificates);
    let delivered = case.evidence.bundle.unwrap_or_default();
    anchors
        .into_iter()
        .flatten()
        .chain(delivered)
        .chain(&case.chain.roots)
        .any(|known| known.facts().is_ca && letters(&known.facts().subject) == wanted)
}

/// Extensions that rustls does not support and that are met as critical.
const EXTENSIONS: &[(&str, &str)] = &[
    ("2.5.29.32", "certificate policies"),
    ("2.5.29.33", "policy mappings"),
    ("2.5.29.36", "policy constraints"),
    ("2.5.29.54", "inhibit anyPolicy"),
    (
        "1.3.6.1.4.1.11129.2.4.3",
        "the poison of a precertificate, which is not the certificate itself",
    ),
];

fn unsupported_extension(case: &Case<'_>) -> (String, &'static str) {
    let found = case.links().find_map(|link| {
        let unsupported = link.certificate().critical_extensions();
        let oid = unsupported
            .into_iter()
            .find(|oid| !path::SUPPORTED_EXTENSIONS.contains(&oid.as_str()))?;
        Some((link, oid))
    });
    let reason = found.map_or_else(
        || "a certificate has a critical extension that rustls does not support".to_owned(),
        |(link, oid)| {
            let known = EXTENSIONS.iter().find(|(known, _)| *known == oid);
            let name = known.map_or_else(String::new, |(_, name)| format!(" ({name})"));
            format!("{link} has the critical extension {oid}{name}, which rustls does not support")
        },
    );
    (
        reason,
        "have the extension removed or marked as not critical",
    )
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
        || "a certificate is signed with an algorithm that rustls does not support".to_owned(),
        |link| {
            let how = &link.certificate().facts().signature;
            format!("{link} is signed with {how}, {what}")
        },
    );
    (
        reason,
        "have the CA sign with ECDSA, Ed25519, RSA or RSA-PSS, over SHA-256, SHA-384 or SHA-512 (RSA-PSS with a salt as long as the digest)",
    )
}
