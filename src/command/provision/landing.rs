//! The slots of the set, their contents, and what stands there afterwards.

use super::super::{Context, LARGEST_FILE};
use super::content::{self, Passwords};
use super::order::Ordered;
use super::plan::{Identity, Plan};
use super::{Stop, recording};
use crate::finding::{Code, Finding};
use crate::image::{self, ImageRoot, Landed, LandedFile, Mode, Owner, Places, PlannedFile, Slot};
use crate::pki::digest;
use crate::secret::Secret;

const LANDED_DIFFERS: Code = Code::new("landed-differs");

/// Every placement of every identity, then every identity's record.
pub fn slots(identities: &[Identity]) -> Result<Vec<Slot>, Stop> {
    let mut slots = Vec::new();
    for identity in identities {
        slots.extend(identity.placements.iter().map(|placement| Slot {
            path: placement.path.clone(),
            mode: placement.mode,
            owner: placement.owner.clone(),
            group: placement.group.clone(),
            label: placement.content.name().to_owned(),
        }));
    }
    for identity in identities {
        slots.push(Slot {
            path: recording::path(&identity.name)?,
            mode: Mode::new(0o644),
            owner: Owner::Running,
            group: Owner::Running,
            label: "record".to_owned(),
        });
    }
    Ok(slots)
}

/// The content of every slot.
pub fn contents(
    plan: &Plan,
    context: &Context<'_>,
    ordered: &[Ordered],
    passwords: &Passwords,
    planned: &[PlannedFile],
) -> Result<Vec<image::Content>, Stop> {
    let mut contents = Vec::new();
    for (identity, ordered) in plan.identities.iter().zip(ordered) {
        for placement in &identity.placements {
            let bytes = content::bytes(identity, placement, &ordered.credential, passwords)?;
            contents.push(image::Content {
                path: placement.path.clone(),
                bytes,
            });
        }
    }
    let records = recording::all(plan, context, ordered, &contents, planned)?;
    for (identity, record) in plan.identities.iter().zip(records) {
        contents.push(image::Content {
            path: recording::path(&identity.name)?,
            bytes: Secret::from(record),
        });
    }
    Ok(contents)
}

/// Reads every file back through the same root.
pub fn verify(root: &ImageRoot, landed: &Landed) -> Result<(), Vec<Finding>> {
    let mut places = Places::of(root);
    let files = landed.files.iter();
    let findings: Vec<Finding> = files
        .filter_map(|file| differs(&mut places, file))
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

fn differs(places: &mut Places<'_>, file: &LandedFile) -> Option<Finding> {
    let what = read_back(places, file).err()?;
    Some(
        Finding::error(
            LANDED_DIFFERS,
            format!("{} in the image is not as written: {what}", file.path),
        )
        .in_file(file.path.as_str())
        .hint("something else is writing to this image: run certbake alone, as the last step"),
    )
}

fn read_back(places: &mut Places<'_>, file: &LandedFile) -> Result<(), String> {
    let (bytes, metadata) = places
        .read_and_examine(&file.path, LARGEST_FILE)
        .map_err(|error| error.to_string())?;
    let bytes = zeroize::Zeroizing::new(bytes);
    if digest::sha256_hex(&bytes) != file.sha256 {
        return Err("its content differs".to_owned());
    }
    if (metadata.mode, metadata.uid, metadata.gid) != (file.mode, file.uid, file.gid) {
        return Err(format!(
            "its mode and owner are {} {}:{}",
            metadata.mode, metadata.uid, metadata.gid
        ));
    }
    Ok(())
}
