//! Files beside the image that a run writes: none of them may take the place of another, of what is
//! baked, or of the configuration file.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::Args;
use super::draft::{Draft, origin_of};
use crate::cli::args::shared::ReportArgs;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;
use crate::command::provision::{Identity, record_path};
use crate::image::{self, HostPlace, ImagePath, ImageRoot};
use crate::record::DIRECTORY;
use crate::report::Selection;

pub const CONFIGURATION: &str = "the configuration file";

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
        error.hint("give it its own path; nothing was requested and nothing written")
    }
}

/// # Errors
/// The first file that would take another's place, by its flag or key.
pub fn nothing_is_overwritten(
    args: &Args,
    drafts: &[Draft<'_>],
    identities: &[Identity],
    source: Option<&Source>,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    let beside = beside(args, drafts, identities, matches);
    if beside.is_empty() {
        return Ok(());
    }
    let baked = baked(identities);
    // A root that cannot be opened is told later.
    let root = args.root.as_deref().map(ImageRoot::open);
    let root = root.and_then(Result::ok);
    let config = source.and_then(|source| HostPlace::of(&source.path));
    let mut seen: Vec<(HostPlace, &str)> = Vec::new();
    for file in &beside {
        let Some(place) = HostPlace::of(&file.path) else {
            continue;
        };
        if config.as_ref() == Some(&place) {
            return Err(file.refused(&format!("is {CONFIGURATION}")));
        }
        if let Some((_, other)) = seen.iter().find(|(other, _)| *other == place) {
            return Err(file.refused(&format!("is already the path of {other}")));
        }
        let paths = baked.iter().map(|(path, _)| path);
        if let Some(path) = root.as_ref().and_then(|root| place.among(root, paths)) {
            let what = baked.iter().find(|(other, _)| other == path);
            let what = what.map(|(_, what)| what.as_str()).unwrap_or_default();
            return Err(file.refused(&format!("is {path} in the image, where {what} goes")));
        }
        seen.push((place, &file.what));
    }
    Ok(())
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
    let records: ImagePath = DIRECTORY.parse().expect("a constant absolute path");
    let root = root.map(ImageRoot::open).and_then(Result::ok);
    for file in reports_beside(reports, matches) {
        let Some(place) = HostPlace::of(&file.path) else {
            continue;
        };
        let is_there = |path: &PathBuf| HostPlace::of(path).as_ref() == Some(&place);
        if let Some((_, what)) = inputs.iter().find(|(paths, _)| paths.iter().any(is_there)) {
            return Err(file.refused(&format!("is {what}")));
        }
        if root
            .as_ref()
            .is_some_and(|root| place.is_in(root, &records))
        {
            return Err(file.refused(&format!(
                "is in {records} in the image, which is for records"
            )));
        }
    }
    Ok(())
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
