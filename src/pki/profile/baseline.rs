//! The CA/Browser Forum's Baseline Requirements for servers' certificates, as far as no TLS peer enforces
//! them: linters of public authorities do (zlint, pkilint).

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::public_key::PublicKey;

use super::super::name::address;
use super::{Part, Rule, Subject};

/// Where the rule of the common name stands, the one whose breach users notice.
pub const OF_COMMON_NAME: &str = "CA/Browser Forum BR section 7.1.4.3";

/// What linters of public CAs refuse.
pub const BASELINE: &[Rule] = &[
    (
        "has a common name that looks like a host name or an address but is not, letter for letter, among its alternative names",
        OF_COMMON_NAME,
        stray_common_name,
    ),
    (
        "names its issuer's certificate in the authority key identifier, not the key alone",
        "CA/Browser Forum BR sections 7.1.2.1.3 and 7.1.2.11.1",
        wordy_authority_key_identifier,
    ),
    (
        "is a root and has an extended key usage",
        "CA/Browser Forum BR section 7.1.2.1.2",
        root_with_usages,
    ),
    (
        "has an extended key usage marked as critical",
        "CA/Browser Forum BR section 7.1.2.7.6",
        critical_usages,
    ),
    (
        "has a subject and alternative names marked as critical",
        "CA/Browser Forum BR section 7.1.2.7.12",
        critical_alternative_names,
    ),
    (
        "has anyExtendedKeyUsage among its extended key usages",
        "CA/Browser Forum BR section 7.1.2.7.10",
        any_usage,
    ),
    (
        "has an RSA key whose length is not a multiple of 8 bits",
        "CA/Browser Forum BR section 6.1.5",
        odd_rsa_key,
    ),
];

fn stray_common_name(subject: &Subject<'_>) -> bool {
    let common_names = subject.certificate.subject().iter_common_name();
    subject.part == Part::Leaf
        && common_names
            .filter_map(|name| name.as_str().ok())
            .any(|name| is_host_or_address(name) && !is_among_names(subject, name))
}

/// As somebody means it who writes it there, spelt right or not. `app-server` is neither: private
/// authorities name machines and services so.
fn is_host_or_address(name: &str) -> bool {
    let is_hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '*'))
    };
    let host = name.contains('.') && name.trim_end_matches('.').split('.').all(is_label);
    let ipv6 = name.matches(':').count() >= 2 && name.split(':').all(is_hexadecimal);
    // inet_aton(3) takes it for an IPv4 address.
    let hexadecimal = name
        .strip_prefix("0x")
        .or_else(|| name.strip_prefix("0X"))
        .is_some_and(|digits| digits.len() == 8 && is_hexadecimal(digits));
    host || ipv6 || hexadecimal
}

/// An address is written as RFC 5952 does it, which is how Rust does.
fn is_among_names(subject: &Subject<'_>, name: &str) -> bool {
    subject.names().any(|among| match among {
        GeneralName::DNSName(dns) => *dns == name,
        GeneralName::IPAddress(octets) => {
            address(octets).is_some_and(|address| address.to_string() == name)
        }
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => *text == name,
        _ => false,
    })
}

fn wordy_authority_key_identifier(subject: &Subject<'_>) -> bool {
    subject.authority_key_identifier().is_some_and(|key| {
        key.authority_cert_issuer.is_some() || key.authority_cert_serial.is_some()
    })
}

/// An anchor that another authority signed is an intermediate, which may say what it is for.
fn root_with_usages(subject: &Subject<'_>) -> bool {
    subject.part == Part::Anchor
        && subject.is_self_issued()
        && subject.any(|_, parsed| matches!(parsed, ParsedExtension::ExtendedKeyUsage(_)))
}

fn critical_usages(subject: &Subject<'_>) -> bool {
    subject.part == Part::Leaf
        && subject.any(|extension, parsed| {
            extension.critical && matches!(parsed, ParsedExtension::ExtendedKeyUsage(_))
        })
}

fn critical_alternative_names(subject: &Subject<'_>) -> bool {
    subject.part == Part::Leaf
        && subject.certificate.subject().iter().next().is_some()
        && subject.any(|extension, parsed| {
            extension.critical && matches!(parsed, ParsedExtension::SubjectAlternativeName(_))
        })
}

fn any_usage(subject: &Subject<'_>) -> bool {
    subject.part == Part::Leaf
        && subject.any(
            |_, parsed| matches!(parsed, ParsedExtension::ExtendedKeyUsage(usage) if usage.any),
        )
}

fn odd_rsa_key(subject: &Subject<'_>) -> bool {
    match subject.certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let first = rsa.modulus.iter().find(|octet| **octet != 0);
            first.is_some_and(|octet| *octet < 0x80)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_host_or_address;

    #[test]
    fn what_looks_like_a_host_name_or_an_address_is_told_from_what_does_not() {
        for name in [
            "app.internal",
            "*.example.com",
            "test-測試.com",
            "192.168.001.001",
            "0xC0A80101",
            "2001:DB8::1",
            "fe80::1",
        ] {
            assert!(is_host_or_address(name), "{name}");
        }
        for name in [
            "app-server",
            "Lab Root CA v1.2",
            "spiffe://lab/app",
            "ops@example.com",
            "web:blue:1x",
            "0xC0A8",
            "...",
            "",
        ] {
            assert!(!is_host_or_address(name), "{name}");
        }
    }
}
