//! What a run writes, in the image and beside it: none of it may take the place of another, or of what
//! the run reads.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::Args;
use super::draft::{Draft, origin_of};
use super::inputs::{Input, is_renewed};
use crate::cli::args::shared::ReportArgs;
use crate::cli::usage::UsageError;
use crate::command::provision::{Identity, record_path};
use crate::image::{self, HostPlace, ImagePath, ImageRoot, Places, Target};
use crate::record::DIRECTORY;
use crate::report::Selection;

pub const CONFIGURATION: &str = "the configuration file";

const OWN_PATH: &str = "give it its own path; nothing was requested and nothing written";

/// A file that is written beside the image, and whose word it is.
struct Beside<'a> {
    path: PathBuf,
    what: String,
    said: Said<'a>,
}

enum Said<'a> {
    /// A record's path, by a flag or in the configuration file.
    Record(&'a Draft<'a>),
    /// A report's, by this flag or variable.
    Report(String),
}

impl Beside<'_> {
    fn refused(&self, why: &str) -> UsageError {
        let reason = format!("{} {why}", self.path.display());
        let error = match &self.said {
            Said::Record(draft) => draft.error("record", reason),
            Said::Report(by) => UsageError {
                of_reports: true,
                ..UsageError::new(by.clone(), reason)
            },
        };
        error.hint(OWN_PATH)
    }
}

/// # Errors
/// The first file that would take another's place, or that of one that is read, by its flag or key.
pub fn nothing_is_overwritten(
    args: &Args,
    drafts: &[Draft<'_>],
    identities: &[Identity],
    inputs: &[Input],
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    // A root that cannot be opened is told later.
    let root = args.root.as_deref().map(ImageRoot::open);
    let root = root.and_then(Result::ok);
    if let Some(root) = &root {
        no_input_is_baked_over(root, drafts, identities, inputs)?;
    }
    let baked = baked(identities);
    let mut seen: Vec<(HostPlace, &str)> = Vec::new();
    let beside = beside(args, drafts, identities, matches);
    for file in &beside {
        let Some(target) = Target::of(&file.path) else {
            continue;
        };
        if let Some(why) = first_hit(inputs, &target) {
            return Err(file.refused(&why));
        }
        let place = target.place();
        if let Some((_, other)) = seen.iter().find(|(other, _)| other == place) {
            return Err(file.refused(&format!("is already the path of {other}")));
        }
        let paths = baked.iter().map(|(path, _)| path);
        if let Some(path) = root.as_ref().and_then(|root| place.among(root, paths)) {
            let what = baked.iter().find(|(other, _)| other == path);
            let what = what.map(|(_, what)| what.as_str()).unwrap_or_default();
            return Err(file.refused(&format!("is {path} in the image, where {what} goes")));
        }
        if let Some(why) = root.as_ref().and_then(|root| among_records(root, place)) {
            return Err(file.refused(&why));
        }
        seen.push((place.clone(), &file.what));
    }
    Ok(())
}

/// What a run reads may be part of the image: it has to be there still when the run has ended.
fn no_input_is_baked_over(
    root: &ImageRoot,
    drafts: &[Draft<'_>],
    identities: &[Identity],
    inputs: &[Input],
) -> Result<(), UsageError> {
    let mut places = Places::of(root);
    for (draft, identity) in drafts.iter().zip(identities) {
        let placements = identity.placements.iter();
        let replaced: Vec<_> = placements
            .filter_map(|placement| {
                let target = Target::in_image(&mut places, &placement.path)?;
                Some((placement, target))
            })
            .collect();
        let contents: Vec<_> = replaced
            .iter()
            .map(|(placement, target)| (&placement.content, target))
            .collect();
        for (placement, target) in &replaced {
            let mut spared = inputs
                .iter()
                .filter(|it| !is_renewed(it, inputs, &contents));
            if let Some(why) = spared.find_map(|input| input.is_hit_by(target)) {
                let key = format!("placements.{}", placement.content.name().replace('-', "_"));
                let reason = format!("{} in the image {why}", placement.path);
                return Err(draft.error(&key, reason).hint(OWN_PATH));
            }
        }
        let record = record_path(&identity.name);
        let record = record.and_then(|path| Target::in_image(&mut places, &path));
        if let Some(why) = record.and_then(|target| first_hit(inputs, &target)) {
            let reason = format!("its record in the image {why}");
            return Err(draft.error("", reason).hint(OWN_PATH));
        }
    }
    Ok(())
}

fn first_hit(inputs: &[Input], target: &Target) -> Option<String> {
    inputs.iter().find_map(|input| input.is_hit_by(target))
}

/// For a run that bakes nothing: what it reads, and the records in an image, are spared by its reports.
///
/// # Errors
/// The first report that would take the place of one.
pub fn inputs_are_spared(
    reports: &ReportArgs,
    inputs: &[(&[PathBuf], &str)],
    root: Option<&Path>,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    let root = root.map(ImageRoot::open).and_then(Result::ok);
    for file in reports_beside(reports, matches) {
        let Some(place) = HostPlace::of(&file.path) else {
            continue;
        };
        let is_there = |path: &PathBuf| HostPlace::of(path).as_ref() == Some(&place);
        if let Some((_, what)) = inputs.iter().find(|(paths, _)| paths.iter().any(is_there)) {
            return Err(file.refused(&format!("is {what}")));
        }
        if let Some(why) = root.as_ref().and_then(|root| among_records(root, &place)) {
            return Err(file.refused(&why));
        }
    }
    Ok(())
}

fn among_records(root: &ImageRoot, place: &HostPlace) -> Option<String> {
    let records: ImagePath = DIRECTORY.parse().expect("a constant absolute path");
    let is_among = place.is_in(root, &records);
    is_among.then(|| format!("is in {records} in the image, which is for records"))
}

fn reports_beside<'a>(
    reports: &ReportArgs,
    matches: &ArgMatches,
) -> impl Iterator<Item = Beside<'a>> {
    let said = origin_of(matches, "report").unwrap_or_default();
    reports.report.iter().filter_map(move |text| {
        let selection: Selection = text.parse().ok()?;
        Some(Beside {
            path: file(selection.path?)?,
            what: format!("the {} report", selection.format.name),
            said: Said::Report(said.clone()),
        })
    })
}

fn beside<'a>(
    args: &Args,
    drafts: &'a [Draft<'a>],
    identities: &[Identity],
    matches: &ArgMatches,
) -> Vec<Beside<'a>> {
    let reports = reports_beside(&args.report, matches);
    let records = drafts
        .iter()
        .zip(identities)
        .filter_map(|(draft, identity)| {
            Some(Beside {
                path: file(identity.record.clone()?)?,
                what: format!("the record of {}", identity.name),
                said: Said::Record(draft),
            })
        });
    reports.chain(records).collect()
}

/// A device or a descriptor is nobody's place.
fn file(path: PathBuf) -> Option<PathBuf> {
    (!image::is_stream(&path)).then_some(path)
}

/// Every file that is to be in the image, and what it holds.
fn baked(identities: &[Identity]) -> Vec<(ImagePath, String)> {
    let mut baked = Vec::new();
    for identity in identities {
        for placement in &identity.placements {
            let what = format!(
                "the {} placement of {}",
                placement.content.name(),
                identity.name
            );
            baked.push((placement.path.clone(), what));
        }
        if let Some(path) = record_path(&identity.name) {
            baked.push((path, format!("the record of {}", identity.name)));
        }
    }
    baked
}
