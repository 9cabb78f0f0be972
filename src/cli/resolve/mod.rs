//! From words to a plan: flags over environment over file over defaults, everything parsed once.
//! What cannot be read is refused here, before anything is opened or asked.

mod authority;
pub mod check;
mod draft;
mod identity;
mod inputs;
mod issuers;
mod outside;
mod overlay;
mod placements;
pub mod revoke;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use time::OffsetDateTime;

use super::args::{
    self,
    provision::{CaArgs, PlanArgs as Args},
};
use super::file;
use super::source::Source;
use super::usage::UsageError;
use crate::choice::advice;
use crate::command;
use crate::command::provision::{Identity, Plan};
use crate::net::OnWait;
use crate::secret_source::SecretSource;
use crate::span::Span;
use draft::{Draft, origin_of};
use inputs::Input;
pub use overlay::{ON_SHORTENED, USAGES};

/// The file that is read when none is named.
const DEFAULT_CONFIG: &str = "certbake.toml";

/// Keys of an authority's table that have a flag of their own, and which.
pub fn flags_of_settings() -> Vec<(&'static str, String)> {
    authority::FLAGS
        .iter()
        .chain([&("ca_anchors", "anchors")])
        .map(|(id, key)| (*key, format!("--{}", id.replace('_', "-"))))
        .collect()
}

/// What resolving needs from outside.
pub struct Outside<'a> {
    pub now: OffsetDateTime,
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Told of every wait for an authority.
    pub on_wait: Option<OnWait>,
}

/// # Errors
/// The first thing that cannot be used, with where it was written.
pub fn provision(
    args: &args::provision::Args,
    matches: &ArgMatches,
    outside: &Outside<'_>,
) -> Result<Plan, UsageError> {
    let words = &args.plan;
    let root = words.root.clone().ok_or_else(|| {
        UsageError::new("--root", "the image root is not given")
            .hint("give the directory that becomes the image: --root ./rootfs; --root / for the running machine")
    });
    let identities = identities(words, matches, outside)?;
    Ok(Plan {
        root: root?,
        identities,
        dry_run: args.dry_run,
        revoke_on_failure: args.revoke_on_failure,
    })
}

/// Enough for a slow login, too short to keep a build waiting.
const WITHIN: Span = Span::seconds(10);

/// # Errors
/// As [`provision`], but an image root may be missing.
pub fn doctor(
    args: &args::doctor::Args,
    matches: &ArgMatches,
    outside: &Outside<'_>,
) -> Result<command::doctor::Plan, UsageError> {
    let within = wait("--within", args.within.as_deref(), WITHIN)?;
    Ok(command::doctor::Plan {
        root: args.plan.root.clone(),
        identities: identities(&args.plan, matches, outside)?,
        within,
    })
}

/// How long something may take.
fn wait(flag: &str, given: Option<&str>, default: Span) -> Result<Duration, UsageError> {
    let span: Span = given
        .map_or(Ok(default), str::parse)
        .map_err(|error| UsageError::new(flag, error.to_string()))?;
    match span.std() {
        Duration::ZERO => Err(UsageError::new(flag, "the duration is zero")
            .hint("write a duration such as \"30s\", or leave it out")),
        wait => Ok(wait),
    }
}

fn identities(
    args: &Args,
    matches: &ArgMatches,
    outside: &Outside<'_>,
) -> Result<Vec<Identity>, UsageError> {
    let source = source_of(args.config.as_deref(), &args.ca)?;
    let drafts = drafts(args, matches, source.as_ref())?;
    let mut authorities = authority::Authorities::new(&args.ca, matches, source.as_ref(), outside);
    let identities = drafts
        .iter()
        .map(|draft| identity::plan(draft, &mut authorities))
        .collect::<Result<Vec<_>, _>>()?;
    placements::no_two_share_a_path(&drafts, &identities)?;
    let config = source
        .iter()
        .map(|source| Input::configuration(&source.path));
    let of_identities = drafts.iter().zip(&identities);
    let inputs: Vec<_> = config
        .chain(authorities.inputs().iter().cloned())
        .chain(of_identities.flat_map(|(draft, identity)| inputs::of_identity(draft, identity)))
        .collect();
    outside::nothing_is_overwritten(args, &drafts, &identities, &inputs, matches)?;
    Ok(identities)
}

/// The file that is named, or the usual one where flags do not describe the CA.
fn source_of(config: Option<&Path>, ca: &CaArgs) -> Result<Option<Source>, UsageError> {
    match config {
        Some(path) => Source::read(path).map(Some),
        None if !authority::by_flags(ca) && Path::new(DEFAULT_CONFIG).exists() => {
            Source::read(Path::new(DEFAULT_CONFIG)).map(Some)
        }
        None => Ok(None),
    }
}

fn drafts<'a>(
    args: &Args,
    matches: &ArgMatches,
    source: Option<&'a Source>,
) -> Result<Vec<Draft<'a>>, UsageError> {
    let Some(source) = source else {
        return Ok(vec![alone(args, matches)?]);
    };
    let mut drafts = chosen(args, matches, source)?
        .into_iter()
        .map(|(name, identity)| Draft::of_file(name, identity.clone(), source))
        .collect::<Vec<_>>();
    let several = drafts.len() > 1;
    for draft in &mut drafts {
        overlay::apply(draft, args, matches, several)?;
    }
    Ok(drafts)
}

/// A single identity described by flags alone.
fn alone<'a>(args: &Args, matches: &ArgMatches) -> Result<Draft<'a>, UsageError> {
    if args.ca.ca.is_empty() {
        return Err(UsageError::new("", "there is no configuration file, and --ca is not given")
            .hint("write a file with `certbake init`, or describe one identity by flags: --ca est --ca-url …"));
    }
    let name = match args.identity.as_slice() {
        [] => args
            .subject
            .common_name
            .clone()
            .unwrap_or_else(|| "client".to_owned()),
        [one] => one.clone(),
        _ => {
            return Err(
                UsageError::new("--identity", "flags can describe only one identity")
                    .hint("give one, or use a configuration file"),
            );
        }
    };
    let mut draft = Draft::of_flags(name);
    overlay::apply(&mut draft, args, matches, false)?;
    Ok(draft)
}

fn without_identity(source: &Source) -> UsageError {
    source
        .error(&["identity"], "the file has no identity")
        .hint("add an [identity.NAME] table; `certbake init` writes an example")
}

fn chosen<'a>(
    args: &Args,
    matches: &ArgMatches,
    source: &'a Source,
) -> Result<Vec<(&'a str, &'a file::Identity)>, UsageError> {
    let all = &source.file.identity;
    if all.is_empty() {
        return Err(without_identity(source));
    }
    if args.identity.is_empty() {
        return Ok(all
            .iter()
            .map(|(name, identity)| (name.as_str(), identity))
            .collect());
    }
    let twice = |at: usize, name: &String| args.identity[..at].contains(name);
    args.identity
        .iter()
        .enumerate()
        .filter(|(at, name)| !twice(*at, name))
        .map(|(_, name)| {
            all.get_key_value(name)
                .map(|(name, identity)| (name.as_str(), identity))
                .ok_or_else(|| {
                    let origin = origin_of(matches, "identity").unwrap_or_default();
                    no_such_identity(origin, name, source)
                })
        })
        .collect()
}

fn no_such_identity(origin: String, name: &str, source: &Source) -> UsageError {
    let known = source.file.identity.keys().map(String::as_str);
    UsageError::new(
        origin,
        format!("`{name}` is not an identity of {}", source.path.display()),
    )
    .hint(advice(name, "there are", known))
}

/// A path in the file starts at the file's directory, one on the command line at the present one.
fn relative_to(directory: &Path, path: &Path) -> PathBuf {
    if directory == Path::new(".") {
        path.to_owned()
    } else {
        directory.join(path)
    }
}

/// As [`relative_to`], for where a secret is.
fn secret_relative_to(directory: &Path, secret: SecretSource) -> SecretSource {
    if directory == Path::new(".") {
        secret
    } else {
        secret.relative_to(directory)
    }
}
