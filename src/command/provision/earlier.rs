//! What earlier runs have placed in the image, by their records: what stands there for another identity
//! is not overwritten, and what is no longer placed is told.

use std::collections::BTreeMap;

use super::super::{LARGEST_FILE, records};
use super::plan::Identity;
use super::{Stop, recording};
use crate::finding::{Code, Finding, Severity};
use crate::image::{HostPlace, ImageError, ImagePath, ImageRoot, Places};
use crate::outcome::Outcome;
use crate::pki::digest;
use crate::record::{self, Record, RecordedPlacement};

const CLAIMED: Code = Code::new("placement-claimed");
const LEFT_BEHIND: Code = Code::new("placement-left-behind");

/// What is to be told of a run that lands these identities.
///
/// # Errors
/// [`CLAIMED`] for files of identities that are not among them.
pub fn look(root: &ImageRoot, identities: &[Identity]) -> Result<Vec<Finding>, Stop> {
    let mut places = Places::of(root);
    let mut earlier = Vec::new();
    for name in records::listed(root)? {
        let own = identities.iter().find(|identity| identity.name == name);
        let record = records::read(&mut places, &name);
        if !own.is_some_and(|own| replaces_all(own, record.as_ref().ok())) {
            earlier.push((name, own, record));
        }
    }
    if earlier.is_empty() {
        return Ok(Vec::new());
    }
    let planned = Planned::of(&mut places, identities);
    let (mut told, mut claimed) = (Vec::new(), Vec::new());
    for (name, own, record) in earlier {
        match (record, own) {
            (Ok(record), Some(own)) => {
                told.extend(left_behind(&mut places, &planned, own, &record))
            }
            (Ok(record), None) => {
                claimed.extend(claims(&mut places, &planned, &name, &record.placements));
            }
            (Err(unread), _) => {
                told.push(unknown(&name, *unread));
                claimed.extend(claims(&mut places, &planned, &name, &[]));
            }
        }
    }
    if claimed.is_empty() {
        Ok(told)
    } else {
        Err(Stop::all(Outcome::Image, claimed))
    }
}

/// Whether it is placed where it was, as is nearly always so; a record that cannot be read is replaced too.
fn replaces_all(identity: &Identity, earlier: Option<&Record>) -> bool {
    let placed = earlier.map_or(&[][..], |record| &record.placements);
    placed.iter().all(|placed| {
        let mut placements = identity.placements.iter();
        placements.any(|placement| placement.path.as_str() == placed.path)
    })
}

/// Where the run's own files are or would be.
struct Planned<'a>(Vec<(HostPlace, &'a Identity, ImagePath)>);

impl<'a> Planned<'a> {
    fn of(places: &mut Places<'_>, identities: &'a [Identity]) -> Self {
        let mut all = Vec::new();
        for identity in identities {
            let paths = identity.placements.iter().map(|placement| &placement.path);
            for path in paths.cloned().chain(recording::in_image(&identity.name)) {
                let place = HostPlace::in_image(places, &path);
                all.extend(place.map(|place| (place, identity, path)));
            }
        }
        Self(all)
    }

    fn at(&self, place: &HostPlace) -> Option<(&'a str, &ImagePath)> {
        let found = self.0.iter().find(|(planned, ..)| planned == place)?;
        Some((&found.1.name, &found.2))
    }
}

/// For each identity of the run, which of its files stand there for `other`.
fn claims(
    places: &mut Places<'_>,
    planned: &Planned<'_>,
    other: &str,
    placed: &[RecordedPlacement],
) -> Vec<Finding> {
    let record = recording::in_image(other).and_then(|path| HostPlace::in_image(places, &path));
    let mut taken: Vec<_> = record
        .and_then(|place| planned.at(&place))
        .into_iter()
        .collect();
    for placement in placed {
        let Ok(path) = placement.path.parse() else {
            continue;
        };
        let place = HostPlace::in_image(places, &path);
        let ours = place.and_then(|place| planned.at(&place));
        taken.extend(ours.filter(|_| stands(places, &path, placement)));
    }
    let mut claimed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (identity, path) in taken {
        claimed.entry(identity).or_default().push(path.to_string());
    }
    claimed
        .into_iter()
        .map(|(identity, paths)| refused(identity, other, paths))
        .collect()
}

fn refused(identity: &str, other: &str, paths: Vec<String>) -> Finding {
    let record = record::path(other);
    let belong = if paths.len() == 1 {
        "belongs"
    } else {
        "belong"
    };
    let summary = format!(
        "{} {belong} to {other}, which this run does not bake",
        paths.join(" and ")
    );
    Finding::error(CLAIMED, summary)
        .about(identity)
        .in_file(paths[0].as_str())
        .fact("paths", paths)
        .fact("placed_by", other)
        .hint(format!(
            "if {identity} replaces {other}, remove {record} from the image and run again; if {other} has other paths by now, bake both in one run; if neither, give each its own paths"
        ))
}

/// What another identity has placed cannot be spared where its record cannot be read.
fn unknown(other: &str, unread: Finding) -> Finding {
    let summary = format!(
        "cannot tell which files belong to {other}: {}",
        unread.summary
    );
    Finding {
        severity: Severity::Warning,
        summary,
        ..unread
    }
    .hint(format!(
        "repair its record, or remove it if {other} no longer exists: until then `certbake check` fails on this image"
    ))
}

/// What the run before has placed for this identity, and this one does not replace.
fn left_behind(
    places: &mut Places<'_>,
    planned: &Planned<'_>,
    identity: &Identity,
    earlier: &Record,
) -> Option<Finding> {
    let mut paths = Vec::new();
    for placement in &earlier.placements {
        let Ok(path) = placement.path.parse::<ImagePath>() else {
            continue;
        };
        let place = HostPlace::in_image(places, &path);
        let elsewhere = place.is_some_and(|place| planned.at(&place).is_none());
        if elsewhere && stands(places, &path, placement) {
            paths.push(path.to_string());
        }
    }
    let first = paths.first()?.clone();
    let (name, stand) = (
        &identity.name,
        if paths.len() == 1 {
            "is left in the image"
        } else {
            "are left in the image"
        },
    );
    let summary = format!(
        "{} {stand} from the previous run, and {name} is no longer placed there",
        paths.join(" and ")
    );
    let finding = Finding::warning(LEFT_BEHIND, summary)
        .about(name)
        .in_file(first)
        .fact("paths", paths)
        .hint("nothing renews it there: point whatever reads it to the new path, then remove it from the image; this is reported once");
    Some(finding)
}

/// Whether there is what was placed there. What may not be read counts as that.
fn stands(places: &mut Places<'_>, path: &ImagePath, placed: &RecordedPlacement) -> bool {
    match places.read_and_examine(path, LARGEST_FILE) {
        Ok((bytes, _)) => digest::sha256_hex(&zeroize::Zeroizing::new(bytes)) == placed.sha256,
        Err(error) => matches!(
            error,
            ImageError::Io { .. } | ImageError::NotPermitted { .. }
        ),
    }
}
