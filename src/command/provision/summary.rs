//! What the report says of each identity.

use time::Duration;

use super::order::Ordered;
use super::plan::{Candidate, Identity, Placement, Plan};
use super::recording;
use crate::image::{Landed, Owner, PlannedFile, running};
use crate::outcome::{
    Asked, CertificateSummary, Change, IdentityReport, PlacementReport, Rehearsal, Report,
    StatedFloor,
};
use crate::pki::Floor;
use crate::span::Span;

/// What is asked for, before anything happened.
pub fn asked(identity: &Identity) -> IdentityReport {
    IdentityReport {
        name: identity.name.clone(),
        asked: Some(Asked {
            subject: identity.subject.to_string(),
            names: identity.names.iter().map(ToString::to_string).collect(),
            key: identity.key_algorithm.to_string(),
            ttl: identity.ttl,
        }),
        authority: identity.candidates.first().map(Candidate::place),
        placements: identity
            .placements
            .iter()
            .map(|placement| PlacementReport {
                what: placement.content.name().to_owned(),
                path: placement.path.as_str().to_owned(),
                mode: placement.mode.to_string(),
                owner: owner(&placement.owner, running().0),
                group: owner(&placement.group, running().1),
                change: Change::NotWritten,
                sha256: None,
            })
            .collect(),
        ..IdentityReport::default()
    }
}

/// What came.
pub fn issued(summary: &mut IdentityReport, ordered: &Ordered) {
    summary.authority = Some(ordered.candidate.place());
    summary.certificate = Some(CertificateSummary::from(ordered.credential.chain()));
    summary.checks = ordered.checks.clone();
    summary.window = Some(ordered.window.clone());
}

/// Where it would land, and what it would be held against.
pub fn planned(report: &mut Report, plan: &Plan, planned: &[PlannedFile]) {
    for (summary, identity) in report.identities.iter_mut().zip(&plan.identities) {
        let record = recording::in_image(&identity.name);
        let record = planned
            .iter()
            .find(|file| Some(&file.path) == record.as_ref());
        summary.rehearsal = record.map(|record| rehearsal(identity, record));
    }
    for (placement, line) in lines(report, plan) {
        if planned.iter().any(|file| file.path == placement.path) {
            line.change = Change::WouldWrite;
        }
    }
}

fn rehearsal(identity: &Identity, record: &PlannedFile) -> Rehearsal {
    let floor = identity.policy.floor.as_ref().map(|floor| StatedFloor {
        required: match (floor, identity.ttl) {
            (Floor::Percent(_), None) => None,
            (_, ttl) => Some(floor.required(ttl.map_or(Duration::ZERO, Span::duration))),
        },
        stated: floor.to_string(),
        origin: identity.policy.floor_origin.clone(),
    });
    Rehearsal {
        floor,
        record: PlacementReport {
            what: record.label.clone(),
            path: record.path.to_string(),
            mode: record.mode.to_string(),
            owner: record.uid.to_string(),
            group: record.gid.to_string(),
            change: Change::WouldWrite,
            sha256: None,
        },
        record_copy: identity
            .record
            .as_ref()
            .map(|path| path.display().to_string()),
    }
}

/// Where it landed.
pub fn landed(report: &mut Report, plan: &Plan, landed: &Landed) {
    for (placement, line) in lines(report, plan) {
        if let Some(file) = landed.files.iter().find(|file| file.path == placement.path) {
            line.change = if file.change.is_written() {
                Change::Written
            } else {
                Change::Unchanged
            };
            line.sha256 = Some(file.sha256.clone());
        }
    }
}

/// Nobody knows which files are the new ones.
pub fn half_done(report: &mut Report) {
    let identities = report.identities.iter_mut();
    for line in identities.flat_map(|summary| &mut summary.placements) {
        line.change = Change::Unknown;
    }
}

/// Every placement of the plan beside its line in the report.
fn lines<'a>(
    report: &'a mut Report,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a Placement, &'a mut PlacementReport)> {
    report
        .identities
        .iter_mut()
        .zip(&plan.identities)
        .flat_map(|(summary, identity)| identity.placements.iter().zip(&mut summary.placements))
}

fn owner(owner: &Owner, running: u32) -> String {
    match owner {
        Owner::Running => running.to_string(),
        Owner::Id(id) => id.to_string(),
        Owner::Name(name) => name.clone(),
    }
}
