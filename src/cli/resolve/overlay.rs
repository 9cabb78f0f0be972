//! Flags and `CERTBAKE_…` variables laid over an identity.

use clap::ArgMatches;

use super::draft::{Draft, is_flag, origin_of};
use crate::choice::advice;
use crate::cli::args::provision::{PlacementArgs, PlanArgs as Args};
use crate::cli::file::{OnShortened, OneOrMany, Pkcs12Encryption, Pkcs12Placement, Placement};
use crate::cli::usage::UsageError;
use crate::image::Mode;
use crate::pki::path::Usage;
use crate::span::Span;

/// Flags that say who an identity is or where it goes; they make no sense for several at once.
const FOR_ONE: &[&str] = &[
    "common_name",
    "dns",
    "ip",
    "uri",
    "email",
    "cert",
    "key",
    "leaf",
    "issuers",
    "anchors",
    "combined",
    "pkcs12",
    "record",
];

/// # Errors
/// A value that cannot be read, or a flag for one identity where several are baked.
pub fn apply(
    draft: &mut Draft<'_>,
    args: &Args,
    matches: &ArgMatches,
    several: bool,
) -> Result<(), UsageError> {
    if several && let Some(origin) = FOR_ONE.iter().find_map(|id| origin_of(matches, id)) {
        return Err(UsageError::new(
            origin,
            "describes one identity, but several are to be baked",
        )
        .hint("name one with --identity, or set it in the configuration file"));
    }
    subject(draft, args, matches)?;
    policy(draft, args, matches)?;
    placements(draft, &args.placements, matches)
}

/// The usages by the words for them.
pub const USAGES: &[(&str, Usage)] = &[("client", Usage::Client), ("server", Usage::Server)];
pub const ON_SHORTENED: &[(&str, OnShortened)] =
    &[("fail", OnShortened::Fail), ("warn", OnShortened::Warn)];

fn subject(draft: &mut Draft<'_>, args: &Args, matches: &ArgMatches) -> Result<(), UsageError> {
    let words = &args.subject;
    let identity = &mut draft.identity;
    replace(&mut identity.common_name, words.common_name.as_ref());
    replace(&mut identity.organization, words.organization.as_ref());
    for (list, given) in [
        (&mut identity.dns, &words.dns),
        (&mut identity.ip, &words.ip),
        (&mut identity.uri, &words.uri),
        (&mut identity.email, &words.email),
    ] {
        if !given.is_empty() {
            list.clone_from(given);
        }
    }
    if let Some(text) = &words.key_algorithm {
        draft.identity.key_algorithm = Some(parse(matches, "key_algorithm", text)?);
    }
    if let Some(text) = &words.usage {
        draft.identity.usage = Some(one_of(matches, "usage", text, USAGES)?);
    }
    for key in [
        "common_name",
        "organization",
        "dns",
        "ip",
        "uri",
        "email",
        "key_algorithm",
        "usage",
    ] {
        note(draft, matches, key, key);
    }
    Ok(())
}

fn policy(draft: &mut Draft<'_>, args: &Args, matches: &ArgMatches) -> Result<(), UsageError> {
    let words = &args.policy;
    let span = |id: &str, text: &Option<String>| -> Result<Option<Span>, UsageError> {
        text.as_deref()
            .map(|text| parse(matches, id, text))
            .transpose()
    };
    let identity = &mut draft.identity;
    replace(&mut identity.ttl, span("ttl", &words.ttl)?.as_ref());
    replace(
        &mut identity.max_validity,
        span("max_validity", &words.max_validity)?.as_ref(),
    );
    replace(
        &mut identity.max_clock_offset,
        span("max_clock_offset", &words.max_clock_offset)?.as_ref(),
    );
    replace(
        &mut identity.deadline,
        span("deadline", &words.deadline)?.as_ref(),
    );
    if let Some(text) = &words.min_validity {
        identity.min_validity = Some(text.clone());
        identity.use_by = None;
    }
    if let Some(text) = &words.on_shortened {
        identity.on_shortened = Some(one_of(matches, "on_shortened", text, ON_SHORTENED)?);
    }
    for key in [
        "ttl",
        "min_validity",
        "max_validity",
        "on_shortened",
        "max_clock_offset",
        "deadline",
    ] {
        note(draft, matches, key, key);
    }
    Ok(())
}

fn placements(
    draft: &mut Draft<'_>,
    words: &PlacementArgs,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    for (id, mode) in [
        ("cert_mode", &words.cert_mode),
        ("key_mode", &words.key_mode),
    ] {
        if let Some(mode) = mode {
            parse::<Mode>(matches, id, mode)?;
        }
    }
    let given = &mut draft.identity.placements;
    for (paths, list, mode) in [
        (&words.cert, &mut given.full_chain, &words.cert_mode),
        (&words.leaf, &mut given.certificate, &words.cert_mode),
        (&words.issuers, &mut given.issuers, &words.cert_mode),
        (&words.anchors, &mut given.anchors, &words.cert_mode),
        (&words.key, &mut given.private_key, &words.key_mode),
        (&words.combined, &mut given.combined, &words.key_mode),
    ] {
        if !paths.is_empty() {
            let moved = paths.iter().map(|path| moved(list, path));
            *list = OneOrMany(moved.collect());
        }
        for file in &mut list.0 {
            replace(&mut file.mode, mode.as_ref());
            replace(&mut file.owner, words.owner.as_ref());
            replace(&mut file.group, words.group.as_ref());
        }
    }
    key_store(draft, words, matches)?;
    replace(&mut draft.identity.record, words.record.as_ref());
    for (id, key) in [
        ("key_mode", "key_mode"),
        ("cert", "placements.full_chain"),
        ("leaf", "placements.certificate"),
        ("issuers", "placements.issuers"),
        ("anchors", "placements.anchors"),
        ("key", "placements.private_key"),
        ("combined", "placements.combined"),
        ("pkcs12", "placements.pkcs12"),
        ("pkcs12_password", "placements.pkcs12.password"),
        ("owner", "owner"),
        ("group", "group"),
        ("record", "record"),
    ] {
        note(draft, matches, id, key);
    }
    Ok(())
}

/// A file at another path than the configuration's only one: the rest stays as it was written there.
fn moved(list: &OneOrMany<Placement>, path: &str) -> Placement {
    let before = match list.0.as_slice() {
        [one] => one.clone(),
        _ => Placement::default(),
    };
    Placement {
        path: path.to_owned(),
        ..before
    }
}

fn key_store(
    draft: &mut Draft<'_>,
    words: &PlacementArgs,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    let stores = &mut draft.identity.placements.pkcs12;
    if let Some(path) = &words.pkcs12 {
        let before = match stores.0.as_slice() {
            [one] => one.clone(),
            _ => Pkcs12Placement::default(),
        };
        *stores = OneOrMany(vec![Pkcs12Placement {
            path: path.clone(),
            ..before
        }]);
    }
    if stores.0.is_empty() {
        let of_stores = ["pkcs12_password", "pkcs12_legacy"];
        // A variable may be there for other identities of a whole build.
        let mut flags = of_stores.iter().filter(|id| is_flag(matches, id));
        return match flags.find_map(|id| origin_of(matches, id)) {
            Some(origin) => Err(UsageError::new(
                origin,
                "it requires --pkcs12, which is not given",
            )
            .hint("give the path of the key store with --pkcs12, or leave it out")),
            None => Ok(()),
        };
    }
    for store in &mut stores.0 {
        if let Some(password) = &words.pkcs12_password {
            store.password.clone_from(password);
        }
        if words.pkcs12_legacy {
            store.encryption = Some(Pkcs12Encryption::Legacy);
        }
        if store.password.is_empty() {
            return Err(
                UsageError::new("--pkcs12", "a PKCS#12 file needs a password")
                    .hint("give its source: --pkcs12-password env:NAME"),
            );
        }
        replace(&mut store.mode, words.key_mode.as_ref());
        replace(&mut store.owner, words.owner.as_ref());
        replace(&mut store.group, words.group.as_ref());
    }
    Ok(())
}

fn replace<T: Clone>(value: &mut Option<T>, given: Option<&T>) {
    if let Some(given) = given {
        *value = Some(given.clone());
    }
}

fn note(draft: &mut Draft<'_>, matches: &ArgMatches, id: &str, key: &'static str) {
    if let Some(origin) = origin_of(matches, id) {
        draft.set_by(key, origin);
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    matches: &ArgMatches,
    id: &str,
    text: &str,
) -> Result<T, UsageError> {
    text.parse().map_err(|error: T::Err| {
        UsageError::new(
            origin_of(matches, id).unwrap_or_default(),
            error.to_string(),
        )
    })
}

/// Whatever stands behind the one of these words that is given.
pub(super) fn one_of<T: Copy>(
    matches: &ArgMatches,
    id: &str,
    text: &str,
    allowed: &[(&str, T)],
) -> Result<T, UsageError> {
    allowed
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            UsageError::new(
                origin_of(matches, id).unwrap_or_default(),
                format!("\"{text}\" is not allowed here"),
            )
            .hint(advice(
                text,
                "allowed",
                allowed.iter().map(|(name, _)| *name),
            ))
        })
}
