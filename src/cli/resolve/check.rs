//! The words of `check` as a plan.

use std::collections::BTreeSet;

use clap::ArgMatches;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::authority::Authorities;
use super::draft::{Draft, is_flag, origin_of};
use super::outside::{CONFIGURATION, inputs_are_spared};
use super::overlay::{USAGES, one_of};
use super::{identity, issuers, no_such_identity, placements, without_identity};
use crate::cli::args::check::Args;
use crate::cli::args::provision::CaArgs;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;
use crate::command::check::{CredentialFiles, Expected, ImageTarget, Plan, Target, Wanted};
use crate::pki::AltName;
use crate::pki::name::NameError;
use crate::pki::window::FloorError;
use crate::verify::Policy;

/// # Errors
/// The first thing that cannot be used, with where it was written.
pub fn plan(args: &Args, matches: &ArgMatches) -> Result<Plan, UsageError> {
    let (credential, demands) = (&args.credential, &args.demands);
    let inputs = [
        (args.image.config.as_slice(), CONFIGURATION),
        (credential.cert.as_slice(), "what --cert names"),
        (credential.key.as_slice(), "what --key names"),
        (&credential.intermediates, "what --intermediates names"),
        (&demands.anchors, "what --anchors names"),
        (&demands.crl, "what --crl names"),
        (&args.paths, "to be checked"),
    ];
    inputs_are_spared(&args.report, &inputs, args.image.root.as_deref(), matches)?;
    Ok(Plan {
        target: target(args, matches)?,
        policy: policy(args, matches)?,
        at: args.demands.at.as_deref().map(moment).transpose()?,
    })
}

/// `--root` may come from the environment of a whole build, and then gives way to what was asked for
/// on the command line.
fn target(args: &Args, matches: &ArgMatches) -> Result<Target, UsageError> {
    let anchors = args.demands.anchors.clone();
    let crls = args.demands.crl.clone();
    let root = args.image.root.as_ref().filter(|_| {
        is_flag(matches, "root") || (args.credential.cert.is_none() && args.paths.is_empty())
    });
    match (root, &args.credential.cert, args.paths.as_slice()) {
        (None, None, []) => Err(UsageError::new("", "nothing to check is given").hint(
            "give --root DIR for an image, --cert FILE for one credential, or files and folders",
        )),
        (Some(root), None, []) => {
            no_leftovers(&[FOR_CERT], matches)?;
            Ok(Target::Image(ImageTarget {
                root: root.clone(),
                expected: expected(args, matches)?,
                anchors,
                crls,
            }))
        }
        (None, Some(certificate), []) => {
            no_leftovers(&[FOR_ROOT], matches)?;
            if anchors.is_empty() {
                no_leftovers(&[FOR_ANCHORS], matches)?;
            }
            Ok(Target::Credential(CredentialFiles {
                certificate: certificate.clone(),
                intermediates: args.credential.intermediates.clone(),
                anchors,
                key: args.credential.key.clone(),
                crls,
            }))
        }
        (None, None, paths) => {
            no_leftovers(&[FOR_ROOT, FOR_CERT], matches)?;
            if anchors.is_empty() {
                no_leftovers(&[FOR_ANCHORS], matches)?;
            }
            Ok(Target::Files {
                paths: paths.to_vec(),
                anchors,
                crls,
            })
        }
        _ => Err(UsageError::new(
            "",
            "--root, --cert and paths exclude each other, and more than one is given",
        )
        .hint("run certbake check once for each")),
    }
}

/// Flags that only mean something beside another one.
type Belonging = (&'static str, &'static [&'static str]);

const FOR_ROOT: Belonging = ("--root", &["config", "identity"]);
const FOR_CERT: Belonging = ("--cert", &["intermediates", "key"]);
/// What is about a chain that leads to anchors; an image may carry its own.
const FOR_ANCHORS: Belonging = ("--anchors", &["crl", "strict"]);

fn no_leftovers(owners: &[Belonging], matches: &ArgMatches) -> Result<(), UsageError> {
    for (owner, flags) in owners {
        for flag in *flags {
            if let Some(origin) = origin_of(matches, flag) {
                return Err(UsageError::new(
                    origin,
                    format!("it requires {owner}, which is not given"),
                )
                .hint(format!("give {owner}, or leave it out")));
            }
        }
    }
    Ok(())
}

fn policy(args: &Args, matches: &ArgMatches) -> Result<Policy, UsageError> {
    let demands = &args.demands;
    let floor_origin = origin_of(matches, "min_validity").unwrap_or_default();
    let floor = demands
        .min_validity
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error: FloorError| UsageError::new(floor_origin.as_str(), error.to_string()))?;
    let usage = demands
        .usage
        .as_deref()
        .map(|text| one_of(matches, "usage", text, USAGES))
        .transpose()?;
    let peer_names = demands
        .name
        .iter()
        .map(|text| name(text))
        .collect::<Result<_, _>>()
        .map_err(|error: NameError| {
            UsageError::new("--name", error.to_string()).hint(error.advice)
        })?;
    Ok(Policy {
        floor,
        floor_origin,
        usage,
        peer_names,
        max_depth: demands.max_depth,
        strict: demands.strict,
        ..Policy::default()
    })
}

/// `app.internal`, `10.0.0.7`, or with its kind before it: `uri:spiffe://lab/app`.
fn name(text: &str) -> Result<AltName, NameError> {
    if ["dns:", "ip:", "uri:", "email:"]
        .iter()
        .any(|kind| text.starts_with(kind))
    {
        return AltName::try_from(text.to_owned());
    }
    AltName::ip(text).or_else(|_| AltName::dns(text))
}

fn moment(text: &str) -> Result<OffsetDateTime, UsageError> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    // An offset may lead out of the years that have four digits.
    let moment = moment.and_then(|moment| moment.checked_to_offset(UtcOffset::UTC));
    moment.ok_or_else(|| {
        UsageError::new("--at", format!("\"{text}\" is not an RFC 3339 time"))
            .hint("for example 2026-05-01T00:00:00Z")
    })
}

/// By the configuration file where there is one, else by the names given, else by the records.
fn expected(args: &Args, matches: &ArgMatches) -> Result<Vec<Expected>, UsageError> {
    let wanted = &args.image.identity;
    let Some(path) = &args.image.config else {
        let once: BTreeSet<_> = wanted.iter().collect();
        return Ok(once.into_iter().map(|name| Expected::named(name)).collect());
    };
    let source = Source::read(path)?;
    if source.file.identity.is_empty() {
        return Err(without_identity(&source));
    }
    if let Some(name) = wanted
        .iter()
        .find(|name| !source.file.identity.contains_key(*name))
    {
        return Err(no_such_identity("--identity".to_owned(), name, &source));
    }
    let flags = CaArgs::default();
    let mut authorities = Authorities::new(&flags, matches, Some(&source), &issuers::SILENT);
    source
        .file
        .identity
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .map(|(name, words)| {
            let draft = Draft::of_file(name, words.clone(), &source);
            of_file(&draft, &source, &mut authorities)
        })
        .collect()
}

fn of_file(
    draft: &Draft<'_>,
    source: &Source,
    authorities: &mut Authorities<'_>,
) -> Result<Expected, UsageError> {
    let policy = identity::policy(draft)?;
    let placements = placements::plan(draft)?
        .into_iter()
        .map(|placement| Wanted {
            what: placement.content.name().to_owned(),
            path: placement.path,
            mode: placement.mode_is_stated.then_some(placement.mode),
            owner: placement.owner,
            group: placement.group,
        })
        .collect();
    let names = identity::names(draft)?;
    let subject = identity::subject(draft)?;
    let named = subject.common_name.is_some() || !names.is_empty();
    Ok(Expected {
        name: draft.name.clone(),
        floor: policy.floor,
        floor_origin: policy.floor_origin,
        anchors: issuers::anchors(draft, source),
        placements,
        usage: policy.usage,
        max_validity: policy.max_validity,
        names: named.then_some((subject, names)),
        key_algorithm: draft.identity.key_algorithm,
        issuers: issuers::stated(draft, source, authorities)?,
    })
}
