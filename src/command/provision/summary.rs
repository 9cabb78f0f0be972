//! What the report says of each identity.

use super::order::Ordered;
use super::plan::{Identity, Plan};
use crate::image::{Landed, Owner, PlannedFile};
use crate::outcome::{Asked, CertificateSummary, Change, IdentityReport, PlacementReport, Report};
use crate::pki::{Certificate, Chain};

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
    let chain = ordered.credential.chain();
    summary.certificate = Some(certificate(chain));
    summary.window = Some(ordered.window.clone());
}

fn certificate(chain: &Chain) -> CertificateSummary {
    let leaf = &chain.leaf;
    let facts = leaf.facts();
    CertificateSummary {
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        serial: facts.serial.clone(),
        names: facts.names.iter().map(ToString::to_string).collect(),
        key: facts.key.to_string(),
        signature: facts.signature.clone(),
        fingerprint: leaf.fingerprint(),
        spki_pin: leaf.spki_pin(),
        not_before: leaf.window().not_before,
        not_after: leaf.window().not_after,
        chain: chain.intermediates.iter().map(Certificate::title).collect(),
    }
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
