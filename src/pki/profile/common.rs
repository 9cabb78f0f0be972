//! What OpenSSL and Go demand without being told to be strict, and path validation here does not: to it
//! an anchor is a name and a key, key usage is nobody's business, and serial numbers and names are octets.

use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::ParsedExtension;
use x509_parser::x509::X509Version;

use super::{Part, Rule, Subject};

/// What OpenSSL and Go refuse.
pub const COMMON: &[Rule] = &[
    (
        "has a serial number with more octets than DER allows",
        "X.690 section 8.3.2",
        padded_serial,
    ),
    (
        "has a name marked as UTF-8 that is not valid UTF-8",
        "RFC 5280 section 4.1.2.4",
        name_that_is_no_utf8,
    ),
    (
        "is a CA certificate whose key usage does not allow signing certificates",
        "RFC 5280 section 4.2.1.3",
        unsigning_ca,
    ),
    (
        "is not a CA certificate by its basic constraints",
        "RFC 5280 section 4.2.1.9",
        anchor_that_is_no_ca,
    ),
    (
        "has neither basic constraints nor a key usage that would make it a CA certificate",
        "RFC 5280 section 4.2.1.9",
        anchor_that_says_nothing,
    ),
    (
        "has an unknown critical extension",
        "RFC 5280 section 4.2",
        anchor_with_unknown_critical_extension,
    ),
];

fn padded_serial(subject: &Subject<'_>) -> bool {
    matches!(
        subject.certificate.raw_serial(),
        [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]
    )
}

fn name_that_is_no_utf8(subject: &Subject<'_>) -> bool {
    let names = [subject.certificate.subject(), subject.certificate.issuer()];
    let mut attributes = names.iter().flat_map(|name| name.iter_attributes());
    attributes.any(|attribute| {
        let value = attribute.attr_value();
        value.tag() == Tag::Utf8String && std::str::from_utf8(value.data).is_err()
    })
}

fn unsigning_ca(subject: &Subject<'_>) -> bool {
    subject.is_authority()
        && subject.any(|_, parsed| matches!(parsed, ParsedExtension::KeyUsage(usage) if !usage.key_cert_sign()))
}

/// Of an intermediate, path validation says so itself; here and below.
fn anchor_that_is_no_ca(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.any(|_, parsed| matches!(parsed, ParsedExtension::BasicConstraints(constraints) if !constraints.ca))
}

/// Go wants basic constraints; OpenSSL takes a key usage instead, and Netscape's certificate type. Of
/// version 1 no extensions are wanted.
fn anchor_that_says_nothing(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.certificate.version() == X509Version::V3
        && !subject.any(|_, parsed| {
            matches!(
                parsed,
                ParsedExtension::BasicConstraints(_)
                    | ParsedExtension::KeyUsage(_)
                    | ParsedExtension::NSCertType(_)
            )
        })
}

fn anchor_with_unknown_critical_extension(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.any(|extension, parsed| extension.critical && parsed.unsupported())
}
