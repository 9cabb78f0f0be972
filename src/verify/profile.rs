//! Would strict peers take the chain too, and linters of public authorities.

use super::case::without_anchors;
use super::{Case, Check, Link};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::Usage;
use crate::pki::profile::{self, Breach, Part, Rule};

/// Every certificate keeps the rules of RFC 5280 that strict peers enforce.
pub(super) const NOT_CONFORMING: Check = Check {
    code: Code::new("not-conforming"),
    outcome: Outcome::Flawed,
    not_made: without_anchors,
    run: not_conforming,
};

/// A server's certificates keep the rules that linters of public authorities enforce.
pub(super) const NOT_BASELINE: Check = Check {
    code: Code::new("not-baseline"),
    outcome: Outcome::Flawed,
    not_made: no_server_to_judge,
    run: not_baseline,
};

fn not_conforming(case: &Case<'_>) -> Vec<Finding> {
    let make = if case.policy.strict {
        Finding::error
    } else {
        Finding::warning
    };
    let mut findings = Vec::new();
    for (link, [common, strict]) in broken(case, [profile::COMMON, profile::INTERNET]) {
        if !common.is_empty() {
            let summary = format!("OpenSSL and Go refuse {link}: it {}", in_words(&common));
            findings.push(
                describe(Finding::error(NOT_CONFORMING.code, summary), link, &common)
                    .hint("have the CA correct its profile or template, then renew this certificate: peers will refuse the chain"),
            );
        }
        if !strict.is_empty() {
            let summary = format!("strict peers refuse {link}: it {}", in_words(&strict));
            findings.push(
                describe(make(NOT_CONFORMING.code, summary), link, &strict)
                    .hint("have the CA correct its profile or template; Python 3.13 and later, Java and openssl -x509_strict are such peers"),
            );
        }
    }
    findings
}

/// The Baseline Requirements are about servers alone.
fn no_server_to_judge(case: &Case<'_>) -> Option<&'static str> {
    if case.usage() != Some(Usage::Server) {
        return Some("it applies only to servers' certificates");
    }
    without_anchors(case)
}

fn not_baseline(case: &Case<'_>) -> Vec<Finding> {
    let make = if case.policy.strict {
        Finding::error
    } else {
        Finding::note
    };
    broken(case, [profile::BASELINE])
        .filter(|(_, [breaches])| !breaches.is_empty())
        .map(|(link, [breaches])| {
            let summary = format!(
                "linters of public CAs refuse {link}: it {}",
                in_words(&breaches)
            );
            let about_name = breaches
                .iter()
                .any(|breach| breach.rule == profile::OF_COMMON_NAME);
            describe(make(NOT_BASELINE.code, summary), link, &breaches).hint(if about_name {
                "peers ignore the common name (RFC 9525): add the name to the subject alternative names too, spelt the same"
            } else {
                "no TLS peer refuses it; where zlint or pkilint guard your certificates, have the CA correct its profile or template"
            })
        })
        .collect()
}

/// What each link breaks of each family of rules. Asked only of chains that are led to anchors: this is
/// about what others would say of them.
fn broken<'a, const N: usize>(
    case: &'a Case<'_>,
    families: [&'static [Rule]; N],
) -> impl Iterator<Item = (Link<'a>, [Vec<Breach>; N])> {
    case.links_to_anchor().map(move |link| {
        let part = match link {
            Link::Leaf(_) => Part::Leaf,
            Link::Intermediate(_) => Part::Intermediate,
            Link::Anchor(_) => Part::Anchor,
        };
        (link, profile::breaches(families, link.certificate(), part))
    })
}

fn in_words(breaches: &[Breach]) -> String {
    let what: Vec<_> = breaches.iter().map(|breach| breach.what).collect();
    what.join(", and it ")
}

fn describe(finding: Finding, link: Link<'_>, breaches: &[Breach]) -> Finding {
    let breaches: Vec<_> = breaches
        .iter()
        .map(|breach| format!("{} ({})", breach.what, breach.rule))
        .collect();
    finding
        .fact("breaches", breaches)
        .fact("subject", link.certificate().facts().subject.as_str())
}
