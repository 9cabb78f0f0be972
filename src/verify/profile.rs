//! Would strict peers take the chain too.

use super::{Case, Check, Link};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::profile::{self, Part};

pub(super) const NOT_CONFORMING: Check = Check {
    code: Code::new("not-conforming"),
    summary: "every certificate keeps the rules of RFC 5280 that strict peers enforce",
    outcome: Outcome::Flawed,
    run: not_conforming,
};

/// Only for chains that are led to anchors: this is about what a peer would say.
fn not_conforming(case: &Case<'_>) -> Vec<Finding> {
    if case.trust.is_none() {
        return Vec::new();
    }
    case.links_to_anchor()
        .filter_map(|link| judge(case, link))
        .collect()
}

fn judge(case: &Case<'_>, link: Link<'_>) -> Option<Finding> {
    let part = match link {
        Link::Leaf(_) => Part::Leaf,
        Link::Intermediate(_) => Part::Intermediate,
        Link::Anchor(_) => Part::Anchor,
    };
    let breaches = profile::breaches(link.certificate(), part);
    let what: Vec<_> = breaches.iter().map(|breach| breach.what).collect();
    if what.is_empty() {
        return None;
    }
    let make = if case.policy.strict {
        Finding::error
    } else {
        Finding::warning
    };
    let finding = make(
        NOT_CONFORMING.code,
        format!("strict peers refuse {link}: it {}", what.join(", and it ")),
    );
    let breaches: Vec<_> = breaches
        .iter()
        .map(|breach| format!("{} ({})", breach.what, breach.rule))
        .collect();
    Some(
        finding
            .fact("breaches", breaches)
            .fact("subject", link.certificate().facts().subject.as_str())
            .hint("have the authority correct its profile or template; Python 3.13 and later, Java and openssl -x509_strict are such peers"),
    )
}
