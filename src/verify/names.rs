//! Are the names exactly those asked for: a name too few locks the client out, a name too many lets
//! it pass for somebody else.

use std::collections::BTreeSet;
use std::fmt;

use super::case::without_order;
use super::{Asked, Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::path::{self, PathError};
use crate::pki::{AltName, Certificate, Subject};

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

/// What a certificate calls its holder, as it is shown: `CN=app-server`, `O=Lab`, `dns:app.internal`.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Name {
    /// Of the subject, by its short name, or its OID.
    Attribute(String, String),
    Alternative(AltName),
}

impl Name {
    /// What peers take for the identity, against what merely describes it.
    fn is_identity(&self) -> bool {
        match self {
            Self::Attribute(kind, _) => kind == "CN",
            Self::Alternative(_) => true,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(kind, value) => write!(f, "{kind}={value}"),
            Self::Alternative(name) => name.fmt(f),
        }
    }
}

fn in_words<'a>(names: impl IntoIterator<Item = &'a Name>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

/// Names as they are compared. Of the subject every attribute, whether it can be asked for or not.
struct Compared {
    asked: BTreeSet<Name>,
    came: BTreeSet<Name>,
}

impl Compared {
    fn new(asked: Asked<'_>, leaf: &Certificate) -> Self {
        let all = |subject: Vec<(String, String)>, names: &[AltName]| {
            let subject = subject.into_iter();
            let subject = subject.map(|(kind, value)| Name::Attribute(kind, value));
            let names = names.iter().cloned().map(Name::Alternative);
            subject.chain(names).collect()
        };
        let subject = asked.subject.attributes();
        let subject = subject.map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        Self {
            asked: all(subject.collect(), asked.names),
            came: all(leaf.subject_attributes(), &leaf.facts().names),
        }
    }
}

fn missing(case: &Case<'_>) -> Vec<Finding> {
    let Some(asked) = case.evidence.asked else {
        return Vec::new();
    };
    let compared = Compared::new(asked, case.leaf());
    let missing = in_words(compared.asked.difference(&compared.came));
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
        .fact("asked", in_words(&compared.asked))
        .fact("came", in_words(&compared.came))
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
        .partition(|name| name.is_identity());
    let finding = |make: fn(Code, String) -> Finding, names: &[&Name], hint: String| {
        let names = in_words(names.iter().copied());
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
        .fact("asked", in_words(&compared.asked))
        .fact("came", in_words(&compared.came))
        .hint(hint)
    };
    let mut findings = Vec::new();
    if !grave.is_empty() {
        let hint = case.hint(repeated(&grave, asked.names, case.leaf()));
        findings.push(finding(Finding::error, &grave, hint));
    }
    if !other.is_empty() {
        let hint = described(&other);
        findings.push(finding(Finding::warning, &other, hint.to_owned()));
    }
    findings
}

/// What to do about attributes that describe the holder and that nobody asked for.
fn described(other: &[&Name]) -> &'static str {
    let can_be_asked_for =
        |name: &&Name| matches!(name, Name::Attribute(kind, _) if Subject::has(kind));
    if other.iter().all(can_be_asked_for) {
        "ask for it if peers may see it; some read the subject's organization as a group (Kubernetes)"
    } else {
        "certbake cannot ask for every such attribute: if peers may not see it, have the CA's role, profile or template leave it out; some take a UID or an email address for a user's name"
    }
}

/// What to do about names that nobody asked for: many authorities repeat one of those that were. Where
/// others came with it, those are the graver fault.
fn repeated(grave: &[&Name], asked: &[AltName], leaf: &Certificate) -> &'static str {
    let common_name = leaf.facts().common_name.as_deref().unwrap_or_default();
    let of_asked = |name: &AltName| {
        let name = name.to_string();
        name.split_once(':')
            .is_some_and(|(_, value)| value == common_name)
    };
    match grave {
        [Name::Alternative(AltName::Dns(dns))] if dns.eq_ignore_ascii_case(common_name) => {
            "the CA adds the common name as a DNS name: ask for it (dns), or turn that off at the CA (Vault: exclude_cn_from_sans)"
        }
        [Name::Attribute(_, value)] if value == common_name && asked.iter().any(of_asked) => {
            "the CA uses one of the names as the common name too: ask for that (common_name), or have its template leave it out (step-ca)"
        }
        _ => FROM_THE_REQUEST,
    }
}

const FROM_THE_REQUEST: &str = "ask for the name if you want it; if not, have the CA's role, profile or template take names only from the request";

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
