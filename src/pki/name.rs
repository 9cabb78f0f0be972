//! Names: the subject's distinguished name and subject alternative names (RFC 5280 4.1.2.6, 4.2.1.6).

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{Oid, oid};

/// A subject alternative name.
///
/// Written as `dns:app.internal`, `ip:10.0.0.7`, `uri:spiffe://lab/app`, `email:ops@app.internal`;
/// `other` is a kind that certbake shows but does not ask for.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum AltName {
    Dns(String),
    Ip(IpAddr),
    Uri(String),
    Email(String),
    Other(String),
}

impl AltName {
    /// A DNS name as it may stand in a certificate; lower-cased, because names compare so.
    ///
    /// # Errors
    /// When it is not letters, digits, hyphens and dots (RFC 1034), or longer than 253 octets; a
    /// leading `*.` is allowed, non-ASCII names must be given in their `xn--` form.
    pub fn dns(text: &str) -> Result<Self, NameError> {
        let plain = text.strip_prefix("*.").unwrap_or(text);
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if text.len() > 253 || !plain.split('.').all(label_ok) || plain.parse::<IpAddr>().is_ok() {
            return Err(NameError::new("DNS name", text, instead_of_dns(text)));
        }
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }

    /// # Errors
    /// When it is not an IPv4 or IPv6 address.
    pub fn ip(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self::Ip).map_err(|_| {
            let advice = "give only an address, such as 10.0.0.7 or fe80::1: no prefix, port, zone or brackets";
            NameError::new("IP address", text, advice)
        })
    }

    /// A URI with a scheme, ASCII, without spaces; a `spiffe://` one must have a trust domain and no
    /// port, user, query or fragment (SPIFFE-ID section 2).
    ///
    /// # Errors
    /// When it is not such a URI.
    pub fn uri(text: &str) -> Result<Self, NameError> {
        let fail = || {
            let advice = "a scheme, a colon and the rest, in ASCII without spaces (others as %20): spiffe://lab/app";
            NameError::new("URI", text, advice)
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(fail)?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !scheme_ok || rest.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(fail());
        }
        if scheme == "spiffe" && !spiffe_ok(rest) {
            let advice = "write spiffe://TRUST-DOMAIN/PATH: the trust domain in lower case, without user and port; the path of letters, digits, dots, hyphens and underscores, without a final slash; one ID only";
            return Err(NameError::new("SPIFFE ID", text, advice));
        }
        Ok(Self::Uri(text.to_owned()))
    }

    /// # Errors
    /// When it is not `local@domain` in ASCII.
    pub fn email(text: &str) -> Result<Self, NameError> {
        match text.rsplit_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && local.is_ascii()
                    && !local.contains(['@', ' '])
                    && Self::dns(domain).is_ok() =>
            {
                Ok(Self::Email(text.to_owned()))
            }
            _ => Err(NameError::new(
                "email address",
                text,
                "local@domain in ASCII, without spaces, such as ops@app.internal",
            )),
        }
    }
}

/// What may have been meant by a text that is no DNS name.
fn instead_of_dns(text: &str) -> &'static str {
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        "give an address as an ip name, without brackets"
    } else if text.contains("://") {
        "give a URI as a uri name"
    } else if text.contains(':') {
        "give only a name, without a port"
    } else if !text.is_ascii() {
        "give it in its ASCII form (punycode): xn--bcher-kva.example for bücher.example"
    } else if text.len() > 1 && text.ends_with('.') {
        "leave out the final dot: names in certificates have none"
    } else if text.contains('*') {
        "an asterisk must be the whole first label: *.app.internal"
    } else if text.len() > 253 || text.split('.').any(|label| label.len() > 63) {
        "use at most 63 characters between dots, and 253 in all"
    } else {
        "use letters, digits, hyphens and underscores between single dots, no hyphen first or last"
    }
}

fn spiffe_ok(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("//") else {
        return false;
    };
    let (domain, path) = rest
        .split_once('/')
        .map_or((rest, None), |(domain, path)| (domain, Some(path)));
    let domain_ok = !domain.is_empty()
        && domain.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_')
        });
    let segment_ok = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    };
    domain_ok && path.is_none_or(|path| path.split('/').all(segment_ok))
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Other(what) => write!(f, "other:{what}"),
        }
    }
}

impl From<AltName> for String {
    fn from(name: AltName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for AltName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some(("dns", name)) => Self::dns(name),
            Some(("ip", address)) => Self::ip(address),
            Some(("uri", uri)) => Self::uri(uri),
            Some(("email", address)) => Self::email(address),
            Some(("other", what)) => Ok(Self::Other(what.to_owned())),
            _ => {
                let kind = "name (dns:, ip:, uri: or email:)";
                Err(NameError::new(
                    kind,
                    &text,
                    "put the kind first: dns:app.internal",
                ))
            }
        }
    }
}

/// A name that may not stand in a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{text}\" is not a valid {kind}")]
pub struct NameError {
    pub kind: &'static str,
    pub text: String,
    /// How to write it instead.
    pub advice: &'static str,
}

impl NameError {
    fn new(kind: &'static str, text: &str, advice: &'static str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            advice,
        }
    }
}

/// The subject that is asked for. At least a common name or an alternative name is given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    pub common_name: Option<String>,
    pub organization: Option<String>,
    pub organizational_unit: Option<String>,
    pub country: Option<String>,
    pub state: Option<String>,
    pub locality: Option<String>,
}

impl Subject {
    /// The attributes that are set, as short names and values, from country to common name.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.typed().map(|((_, name), value)| (*name, value))
    }

    /// Whether it can have an attribute of this short name.
    pub fn has(kind: &str) -> bool {
        ATTRIBUTES[..ASKED].iter().any(|(_, known)| *known == kind)
    }

    pub(super) fn typed(&self) -> impl Iterator<Item = (&'static Attribute, &str)> {
        let values: [_; ASKED] = [
            &self.country,
            &self.state,
            &self.locality,
            &self.organization,
            &self.organizational_unit,
            &self.common_name,
        ];
        let set = ATTRIBUTES.iter().zip(values);
        set.filter_map(|(attribute, value)| Some((attribute, value.as_deref()?)))
    }
}

/// A type of attribute, and its short name (RFC 4514 section 3).
pub(super) type Attribute = (Oid<'static>, &'static str);

/// Of a subject (RFC 5280 section 4.1.2.4 and appendix A.1, RFC 4519).
static ATTRIBUTES: [Attribute; 10] = [
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.3), "CN"),
    (oid!(2.5.4.5), "serialNumber"),
    (oid!(0.9.2342.19200300.100.1.1), "UID"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
    (oid!(1.2.840.113549.1.9.1), "emailAddress"),
];

/// How many of them, the first, can be asked for: those of [`Subject`], in its order.
const ASKED: usize = 6;

/// The short name of a type that can be asked for.
pub(super) fn asked_for(kind: &Oid<'_>) -> Option<&'static str> {
    among(&ATTRIBUTES[..ASKED], kind)
}

/// The short name of a type.
pub(super) fn short_name(kind: &Oid<'_>) -> Option<&'static str> {
    among(&ATTRIBUTES, kind)
}

fn among(known: &[Attribute], kind: &Oid<'_>) -> Option<&'static str> {
    known
        .iter()
        .find(|(known, _)| known == kind)
        .map(|(_, name)| *name)
}

/// Whether a type has this short name, in capitals or not.
pub fn is_attribute(name: &str) -> bool {
    let mut names = ATTRIBUTES.iter();
    names.any(|(_, known)| known.eq_ignore_ascii_case(name))
}

/// An address by its octets (RFC 5280 section 4.2.1.6).
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let ipv4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    ipv4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// `C=NL, O=Lab, CN=app-server`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self
            .attributes()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_are_written() {
        for text in [
            "dns:app.internal",
            "dns:*.app.internal",
            "ip:10.0.0.7",
            "ip:fe80::1",
            "uri:spiffe://lab/app/server",
            "email:ops@app.internal",
        ] {
            assert_eq!(
                AltName::try_from(text.to_owned()).unwrap().to_string(),
                text
            );
        }
    }

    #[test]
    fn what_is_no_dns_name_is_answered_with_how_to_write_it() {
        for (text, advice) in [
            ("app.internal.", "leave out the final dot"),
            ("bücher.example", "ASCII form"),
            ("10.0.0.7", "as an ip name"),
            ("[::1]", "as an ip name"),
            ("app.internal:8443", "without a port"),
            ("https://app.internal", "as a uri name"),
            ("a.*.internal", "the whole first label"),
            (
                &format!("{}.internal", "a".repeat(64)),
                "at most 63 characters",
            ),
            ("a..b", "between single dots"),
            ("", "between single dots"),
        ] {
            let error = AltName::dns(text).unwrap_err();
            assert!(error.advice.contains(advice), "{text}: {}", error.advice);
        }
    }

    #[test]
    fn names_that_no_certificate_may_carry_are_refused() {
        for text in [
            "dns:",
            "dns:a..b",
            "dns:-a",
            "dns:a b",
            "dns:10.0.0.7",
            "dns:bücher.example",
            "ip:10.0.0",
            "uri:nothing",
            "uri:a:b c",
            "uri:spiffe://",
            "uri:spiffe://Lab/x",
            "uri:spiffe://lab//x",
            "uri:spiffe://lab/../x",
            "email:ops",
            "email:@x",
            "plain",
        ] {
            assert!(AltName::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
