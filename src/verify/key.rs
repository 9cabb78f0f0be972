//! Is the certificate for our key.

use super::{Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::digest;

/// The certificate is for the private key beside it.
pub(super) const MISMATCH: Check = Check {
    code: Code::new("key-mismatch"),
    outcome: Outcome::Flawed,
    not_made: |case| {
        case.evidence
            .key
            .is_none()
            .then_some("no private key was given")
    },
    run: mismatch,
};

fn mismatch(case: &Case<'_>) -> Vec<Finding> {
    let Some(ours) = case.evidence.key else {
        return Vec::new();
    };
    let leaf = case.leaf();
    if leaf.facts().spki == ours {
        return Vec::new();
    }
    vec![
        Finding::error(
            MISMATCH.code,
            format!(
                "the certificate \"{}\" does not belong to the private key beside it",
                leaf.title()
            ),
        )
        .fact("certificate_spki_pin", leaf.spki_pin())
        .fact("key_spki_pin", digest::spki_pin(ours))
        .hint("install the key that the certificate was issued for, or have a certificate issued for this key: the two come from different runs"),
    ]
}
