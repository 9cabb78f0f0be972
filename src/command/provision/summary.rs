//! What the report says of each identity.

use super::order::Ordered;
use super::plan::{Identity, Plan};
use crate::image::{Landed, Owner, PlannedFile};
use crate::outcome::{Asked, CertificateSummary, Change, IdentityReport, PlacementReport, Report};
use crate::verify;

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
        authority: Some(identity.authority.authority.place()),
        placements: identity
            .placements
            .iter()
            .map(|placement| PlacementReport {
                what: placement.content.name().to_owned(),
                path: placement.path.as_str().to_owned(),
                mode: placement.mode.to_string(),
                owner: owner(&placement.owner),
                group: owner(&placement.group),
                change: Change::NotWritten,
                sha256: None,
            })
            .collect(),
        ..IdentityReport::default()
    }
}

/// What came.
pub fn issued(summary: &mut IdentityReport, ordered: &Ordered) {
    summary.certificate = Some(CertificateSummary::from(ordered.credential.chain()));
    summary.checks = verify::CHECKS.iter().map(|check| check.code).collect();
    summary.window = Some(ordered.window.clone());
}

/// Where it would land.
pub fn planned(report: &mut Report, plan: &Plan, planned: &[PlannedFile]) {
    for (summary, identity) in report.identities.iter_mut().zip(&plan.identities) {
        for (placement, line) in identity.placements.iter().zip(&mut summary.placements) {
            if planned.iter().any(|file| file.path == placement.path) {
                line.change = Change::WouldWrite;
            }
        }
    }
}

/// Where it landed.
pub fn landed(report: &mut Report, plan: &Plan, landed: &Landed) {
    for (summary, identity) in report.identities.iter_mut().zip(&plan.identities) {
        for (placement, line) in identity.placements.iter().zip(&mut summary.placements) {
            let Some(file) = landed.files.iter().find(|file| file.path == placement.path) else {
                continue;
            };
            line.change = if file.change.is_written() {
                Change::Written
            } else {
                Change::Unchanged
            };
            line.sha256 = Some(file.sha256.clone());
            if matches!(placement.owner, Owner::Running) {
                line.owner = file.uid.to_string();
            }
            if matches!(placement.group, Owner::Running) {
                line.group = file.gid.to_string();
            }
        }
    }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Running => "(running)".to_owned(),
        Owner::Id(id) => id.to_string(),
        Owner::Name(name) => name.clone(),
    }
}
