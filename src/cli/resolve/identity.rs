//! From an `[identity.<name>]` table to an identity that can be ordered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::authority::Authorities;
use super::draft::Draft;
use super::{placements, relative_to};
use crate::cli::file::OnShortened;
use crate::cli::usage::UsageError;
use crate::command::provision::Identity;
use crate::pki::name::NameError;
use crate::pki::{AltName, Floor, Subject};
use crate::record;
use crate::span::Span;
use crate::verify;

/// Long enough for an approval by a program, short enough for a build.
const DEADLINE: Span = Span::seconds(120);
const MAX_CLOCK_OFFSET: Span = Span::seconds(300);

/// # Errors
/// The first value that cannot be used, with where it was written.
pub fn plan(draft: &Draft<'_>, authorities: &mut Authorities<'_>) -> Result<Identity, UsageError> {
    safe_name(draft)?;
    let words = &draft.identity;
    let names = names(draft)?;
    if words.common_name.is_none() && names.is_empty() {
        return Err(draft
            .error("common_name", "the certificate would have no name")
            .hint(
                draft.missing("give a common name, or at least one dns, ip, uri or email name"),
            ));
    }
    let subject = subject(draft)?;
    let policy = policy(draft)?;
    let candidates = authorities.open(draft)?;
    Ok(Identity {
        name: draft.name.clone(),
        subject,
        names,
        usage: words.usage.unwrap_or_default(),
        key_algorithm: words.key_algorithm.unwrap_or_default(),
        ttl: words.ttl,
        ttl_origin: draft.origin("ttl"),
        policy,
        candidates,
        deadline: words.deadline.unwrap_or(DEADLINE),
        placements: placements::plan(draft)?,
        record: record_copy(draft)?,
    })
}

/// An identity's name is its record's file name.
fn safe_name(draft: &Draft<'_>) -> Result<(), UsageError> {
    let name = draft.name.as_str();
    // Without a file, the common name serves as the name.
    let key = match draft.source {
        Some(_) => "",
        None if draft.identity.common_name.as_deref() == Some(name) => "common_name",
        None => "identity",
    };
    if name == record::RESERVED {
        return Err(draft
            .error(key, format!("`{name}` cannot be the name of an identity: certbake's own journal has this name"))
            .hint("choose another name; --identity sets a name other than the common name"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(draft.error(key, format!("`{name}` cannot be the name of an identity"))
            .hint("use up to 100 letters, digits, hyphens, dots and underscores, not starting with a dot; --identity sets a name other than the common name"));
    }
    Ok(())
}

pub(super) fn names(draft: &Draft<'_>) -> Result<Vec<AltName>, UsageError> {
    let words = &draft.identity;
    let mut names = Vec::new();
    for (key, list, parse) in [
        ("dns", &words.dns, AltName::dns as fn(&str) -> _),
        ("ip", &words.ip, AltName::ip),
        ("uri", &words.uri, AltName::uri),
        ("email", &words.email, AltName::email),
    ] {
        for text in list {
            let name = parse(text).map_err(|error: NameError| {
                draft.error(key, error.to_string()).hint(error.advice)
            })?;
            if names.contains(&name) {
                return Err(draft.error(key, format!("{name} is given twice")));
            }
            names.push(name);
        }
    }
    one_spiffe_id(draft, &names)?;
    Ok(names)
}

/// An X509-SVID has exactly one URI name, its SPIFFE ID (X509-SVID section 2).
fn one_spiffe_id(draft: &Draft<'_>, names: &[AltName]) -> Result<(), UsageError> {
    let uris = names.iter().filter_map(|name| match name {
        AltName::Uri(uri) => Some(uri.as_str()),
        _ => None,
    });
    let (ids, others): (Vec<_>, Vec<_>) = uris.partition(|uri| uri.starts_with("spiffe://"));
    let (Some(id), Some(other)) = (ids.first(), ids.get(1).or(others.first())) else {
        return Ok(());
    };
    Err(draft
        .error(
            "uri",
            format!("the SPIFFE ID {id} cannot stand beside {other}: a certificate with a SPIFFE ID has no other URI name"),
        )
        .hint("keep one of them; give the other an identity of its own"))
}

/// Upper bounds of RFC 5280 appendix A.1, in characters; a country is exactly two.
const BOUNDS: &[(&str, &str, usize)] = &[
    ("CN", "common_name", 64),
    ("O", "organization", 64),
    ("OU", "organizational_unit", 64),
    ("ST", "state", 128),
    ("L", "locality", 128),
];

pub(super) fn subject(draft: &Draft<'_>) -> Result<Subject, UsageError> {
    let words = &draft.identity;
    let subject = Subject {
        common_name: words.common_name.clone(),
        organization: words.organization.clone(),
        organizational_unit: words.organizational_unit.clone(),
        country: words.country.clone(),
        state: words.state.clone(),
        locality: words.locality.clone(),
    };
    country(draft)?;
    for (attribute, value) in subject.attributes() {
        let Some((_, key, most)) = BOUNDS.iter().find(|(name, ..)| *name == attribute) else {
            continue;
        };
        let length = value.chars().count();
        if value.trim().is_empty() || length > *most || value.chars().any(char::is_control) {
            return Err(draft
                .error(
                    key,
                    format!(
                        "\"{}\" cannot be in a subject: use 1 to {most} printable characters",
                        value.escape_debug()
                    ),
                )
                .hint("put a longer name among the alternative names (dns, uri)"));
        }
    }
    Ok(subject)
}

fn country(draft: &Draft<'_>) -> Result<(), UsageError> {
    match draft.identity.country.as_deref() {
        Some(value) if value.len() != 2 || !value.bytes().all(|b| b.is_ascii_uppercase()) => {
            let reason = format!(
                "\"{}\" is not a country: two capital letters (ISO 3166)",
                value.escape_debug()
            );
            Err(draft
                .error("country", reason)
                .hint("write its code, such as \"DE\" for Germany, or leave it out"))
        }
        _ => Ok(()),
    }
}

pub(super) fn policy(draft: &Draft<'_>) -> Result<verify::Policy, UsageError> {
    let words = &draft.identity;
    let floor = floor(draft)?;
    for (key, span) in [
        ("ttl", words.ttl),
        ("max_validity", words.max_validity),
        ("deadline", words.deadline),
        ("max_clock_offset", words.max_clock_offset),
    ] {
        if span == Some(Span::seconds(0)) {
            return Err(draft
                .error(key, "the duration is zero")
                .hint("write a duration such as \"21d\" or \"36h\", or leave it out"));
        }
    }
    if let (Some(ttl), Some(most)) = (words.ttl, words.max_validity)
        && ttl > most
    {
        return Err(draft
            .error(
                "max_validity",
                format!("the ttl of {ttl} is longer than the {most} that max_validity allows"),
            )
            .hint("lower ttl or raise max_validity"));
    }
    if let (Some(most), Some(floor)) = (words.max_validity, &floor)
        && floor.required(most.duration()) > most
    {
        return Err(draft
            .error(
                "max_validity",
                format!("the floor of {floor} is longer than the {most} that max_validity allows, so no certificate can meet both"),
            )
            .hint("lower the floor or raise max_validity"));
    }
    Ok(verify::Policy {
        floor,
        max_validity: words.max_validity,
        on_shortened: match words.on_shortened.unwrap_or_default() {
            OnShortened::Fail => verify::OnShortened::Fail,
            OnShortened::Warn => verify::OnShortened::Warn,
        },
        floor_origin: floor_origin(draft),
        max_clock_offset: Some(words.max_clock_offset.unwrap_or(MAX_CLOCK_OFFSET)),
        usage: Some(words.usage.unwrap_or_default()),
        not_before_tolerance: verify::NOT_BEFORE_TOLERANCE,
        ..verify::Policy::default()
    })
}

fn floor(draft: &Draft<'_>) -> Result<Option<Floor>, UsageError> {
    let words = &draft.identity;
    match (&words.min_validity, &words.use_by) {
        (Some(_), Some(_)) => Err(draft
            .error("use_by", "min_validity and use_by both set the floor")
            .hint("keep one of them")),
        (Some(text), None) => {
            let floor: Floor = text
                .parse()
                .map_err(|error| draft.error("min_validity", format!("{error}")))?;
            Ok(Some(floor))
        }
        (None, Some(facts)) if facts.is_empty() => Err(draft
            .error("use_by", "no durations are given")
            .hint("for example image_max_age = \"30d\", instance_life = \"7d\", rollout = \"1d\"")),
        (None, Some(facts)) => {
            let floor = Floor::Sum(
                facts
                    .iter()
                    .map(|(name, span)| (name.clone(), *span))
                    .collect(),
            );
            if facts.values().all(|span| span.as_seconds() == 0) {
                return Err(without_length(draft, facts));
            }
            let sum = floor.required(time::Duration::ZERO);
            if sum > Span::LONGEST {
                return Err(draft.error(
                    "use_by",
                    format!("the durations add up to {sum}, which is longer than a hundred years"),
                ));
            }
            Ok(Some(floor))
        }
        (None, None) => Ok(None),
    }
}

fn without_length(draft: &Draft<'_>, facts: &BTreeMap<String, Span>) -> UsageError {
    let names: Vec<_> = facts.keys().map(String::as_str).collect();
    let reason = match names.as_slice() {
        [one] => format!("{one} is zero, so it requires nothing"),
        several => format!(
            "{} are zero, so they require nothing",
            several.join(" and ")
        ),
    };
    draft
        .error("use_by", reason)
        .hint("write durations such as \"21d\" or \"36h\", or leave use_by out")
}

/// Where a copy of the record goes. Elsewhere `-` is standard output, which is for the reports.
fn record_copy(draft: &Draft<'_>) -> Result<Option<PathBuf>, UsageError> {
    match draft.identity.record.as_deref() {
        Some(path) if path == Path::new("-") => Err(draft
            .error(
                "record",
                "- would be a file of that name, not standard output",
            )
            .hint("give the path of a file, or ./- if it is to have that name")),
        path => Ok(path.map(|path| relative_to(draft.directory_of("record"), path))),
    }
}

fn floor_origin(draft: &Draft<'_>) -> String {
    if draft.identity.use_by.is_some() {
        draft.origin("use_by")
    } else {
        draft.origin("min_validity")
    }
}
