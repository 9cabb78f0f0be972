//! What OpenSSL and Go demand without being told to be strict, and path validation here does not: to it
//! an anchor is a name and a key, key usage is nobody's business, and serial numbers and names are octets.

use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::x509::X509Version;

use super::{Part, Rule, Subject};

/// What OpenSSL and Go refuse.
pub const COMMON: &[Rule] = &[
    (
        "has a serial number with more octets than DER allows, or with none",
        "X.690 section 8.3.2",
        padded_serial,
    ),
    (
        "has a name marked as UTF-8 that is not valid UTF-8",
        "RFC 5280 section 4.1.2.4",
        name_that_is_no_utf8,
    ),
    (
        "has a name with a value that is no text",
        "RFC 5280 section 4.1.2.4",
        name_that_is_no_text,
    ),
    (
        "has a key usage or a key identifier that cannot be read",
        "RFC 5280 section 4.2.1",
        unreadable_key_extension,
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
        [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]
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

/// Numbers, dates and the like, and characters of two octets in an odd number of them.
fn name_that_is_no_text(subject: &Subject<'_>) -> bool {
    let names = [subject.certificate.subject(), subject.certificate.issuer()];
    let mut attributes = names.iter().flat_map(|name| name.iter_attributes());
    attributes.any(|attribute| {
        let value = attribute.attr_value();
        match value.tag() {
            Tag::Boolean
            | Tag::Integer
            | Tag::OctetString
            | Tag::Null
            | Tag::Oid
            | Tag::Enumerated
            | Tag::UtcTime
            | Tag::GeneralizedTime => true,
            Tag::BmpString => value.data.len() % 2 != 0,
            _ => false,
        }
    })
}

/// Path validation reads the other extensions itself, as far as it acts on them.
fn unreadable_key_extension(subject: &Subject<'_>) -> bool {
    subject.any(|extension, parsed| parsed.error().is_some() && is_about_keys(extension))
}

/// Subject key identifier, key usage, authority key identifier.
pub(super) fn is_about_keys(extension: &X509Extension<'_>) -> bool {
    let kinds = ["2.5.29.14", "2.5.29.15", "2.5.29.35"];
    kinds.contains(&extension.oid.to_id_string().as_str())
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

/// Go wants basic constraints; OpenSSL takes a key usage instead, and Netscape's certificate type where
/// that is of a CA for TLS. Of version 1 no extensions are wanted.
fn anchor_that_says_nothing(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.certificate.version() == X509Version::V3
        && !subject.any(|_, parsed| match parsed {
            ParsedExtension::BasicConstraints(_) | ParsedExtension::KeyUsage(_) => true,
            ParsedExtension::NSCertType(types) => types.ssl_ca(),
            _ => false,
        })
}

fn anchor_with_unknown_critical_extension(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.any(|extension, parsed| extension.critical && parsed.unsupported())
}
