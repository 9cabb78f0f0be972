//! The rules that certificates should keep beyond what path validation demands, in three families:
//! [`COMMON`], which OpenSSL and Go enforce, [`INTERNET`], which strict TLS peers do, and [`BASELINE`],
//! which only linters of public authorities do.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{
    AuthorityKeyIdentifier, GeneralName, NameConstraints, ParsedExtension, X509Extension,
};
use x509_parser::prelude::FromDer;

use super::certificate::Certificate;

mod baseline;
mod common;
mod internet;

pub use baseline::{BASELINE, OF_COMMON_NAME};
pub use common::COMMON;
pub use internet::INTERNET;

/// The part that a certificate plays in a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    Leaf,
    Intermediate,
    Anchor,
}

/// A rule that a certificate breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Breach {
    /// What is wrong, after "it": `has no authority key identifier`.
    pub what: &'static str,
    /// Where the rule stands.
    pub rule: &'static str,
}

/// A rule by what breaks it, where it stands, and whether it is broken.
pub type Rule = (&'static str, &'static str, fn(&Subject<'_>) -> bool);

/// What a rule looks at.
pub struct Subject<'a> {
    part: Part,
    certificate: &'a X509Certificate<'a>,
}

/// Which rules of each family a certificate breaks in this part; none when it cannot be read.
pub fn breaches<const N: usize>(
    families: [&[Rule]; N],
    certificate: &Certificate,
    part: Part,
) -> [Vec<Breach>; N] {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else {
        return families.map(|_| Vec::new());
    };
    let subject = Subject {
        part,
        certificate: &parsed,
    };
    families.map(|rules| {
        rules
            .iter()
            .filter(|(_, _, is_broken)| is_broken(&subject))
            .map(|&(what, rule, _)| Breach { what, rule })
            .collect()
    })
}

impl<'a> Subject<'a> {
    fn extensions(&self) -> impl Iterator<Item = (&'a X509Extension<'a>, &'a ParsedExtension<'a>)> {
        self.certificate
            .extensions()
            .iter()
            .map(|extension| (extension, extension.parsed_extension()))
    }

    /// Whether there is an extension of which this holds.
    fn any(&self, holds: impl Fn(&X509Extension<'_>, &ParsedExtension<'_>) -> bool) -> bool {
        self.extensions()
            .any(|(extension, parsed)| holds(extension, parsed))
    }

    fn is_authority(&self) -> bool {
        self.part != Part::Leaf
    }

    fn is_self_issued(&self) -> bool {
        self.certificate.subject().as_raw() == self.certificate.issuer().as_raw()
    }

    fn authority_key_identifier(&self) -> Option<&'a AuthorityKeyIdentifier<'a>> {
        self.extensions().find_map(|(_, parsed)| match parsed {
            ParsedExtension::AuthorityKeyIdentifier(identifier) => Some(identifier),
            _ => None,
        })
    }

    /// The key identifier of the issuer's key, as the certificate gives it.
    fn authority_key(&self) -> Option<&'a [u8]> {
        let identifier = self.authority_key_identifier()?;
        identifier.key_identifier.as_ref().map(|key| key.0)
    }

    /// The subject alternative names.
    fn names(&self) -> impl Iterator<Item = &'a GeneralName<'a>> {
        self.extensions()
            .filter_map(|(_, parsed)| match parsed {
                ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
                _ => None,
            })
            .flatten()
    }

    fn subject_key(&self) -> Option<&'a [u8]> {
        self.extensions().find_map(|(_, parsed)| match parsed {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
    }

    fn name_constraints(&self) -> Option<&'a NameConstraints<'a>> {
        self.extensions().find_map(|(_, parsed)| match parsed {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        })
    }
}
