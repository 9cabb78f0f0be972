//! Are keys and signatures strong enough to be accepted by today's peers.

use super::case::always;
use super::{Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::Certificate;

/// Every key is RSA of 2048 bits and more, ECDSA on a NIST curve, or Ed25519.
pub(super) const WEAK_KEY: Check = Check {
    code: Code::new("weak-key"),
    outcome: Outcome::Flawed,
    not_made: always,
    run: weak_key,
};

/// No certificate below the root is signed with SHA-1 or MD5.
pub(super) const WEAK_SIGNATURE: Check = Check {
    code: Code::new("weak-signature"),
    outcome: Outcome::Flawed,
    not_made: always,
    run: weak_signature,
};

pub(super) fn key_is_weak(certificate: &Certificate) -> bool {
    !certificate.facts().key.is_accepted()
}

/// A root's own signature proves nothing and is not looked at by anybody.
pub(super) fn signature_is_weak(certificate: &Certificate) -> bool {
    certificate.facts().signature_is_broken && !certificate.is_self_issued()
}

/// A path does not lead over a weak key, so the anchor that ends it may be one that was not reached.
fn weak_key(case: &Case<'_>) -> Vec<Finding> {
    case.links_to_anchor()
        .chain(case.anchors_not_reached())
        .filter(|link| key_is_weak(link.certificate()))
        .map(|link| {
            let facts = link.certificate().facts();
            Finding::error(
                WEAK_KEY.code,
                format!("{link} has a weak or unusual key: {}", facts.key),
            )
            .fact("subject", facts.subject.as_str())
            .fact("key", facts.key.to_string())
            .hint("use RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519: TLS peers refuse other keys")
        })
        .collect()
}

fn weak_signature(case: &Case<'_>) -> Vec<Finding> {
    case.links()
        .filter(|link| signature_is_weak(link.certificate()))
        .map(|link| {
            let facts = link.certificate().facts();
            Finding::error(
                WEAK_SIGNATURE.code,
                format!(
                    "{link} is signed with {}, which no longer resists forgery",
                    facts.signature
                ),
            )
            .fact("subject", facts.subject.as_str())
            .fact("signature", facts.signature.as_str())
            .fact("issuer", facts.issuer.as_str())
            .hint("have the CA sign with SHA-256 or better, then reissue: TLS peers refuse such a chain")
        })
        .collect()
}
