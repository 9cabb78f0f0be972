//! Are the names exactly those asked for: a name too few locks the client out, a name too many lets
//! it pass for somebody else.

use std::collections::BTreeSet;

use super::case::without_order;
use super::{Asked, Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::path::{self, PathError};
use crate::pki::{AltName, Certificate};

/// Every name asked for is in the certificate.
pub(super) const MISSING: Check = Check {
    code: Code::new("names-missing"),
    outcome: Outcome::Flawed,
    not_made: without_order,
    run: missing,
};

/// No name is in the certificate that was not asked for.
pub(super) const UNEXPECTED: Check = Check {
    code: Code::new("names-unexpected"),
    outcome: Outcome::Flawed,
    not_made: without_order,
    run: unexpected,
};

/// The certificate is valid for the name that peers look for.
pub(super) const PEER_NAME: Check = Check {
    code: Code::new("name-mismatch"),
    outcome: Outcome::Flawed,
    not_made: no_peer_name,
    run: peer_name,
};

/// Names as they are compared and shown: `dns:app.internal`, `CN=app-server`, `O=Lab`.
///
/// Of the subject, the attributes that can be asked for; the others are the authority's own.
struct Compared {
    asked: BTreeSet<String>,
    came: BTreeSet<String>,
}

impl Compared {
    fn new(asked: Asked<'_>, leaf: &Certificate) -> Self {
        let attribute = |(name, value): (&str, &str)| format!("{name}={value}");
        let alt_names =
            |names: &[AltName]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        let came = leaf.subject_attributes();
        let came = came.iter().map(|(name, value)| attribute((name, value)));
        Self {
            asked: asked
                .subject
                .attributes()
                .map(attribute)
                .chain(alt_names(asked.names))
                .collect(),
            came: came.chain(alt_names(&leaf.facts().names)).collect(),
        }
    }
}

fn missing(case: &Case<'_>) -> Vec<Finding> {
    let Some(asked) = case.evidence.asked else {
        return Vec::new();
    };
    let compared = Compared::new(asked, case.leaf());
    let missing: Vec<_> = compared.asked.difference(&compared.came).cloned().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::error(
            MISSING.code,
            format!(
                "the certificate lacks {}, which {} for",
                missing.join(" and "),
                match missing.len() {
                    _ if case.evidence.asked_afterwards => "the configuration asks",
                    1 => "was asked",
                    _ => "were asked",
                }
            ),
        )
        .fact("missing", missing)
        .fact("asked", Vec::from_iter(compared.asked))
        .fact("came", Vec::from_iter(compared.came))
        .hint(case.hint("have the CA's role, profile or template take the names from the request, or ask only for names that it grants")),
    ]
}

fn unexpected(case: &Case<'_>) -> Vec<Finding> {
    let Some(asked) = case.evidence.asked else {
        return Vec::new();
    };
    let compared = Compared::new(asked, case.leaf());
    let (grave, other): (Vec<_>, Vec<_>) = compared
        .came
        .difference(&compared.asked)
        .cloned()
        // What peers take for the identity, against what merely describes it.
        .partition(|name| name.starts_with("CN=") || !is_subject_attribute(name));
    let finding = |make: fn(Code, String) -> Finding, names: Vec<String>, hint: String| {
        make(
            UNEXPECTED.code,
            format!(
                "the certificate carries {}, which {}",
                names.join(" and "),
                match names.len() {
                    _ if case.evidence.asked_afterwards => "the configuration does not ask for",
                    1 => "was not asked for",
                    _ => "were not asked for",
                }
            ),
        )
        .fact("unexpected", names)
        .fact("asked", Vec::from_iter(compared.asked.clone()))
        .fact("came", Vec::from_iter(compared.came.clone()))
        .hint(hint)
    };
    let mut findings = Vec::new();
    if !grave.is_empty() {
        let hint = case.hint(repeated(&grave, asked.names, case.leaf()));
        findings.push(finding(Finding::error, grave, hint));
    }
    if !other.is_empty() {
        let hint = "ask for it if peers may see it; some read the subject's organization as a group (Kubernetes)";
        findings.push(finding(Finding::warning, other, hint.to_owned()));
    }
    findings
}

/// What to do about names that nobody asked for: many authorities repeat one of those that were. Where
/// others came with it, those are the graver fault.
fn repeated(grave: &[String], asked: &[AltName], leaf: &Certificate) -> &'static str {
    let common_name = leaf.facts().common_name.clone().unwrap_or_default();
    let as_dns = format!("dns:{common_name}");
    let [only] = grave else {
        return FROM_THE_REQUEST;
    };
    if only.eq_ignore_ascii_case(&as_dns) {
        return "the CA adds the common name as a DNS name: ask for it (dns), or turn that off at the CA (Vault: exclude_cn_from_sans)";
    }
    let of_asked = |name: &AltName| name.to_string().ends_with(&format!(":{common_name}"));
    if *only == format!("CN={common_name}") && asked.iter().any(of_asked) {
        return "the CA uses one of the names as the common name too: ask for that (common_name), or have its template leave it out (step-ca)";
    }
    FROM_THE_REQUEST
}

const FROM_THE_REQUEST: &str = "ask for the name if you want it; if not, have the CA's role, profile or template take names only from the request";

fn is_subject_attribute(name: &str) -> bool {
    let (equals, colon) = (name.find('='), name.find(':'));
    match (equals, colon) {
        (Some(equals), Some(colon)) => equals < colon,
        (equals, _) => equals.is_some(),
    }
}

fn no_peer_name(case: &Case<'_>) -> Option<&'static str> {
    let names = &case.policy.peer_names;
    names
        .is_empty()
        .then_some("no name that peers look for was given")
}

fn peer_name(case: &Case<'_>) -> Vec<Finding> {
    let leaf = case.leaf();
    let carried: Vec<String> = leaf.facts().names.iter().map(ToString::to_string).collect();
    case.policy
        .peer_names
        .iter()
        .filter_map(|name| Some((name, path::valid_for_name(leaf, name).err()?)))
        .map(|(name, error)| {
            let carries = if carried.is_empty() {
                "it has no subject alternative names, and peers ignore the common name (RFC 9525)".to_owned()
            } else {
                format!("it carries {}", carried.join(", "))
            };
            let reason = match error {
                PathError::MalformedDnsIdentifier if name.to_string().contains('*') => {
                    "; peers look for a host's own name, never for a wildcard".to_owned()
                }
                PathError::CertNotValidForName(_) | PathError::UnsupportedNameType => String::new(),
                other => format!(" ({other})"),
            };
            Finding::error(
                PEER_NAME.code,
                format!(
                    "the certificate \"{}\" is not valid for {name}: {carries}{reason}",
                    leaf.title()
                ),
            )
            .fact("name", name.to_string())
            .fact("names", carried.clone())
            .hint("have it reissued with this name among its subject alternative names, or check for a name that it carries")
        })
        .collect()
}
