//! The Internet profile of X.509 (RFC 5280), as far as strict peers enforce it and path validation
//! does not: Python 3.13 and later, `openssl verify -x509_strict`, Java's PKIX.

use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::common::is_about_keys;
use super::{Part, Rule, Subject};

/// What strict peers enforce.
pub const INTERNET: &[Rule] = &[
    (
        "has a serial number that is zero, negative, or longer than 20 octets",
        "RFC 5280 section 4.1.2.2",
        bad_serial,
    ),
    (
        "is a CA certificate and has an empty subject",
        "RFC 5280 section 4.1.2.6",
        nameless_ca,
    ),
    (
        "has no authority key identifier",
        "RFC 5280 section 4.2.1.1",
        no_authority_key_identifier,
    ),
    (
        "has an authority key identifier marked as critical",
        "RFC 5280 section 4.2.1.1",
        critical_authority_key_identifier,
    ),
    (
        "is self-signed, but its authority key identifier is not its own key's",
        "RFC 5280 section 4.2.1.1",
        foreign_key_identifier,
    ),
    (
        "is a CA certificate and has no subject key identifier",
        "RFC 5280 section 4.2.1.2",
        no_subject_key_identifier,
    ),
    (
        "has a subject key identifier marked as critical",
        "RFC 5280 section 4.2.1.2",
        critical_subject_key_identifier,
    ),
    (
        "has a key usage that allows signing certificates, but is not a CA certificate",
        "RFC 5280 section 4.2.1.9",
        signing_leaf,
    ),
    (
        "is a CA certificate and has no key usage",
        "RFC 5280 section 4.2.1.3",
        ca_without_key_usage,
    ),
    (
        "is not a CA certificate but has a path length",
        "RFC 5280 section 4.2.1.9",
        leaf_with_path_length,
    ),
    (
        "has no basic constraints, or does not mark them as critical",
        "RFC 5280 section 4.2.1.9",
        lax_basic_constraints,
    ),
    (
        "has neither a subject nor subject alternative names",
        "RFC 5280 section 4.1.2.6",
        nameless_leaf,
    ),
    (
        "has an empty subject alternative name extension",
        "RFC 5280 section 4.2.1.6",
        empty_alternative_names,
    ),
    (
        "has an empty subject and subject alternative names not marked as critical",
        "RFC 5280 section 4.2.1.6",
        lax_alternative_names,
    ),
    (
        "has a DNS name with characters that host names cannot contain",
        "RFC 5280 section 4.2.1.6",
        odd_dns_name,
    ),
    (
        "has an alternative name that is not ASCII, or an address of an odd length, and that Go refuses",
        "RFC 5280 section 4.2.1.6",
        odd_alternative_name,
    ),
    (
        "has a name marked as PrintableString with characters that it cannot hold, which Go refuses",
        "X.680 section 41.4",
        odd_printable_name,
    ),
    (
        "is not a CA certificate but has name constraints",
        "RFC 5280 section 4.2.1.10",
        constrained_leaf,
    ),
    (
        "has empty name constraints",
        "RFC 5280 section 4.2.1.10",
        empty_name_constraints,
    ),
    (
        "has a name constraint that begins with a dot",
        "RFC 5280 section 4.2.1.10",
        dotted_name_constraint,
    ),
    (
        "has policy constraints not marked as critical",
        "RFC 5280 section 4.2.1.11",
        lax_policy_constraints,
    ),
    (
        "has an unknown critical extension",
        "RFC 5280 section 4.2",
        unknown_critical_extension,
    ),
    (
        "has an extension that cannot be read",
        "RFC 5280 section 4.2",
        broken_extension,
    ),
];

fn bad_serial(subject: &Subject<'_>) -> bool {
    // Nobody looks at an anchor's serial number, and well-known roots have zero.
    let serial = subject.certificate.raw_serial();
    let negative = serial.first().is_some_and(|octet| *octet >= 0x80);
    let zero = serial.iter().all(|octet| *octet == 0);
    subject.part != Part::Anchor && (serial.len() > 20 || negative || zero)
}

fn nameless_ca(subject: &Subject<'_>) -> bool {
    subject.is_authority() && subject.certificate.subject().iter().next().is_none()
}

fn no_authority_key_identifier(subject: &Subject<'_>) -> bool {
    let stated = subject.authority_key_identifier().is_some();
    // A root may leave it out, but not leave it empty.
    let excused = (subject.is_self_issued() || subject.part == Part::Anchor) && !stated;
    !excused && subject.authority_key().is_none()
}

fn critical_authority_key_identifier(subject: &Subject<'_>) -> bool {
    subject.any(|extension, parsed| {
        extension.critical && matches!(parsed, ParsedExtension::AuthorityKeyIdentifier(_))
    })
}

fn foreign_key_identifier(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.is_self_issued()
        && subject
            .authority_key()
            .is_some_and(|key| Some(key) != subject.subject_key())
}

fn no_subject_key_identifier(subject: &Subject<'_>) -> bool {
    subject.is_authority() && subject.subject_key().is_none()
}

fn critical_subject_key_identifier(subject: &Subject<'_>) -> bool {
    subject.any(|extension, parsed| {
        extension.critical && matches!(parsed, ParsedExtension::SubjectKeyIdentifier(_))
    })
}

fn signing_leaf(subject: &Subject<'_>) -> bool {
    !subject.certificate.is_ca()
        && subject.any(
            |_, parsed| matches!(parsed, ParsedExtension::KeyUsage(usage) if usage.key_cert_sign()),
        )
}

fn ca_without_key_usage(subject: &Subject<'_>) -> bool {
    subject.is_authority()
        && !subject.any(|_, parsed| matches!(parsed, ParsedExtension::KeyUsage(_)))
}

fn leaf_with_path_length(subject: &Subject<'_>) -> bool {
    !subject.certificate.is_ca()
        && subject.any(|_, parsed| {
            matches!(parsed, ParsedExtension::BasicConstraints(constraints)
                if constraints.path_len_constraint.is_some())
        })
}

fn nameless_leaf(subject: &Subject<'_>) -> bool {
    !subject.is_authority()
        && subject.certificate.subject().iter().next().is_none()
        && !subject.any(|_, parsed| matches!(parsed, ParsedExtension::SubjectAlternativeName(_)))
}

fn empty_alternative_names(subject: &Subject<'_>) -> bool {
    subject.any(|_, parsed| {
        matches!(parsed, ParsedExtension::SubjectAlternativeName(names)
            if names.general_names.is_empty())
    })
}

fn lax_basic_constraints(subject: &Subject<'_>) -> bool {
    subject.is_authority() && !subject.any(|extension, parsed| {
        extension.critical
            && matches!(parsed, ParsedExtension::BasicConstraints(constraints) if constraints.ca)
    })
}

fn lax_alternative_names(subject: &Subject<'_>) -> bool {
    subject.certificate.subject().iter().next().is_none()
        && subject.any(|extension, parsed| {
            !extension.critical && matches!(parsed, ParsedExtension::SubjectAlternativeName(_))
        })
}

fn odd_dns_name(subject: &Subject<'_>) -> bool {
    let is_odd = |name: &GeneralName<'_>| {
        matches!(name, GeneralName::DNSName(dns)
            if !dns.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'*')))
    };
    subject.names().any(is_odd)
}

fn odd_alternative_name(subject: &Subject<'_>) -> bool {
    subject.names().any(|name| match name {
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => !text.is_ascii(),
        GeneralName::IPAddress(octets) => !matches!(octets.len(), 4 | 16),
        GeneralName::Invalid(..) => true,
        _ => false,
    })
}

/// `*` and `&` are let pass by Go too.
fn odd_printable_name(subject: &Subject<'_>) -> bool {
    let may_stand = |octet: &u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(octet);
    let names = [subject.certificate.subject(), subject.certificate.issuer()];
    let mut attributes = names.iter().flat_map(|name| name.iter_attributes());
    attributes.any(|attribute| {
        let value = attribute.attr_value();
        value.tag() == Tag::PrintableString && !value.data.iter().all(may_stand)
    })
}

fn constrained_leaf(subject: &Subject<'_>) -> bool {
    !subject.certificate.is_ca() && subject.name_constraints().is_some()
}

fn empty_name_constraints(subject: &Subject<'_>) -> bool {
    subject.name_constraints().is_some_and(|constraints| {
        let is_empty = |trees: &Option<Vec<_>>| trees.as_ref().is_none_or(Vec::is_empty);
        is_empty(&constraints.permitted_subtrees) && is_empty(&constraints.excluded_subtrees)
    })
}

fn dotted_name_constraint(subject: &Subject<'_>) -> bool {
    subject.name_constraints().is_some_and(|constraints| {
        [
            &constraints.permitted_subtrees,
            &constraints.excluded_subtrees,
        ]
        .into_iter()
        .flatten()
        .flatten()
        .any(|tree| matches!(tree.base, GeneralName::DNSName(dns) if dns.starts_with('.')))
    })
}

fn lax_policy_constraints(subject: &Subject<'_>) -> bool {
    subject.any(|extension, parsed| {
        !extension.critical && matches!(parsed, ParsedExtension::PolicyConstraints(_))
    })
}

fn unknown_critical_extension(subject: &Subject<'_>) -> bool {
    subject.part != Part::Anchor
        && subject.any(|extension, parsed| extension.critical && parsed.unsupported())
}

fn broken_extension(subject: &Subject<'_>) -> bool {
    subject.any(|extension, parsed| parsed.error().is_some() && !is_about_keys(extension))
}
