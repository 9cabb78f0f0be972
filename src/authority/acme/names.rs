//! What of a request an ACME CA can certify: DNS names (RFC 8555 section 9.7.7) and IP addresses
//! (RFC 8738).

use instant_acme::Identifier;

use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::pki::{AltName, SigningRequest};

pub const NAMES: Code = Code::new("acme-names-unfit");

/// The identifiers of the order for this request.
///
/// # Errors
/// [`AuthorityError::Settings`] when it has none, or names that are no identifiers: the CA would
/// refuse the request after all its names were proven.
pub fn identifiers(request: &SigningRequest) -> Result<Vec<Identifier>, AuthorityError> {
    let mut identifiers = Vec::new();
    let mut others = Vec::new();
    for name in &request.names {
        match name {
            AltName::Dns(name) => identifiers.push(Identifier::Dns(name.clone())),
            AltName::Ip(address) => identifiers.push(Identifier::Ip(*address)),
            other => others.push(other.to_string()),
        }
    }
    if !others.is_empty() {
        let list = others.join(", ");
        return Err(unfit(
            format!("ACME certifies DNS names and IP addresses, not {list}"),
            "leave it out, or use another kind of CA for this identity",
        ));
    }
    if identifiers.is_empty() {
        let name = request.subject.common_name.as_deref().unwrap_or_default();
        let hint = match AltName::dns(name) {
            Ok(_) if name.contains('.') => format!("write dns = [\"{name}\"]"),
            _ => "give the identity a dns or ip name at which the CA can reach this machine"
                .to_owned(),
        };
        let words =
            "the identity has only a common name, and ACME proves only DNS names and IP addresses";
        return Err(unfit(words.to_owned(), &hint));
    }
    Ok(identifiers)
}

/// A common name that is none of the names: most CAs refuse the request for it.
pub fn stray_common_name(request: &SigningRequest) -> Option<Finding> {
    let common_name = request.subject.common_name.as_deref()?;
    let among = request.names.iter().any(|name| match name {
        AltName::Dns(name) => name.eq_ignore_ascii_case(common_name),
        AltName::Ip(address) => address.to_string() == common_name,
        _ => false,
    });
    (!among).then(|| {
        Finding::warning(
            NAMES,
            format!("the common name {common_name} is not among the DNS names and IP addresses"),
        )
        .hint("ACME CAs refuse or drop it: leave out common_name, or add it to the names")
    })
}

fn unfit(words: String, hint: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(Finding::error(NAMES, words).hint(hint)))
}
