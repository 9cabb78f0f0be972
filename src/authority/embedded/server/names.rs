//! Which names a user may ask for.
//!
//! A pattern is text in which `*` stands for any run of characters: `*.internal`, `spiffe://lab/*`.
//! Its form says which kind of name it is for; a kind before a colon says it outright: `cn:app-*`,
//! `o:Lab`, `dns:*.internal`. `*` alone is for every name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

use crate::pki::name;
use crate::pki::{AltName, ReceivedRequest};

/// The patterns of one user: each name and each attribute of the subject must match one of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct AllowedNames(Vec<NamePattern>);

/// One pattern.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct NamePattern {
    kind: Kind,
    /// Lower case where the kind compares so.
    glob: String,
    written: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Any,
    /// A DNS name, or a common name: what one host is called.
    Host,
    Dns,
    Ip,
    Uri,
    Email,
    /// An attribute of the subject, by its short name in lower case.
    Attribute(String),
}

impl AllowedNames {
    /// The first thing the request asks for that no pattern allows, in words.
    pub fn refused(&self, request: &ReceivedRequest) -> Option<String> {
        let attribute = request
            .attributes
            .iter()
            .find(|(kind, value)| !self.0.iter().any(|p| p.allows_attribute(kind, value)))
            .map(|(kind, value)| format!("{kind}={value}"));
        attribute.or_else(|| {
            request
                .names
                .iter()
                .find(|name| !self.0.iter().any(|pattern| pattern.allows(name)))
                .map(ToString::to_string)
        })
    }
}

impl From<Vec<NamePattern>> for AllowedNames {
    fn from(patterns: Vec<NamePattern>) -> Self {
        Self(patterns)
    }
}

/// `*.internal, spiffe://lab/*`
impl fmt::Display for AllowedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written: Vec<&str> = self.0.iter().map(|p| p.written.as_str()).collect();
        f.write_str(&written.join(", "))
    }
}

impl NamePattern {
    fn allows(&self, name: &AltName) -> bool {
        match (&self.kind, name) {
            (Kind::Any, _) => true,
            (Kind::Host | Kind::Dns, AltName::Dns(dns)) => matches(&self.glob, dns),
            (Kind::Ip, AltName::Ip(ip)) => matches(&self.glob, &ip.to_string()),
            (Kind::Uri, AltName::Uri(uri)) => matches(&self.glob, uri),
            (Kind::Email, AltName::Email(email)) => matches(&self.glob, email),
            _ => false,
        }
    }

    fn allows_attribute(&self, attribute: &str, value: &str) -> bool {
        match &self.kind {
            Kind::Any => true,
            Kind::Host => attribute == "CN" && matches(&self.glob, &value.to_lowercase()),
            Kind::Attribute(kind) => {
                attribute.eq_ignore_ascii_case(kind) && matches(&self.glob, value)
            }
            _ => false,
        }
    }
}

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, NamePatternError> {
        let (kind, glob) = split(text);
        if glob.is_empty() || glob.chars().any(char::is_whitespace) && !is_attribute(&kind) {
            return Err(NamePatternError {
                text: text.to_owned(),
            });
        }
        let glob = match kind {
            Kind::Host | Kind::Dns | Kind::Ip => glob.to_lowercase(),
            _ => glob.to_owned(),
        };
        Ok(Self {
            kind,
            glob,
            written: text.to_owned(),
        })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = NamePatternError;

    fn try_from(text: String) -> Result<Self, NamePatternError> {
        text.parse()
    }
}

const fn is_attribute(kind: &Kind) -> bool {
    matches!(kind, Kind::Attribute(_))
}

fn split(text: &str) -> (Kind, &str) {
    if let Some((word, glob)) = text.split_once(':') {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "dns" => return (Kind::Dns, glob),
            "ip" => return (Kind::Ip, glob),
            "uri" => return (Kind::Uri, glob),
            "email" => return (Kind::Email, glob),
            _ if name::is_attribute(&word) => return (Kind::Attribute(word), glob),
            _ => {}
        }
    }
    let kind = if text == "*" {
        Kind::Any
    } else if text.contains("://") {
        Kind::Uri
    } else if text.contains('@') {
        Kind::Email
    } else if text.parse::<IpAddr>().is_ok() || is_ipv4_glob(text) {
        Kind::Ip
    } else {
        Kind::Host
    };
    (kind, text)
}

/// `10.0.0.*`: of an address in part; no host name ends in a number.
fn is_ipv4_glob(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        && text.contains('.')
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | '*'))
}

/// Whether `text` is `glob`, whose `*` stand for any run of characters. Linear in both lengths but
/// for their product at worst, and neither is long.
fn matches(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// Text that is not a pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "\"{text}\" is not a pattern of names such as \"*.internal\", \"spiffe://lab/*\" or \"cn:app-*\""
)]
pub struct NamePatternError {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, name: &str) -> bool {
        let name = AltName::try_from(name.to_owned()).unwrap();
        pattern.parse::<NamePattern>().unwrap().allows(&name)
    }

    #[test]
    fn a_pattern_allows_its_own_kind_of_name_alone() {
        assert!(allows("*.internal", "dns:app.internal"));
        assert!(allows("*.internal", "dns:a.b.internal"));
        assert!(!allows("*.internal", "dns:internal"));
        assert!(!allows("*.internal", "dns:app.internal.example"));
        assert!(!allows("*.internal", "uri:https://evil/x.internal"));
        assert!(!allows("*.internal", "email:root@app.internal"));
        assert!(allows("spiffe://lab/*", "uri:spiffe://lab/app/1"));
        assert!(!allows("spiffe://lab/*", "uri:spiffe://lab2/app"));
        assert!(allows("ip:10.0.*", "ip:10.0.7.7"));
        assert!(allows("10.0.*", "ip:10.0.7.7"));
        assert!(!allows("10.0.*", "dns:10.0.evil.example"));
        assert!(allows("fe80::1", "ip:fe80::1"));
        assert!(allows("*@app.internal", "email:ops@app.internal"));
        assert!(allows("App.Internal", "dns:app.internal"));
        assert!(allows("*", "ip:10.0.0.1"));
    }

    #[test]
    fn an_attribute_of_the_subject_needs_a_pattern_of_its_own() {
        let allows = |pattern: &str, kind: &str, value: &str| {
            let pattern: NamePattern = pattern.parse().unwrap();
            pattern.allows_attribute(kind, value)
        };
        assert!(allows("app-*", "CN", "app-server"));
        assert!(!allows("app-*", "O", "app-server"));
        assert!(allows("cn:app-*", "CN", "app-server"));
        assert!(allows("o:Quick Lab", "O", "Quick Lab"));
        assert!(!allows("o:Lab", "O", "system:masters"));
        assert!(allows("emailAddress:*@lab", "emailAddress", "ops@lab"));
        assert!(!allows("*@lab", "emailAddress", "ops@lab"));
        assert!(!allows("spiffe://lab/*", "CN", "spiffe://lab/x"));
        assert!(allows("*", "O", "anything"));
    }

    #[test]
    fn stars_match_any_run_and_only_that() {
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("a*b*c", "abc"));
        assert!(!matches("a*b*c", "acb"));
        assert!(!matches("ab*ba", "aba"));
        assert!(matches("**", ""));
        assert!("".parse::<NamePattern>().is_err());
        assert!("dns:".parse::<NamePattern>().is_err());
        assert!("*.internal, *.lab".parse::<NamePattern>().is_err());
    }
}
