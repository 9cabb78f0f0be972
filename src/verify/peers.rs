//! A path that holds, and that widespread peers refuse all the same.

use super::{Case, Link, trust};
use crate::finding::Finding;
use crate::pki::{Anchors, Certificate, host_name};

pub(super) fn refused(case: &Case<'_>) -> Option<Finding> {
    longer_than_anchor_permits(case)
        .or_else(|| issuer_not_identified(case))
        .or_else(|| common_name_not_permitted(case))
}

/// Path validation does not ask an anchor how long a chain may be (RFC 5280 section 6.1.1); OpenSSL and
/// Go do.
fn longer_than_anchor_permits(case: &Case<'_>) -> Option<Finding> {
    let anchor = case.anchor()?;
    let permitted = anchor.facts().path_length?;
    let intermediates = &case.chain.intermediates;
    let counted = intermediates.iter().filter(|link| !link.is_self_issued());
    let count = counted.count();
    (count > permitted as usize).then(|| {
        Finding::error(
            trust::UNTRUSTED.code,
            format!(
                "OpenSSL and Go refuse the certificate \"{}\": the anchor \"{}\" permits {permitted} intermediates below it (path length), and the chain has {count}",
                case.leaf().title(),
                anchor.title()
            ),
        )
        .fact("reason", "PathLenConstraintViolated")
        .fact("anchors", trust::anchor_names(case))
        .hint("have the certificate issued by a CA nearer to the root, or have the root renewed with a greater path length")
    })
}

/// To path validation the authority key identifier is a hint; OpenSSL takes no certificate for an issuer
/// that contradicts it.
fn issuer_not_identified(case: &Case<'_>) -> Option<Finding> {
    case.anchor()?;
    let links: Vec<Link<'_>> = case.links_to_anchor().collect();
    let pairs = links.iter().zip(links.iter().skip(1));
    let (link, issuer) = pairs
        .map(|(link, issuer)| (*link, *issuer))
        .find(|(link, issuer)| {
            no_twin_is_identified(case, link.certificate(), issuer.certificate())
        })?;
    Some(
        Finding::error(
            trust::UNTRUSTED.code,
            format!("OpenSSL refuses {link}: its authority key identifier contradicts {issuer}, which signed it"),
        )
        .fact("reason", "AuthorityKeyIdentifierMismatch")
        .fact("subject", link.certificate().facts().subject.as_str())
        .fact("anchors", trust::anchor_names(case))
        .hint("give the issuer's certificate that has this key identifier, or serial number: a CA certificate that was made anew for the same key may have another one; otherwise have the certificate reissued. rustls and Go do not look at it"),
    )
}

/// Path validation holds only alternative names against constraints; OpenSSL takes the common name for one
/// where it looks like the name of a host.
fn common_name_not_permitted(case: &Case<'_>) -> Option<Finding> {
    case.anchor()?;
    let names = host_name::in_common_names(case.leaf());
    let (name, issuer) = names.iter().find_map(|name| {
        let mut issuers = case.links_to_anchor().skip(1);
        let issuer = issuers.find(|link| host_name::is_forbidden_by(link.certificate(), name))?;
        Some((name, issuer))
    })?;
    Some(
        Finding::error(
            trust::UNTRUSTED.code,
            format!(
                "OpenSSL refuses the certificate \"{}\": its common name looks like a host name, and {issuer} does not permit {name} (name constraints)",
                case.leaf().title()
            ),
        )
        .fact("reason", "NameConstraintViolation")
        .fact("common_name", name.as_str())
        .fact("anchors", trust::anchor_names(case))
        .hint("ask for a DNS name that is permitted (dns), besides which OpenSSL ignores the common name; or for a common name that is permitted or has no dot"),
    )
}

/// A CA may have several certificates for one name and key, of which a peer takes any.
fn no_twin_is_identified(case: &Case<'_>, link: &Certificate, issuer: &Certificate) -> bool {
    let anchors = case.evidence.anchors.map_or(&[][..], Anchors::certificates);
    let delivered = case.evidence.bundle.unwrap_or_default();
    let twins = anchors.iter().chain(delivered).filter(|other| {
        let (other, issuer) = (other.facts(), issuer.facts());
        other.subject_der == issuer.subject_der && other.spki == issuer.spki
    });
    std::iter::once(issuer)
        .chain(twins)
        .all(|twin| link.identifies_another_issuer(twin))
}
