//! What OpenSSL and Go demand of issuers without being told to be strict, and path validation here does
//! not: to it an anchor is a name and a key, and key usage is nobody's business.

use x509_parser::extensions::ParsedExtension;

use super::{Part, Rule, Subject};

/// What OpenSSL and Go refuse.
pub const ISSUERS: &[Rule] = &[
    (
        "is a certificate authority's and may not sign certificates by its key usage",
        "RFC 5280 section 4.2.1.3",
        unsigning_ca,
    ),
    (
        "is not a certificate authority's by its basic constraints",
        "RFC 5280 section 4.2.1.9",
        anchor_that_is_no_ca,
    ),
    (
        "has a critical extension that is not known",
        "RFC 5280 section 4.2",
        anchor_with_unknown_critical_extension,
    ),
];

fn unsigning_ca(subject: &Subject<'_>) -> bool {
    subject.is_authority()
        && subject.any(|_, parsed| matches!(parsed, ParsedExtension::KeyUsage(usage) if !usage.key_cert_sign()))
}

/// Of an intermediate, path validation says so itself; here and below.
fn anchor_that_is_no_ca(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.any(|_, parsed| matches!(parsed, ParsedExtension::BasicConstraints(constraints) if !constraints.ca))
}

fn anchor_with_unknown_critical_extension(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.any(|extension, parsed| extension.critical && parsed.unsupported())
}
