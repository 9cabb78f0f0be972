//! Common names that OpenSSL takes for names of hosts, and holds against constraints on DNS names (RFC
//! 5280 section 4.2.1.10), in `NAME_CONSTRAINTS_check_CN`. rustls, Go and Java do not.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::certificate::Certificate;
use super::name::AltName;

/// The common names that look like names of hosts, unless a DNS name stands among the alternative names:
/// then OpenSSL leaves them alone.
pub fn in_common_names(leaf: &Certificate) -> Vec<String> {
    let mut names = leaf.facts().names.iter();
    if names.any(|name| matches!(name, AltName::Dns(_))) {
        return Vec::new();
    }
    let attributes = leaf.subject_attributes().into_iter();
    attributes
        .filter(|(kind, value)| kind == "CN" && is_host_name(value))
        .map(|(_, value)| value)
        .collect()
}

/// At least two labels, which neither begin nor end with a hyphen next to a dot. Addresses look so too;
/// wildcards, and names that end with a dot, do not.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let written = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty()
            && label.bytes().all(written)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.contains('.') && name.split('.').all(is_label)
}

/// Whether the name constraints of `issuer` do not let a host have this name.
pub fn is_forbidden_by(issuer: &Certificate, name: &str) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(issuer.der()) else {
        return false;
    };
    parsed.iter_extensions().any(|extension| {
        let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
            return false;
        };
        let mut permitted = bases(&constraints.permitted_subtrees).peekable();
        let mut excluded = bases(&constraints.excluded_subtrees);
        let below = |base: &str| is_below(name, base);
        (permitted.peek().is_some() && !permitted.any(below)) || excluded.any(below)
    })
}

fn bases<'a>(trees: &'a Option<Vec<GeneralSubtree<'a>>>) -> impl Iterator<Item = &'a str> {
    let trees = trees.iter().flatten();
    trees.filter_map(|tree| match tree.base {
        GeneralName::DNSName(dns) => Some(dns),
        _ => None,
    })
}

/// OpenSSL allows a base that begins with a dot, which then is no name itself.
fn is_below(name: &str, base: &str) -> bool {
    let (name, base) = (name.as_bytes(), base.as_bytes());
    let Some(at) = name.len().checked_sub(base.len()) else {
        return false;
    };
    let (labels, end) = name.split_at(at);
    let whole = labels.last().is_none_or(|last| *last == b'.');
    end.eq_ignore_ascii_case(base) && (whole || matches!(base, [] | [b'.', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSL 3.0 answers.
    #[test]
    fn what_openssl_takes_for_the_name_of_a_host() {
        for name in ["app.internal", "app_x.inter-nal", "10.0.0.1", "a.b"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in [
            "app",
            "*.internal",
            "app.internal.",
            ".internal",
            "a..b",
            "app-.internal",
            "app.-internal",
            "grün.internal",
            "app server v1.2",
            "spiffe://lab/app.x",
            "",
        ] {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_below_its_own_end_at_a_dot() {
        for (name, base) in [
            ("app.example.com", "example.com"),
            ("APP.Example.com", "eXample.com"),
            ("example.com", "example.com"),
            ("app.example.com", ".example.com"),
            ("app.example.com", ""),
        ] {
            assert!(is_below(name, base), "{name} {base}");
        }
        for (name, base) in [
            ("badexample.com", "example.com"),
            ("example.com", ".example.com"),
            ("example.com", "app.example.com"),
            ("app.internal", "."),
        ] {
            assert!(!is_below(name, base), "{name} {base}");
        }
    }
}
