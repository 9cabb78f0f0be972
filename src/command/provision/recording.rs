//! The record, in the image as part of the set and, when asked, copied outside it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::super::Context;
use super::Stop;
use super::order::Ordered;
use super::plan::{Identity, Plan};
use crate::finding::{Code, Finding, rfc3339};
use crate::image::{self, ImagePath, PlannedFile};
use crate::outcome::Outcome;
use crate::pki::digest;
use crate::record::{
    self, Record, RecordedAuthority, RecordedCertificate, RecordedPlacement, RecordedWindow,
};
use crate::span::Span;

const RECORD_UNWRITABLE: Code = Code::new("record-unwritable");

/// What builders say of the build, by variable; only names that never hold a secret.
const BUILD_FACTS: &[(&str, &str)] = &[
    ("PACKER_BUILD_NAME", "packer_build_name"),
    ("PACKER_BUILDER_TYPE", "packer_builder_type"),
    ("GITHUB_REPOSITORY", "github_repository"),
    ("GITHUB_WORKFLOW", "github_workflow"),
    ("GITHUB_RUN_ID", "github_run_id"),
    ("GITHUB_RUN_ATTEMPT", "github_run_attempt"),
    ("GITHUB_SHA", "git_commit"),
    ("CI_PROJECT_PATH", "gitlab_project"),
    ("CI_PIPELINE_ID", "gitlab_pipeline_id"),
    ("CI_JOB_ID", "gitlab_job_id"),
    ("CI_COMMIT_SHA", "git_commit"),
    ("JOB_NAME", "jenkins_job"),
    ("BUILD_NUMBER", "jenkins_build"),
    ("GIT_COMMIT", "git_commit"),
];

/// Where an identity's record stands in the image; `None` for a name that makes no path.
pub fn in_image(identity: &str) -> Option<ImagePath> {
    record::path(identity).parse().ok()
}

/// Where an identity's record stands in the image.
pub fn path(identity: &str) -> Result<ImagePath, Stop> {
    in_image(identity).ok_or_else(|| {
        let reason = format!("{identity:?} cannot be the name of a record");
        Stop::new(Outcome::Usage, Finding::error(RECORD_UNWRITABLE, reason))
    })
}

/// The text of every identity's record.
pub fn all(
    plan: &Plan,
    context: &Context<'_>,
    ordered: &[Ordered],
    contents: &[image::Content],
    planned: &[PlannedFile],
) -> Result<Vec<String>, Stop> {
    let baked_at = baked_at(context)?;
    let build = build_facts(context);
    plan.identities
        .iter()
        .zip(ordered)
        .map(|(identity, ordered)| {
            let record = Record {
                baked_at: rfc3339(baked_at),
                placements: placements(identity, contents, planned),
                build: build.clone(),
                ..facts(identity, ordered)
            };
            let text = serde_json::to_string_pretty(&record).map_err(|error| {
                Stop::new(
                    Outcome::Internal,
                    Finding::error(RECORD_UNWRITABLE, error.to_string()).about(&identity.name),
                )
            })?;
            Ok(text + "\n")
        })
        .collect()
}

fn facts(identity: &Identity, ordered: &Ordered) -> Record {
    let leaf = ordered.credential.leaf();
    let window = &ordered.window;
    let place = ordered.candidate.place();
    Record {
        schema: 1,
        identity: identity.name.clone(),
        certbake: env!("CARGO_PKG_VERSION").to_owned(),
        baked_at: String::new(),
        certificate: RecordedCertificate {
            subject: leaf.facts().subject.clone(),
            issuer: leaf.facts().issuer.clone(),
            serial: leaf.facts().serial.clone(),
            names: leaf.facts().names.clone(),
            usage: identity.usage,
            key: identity.key_algorithm,
            fingerprint: leaf.fingerprint(),
            spki_pin: leaf.spki_pin(),
            not_before: rfc3339(leaf.window().not_before),
            not_after: rfc3339(leaf.window().not_after),
            pem: Some(leaf.pem()),
        },
        window: RecordedWindow {
            not_before: rfc3339(window.not_before),
            not_after: rfc3339(window.not_after),
            limited_by: window.limited_by.clone(),
            floor_seconds: window
                .floor
                .as_ref()
                .map(|floor| u32::try_from(floor.required.as_seconds()).unwrap_or(u32::MAX)),
            floor: window.floor.as_ref().map(|floor| floor.stated.clone()),
            rebuild_by: rfc3339(window.rebuild_by.unwrap_or(window.not_after)),
        },
        asked_lifetime_seconds: identity.ttl.map(Span::as_seconds),
        granted_lifetime_seconds: leaf.window().lifetime().whole_seconds(),
        authority: RecordedAuthority {
            kind: place.kind,
            name: place.name,
            place: place.place,
        },
        placements: Vec::new(),
        build: BTreeMap::new(),
    }
}

fn placements(
    identity: &Identity,
    contents: &[image::Content],
    planned: &[PlannedFile],
) -> Vec<RecordedPlacement> {
    identity
        .placements
        .iter()
        .filter_map(|placement| {
            let content = contents
                .iter()
                .find(|content| content.path == placement.path)?;
            let planned = planned
                .iter()
                .find(|planned| planned.path == placement.path)?;
            Some(RecordedPlacement {
                what: placement.content.name().to_owned(),
                path: placement.path.as_str().to_owned(),
                mode: placement.mode.to_string(),
                uid: planned.uid,
                gid: planned.gid,
                sha256: digest::sha256_hex(content.bytes.expose()),
            })
        })
        .collect()
}

/// `SOURCE_DATE_EPOCH` makes the one date that is ours to choose repeatable
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn baked_at(context: &Context<'_>) -> Result<OffsetDateTime, Stop> {
    let Some(text) = (context.environment)("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty())
    else {
        return Ok(context.now);
    };
    text.parse()
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| {
            Stop::new(
                Outcome::Usage,
                Finding::error(
                    RECORD_UNWRITABLE,
                    format!(
                        "SOURCE_DATE_EPOCH is {text:?}, which is not a number of seconds since 1970"
                    ),
                )
                .hint(
                    "set it to whole seconds, for example $(git log -1 --format=%ct), or unset it",
                ),
            )
        })
}

fn build_facts(context: &Context<'_>) -> BTreeMap<String, String> {
    BUILD_FACTS
        .iter()
        .filter_map(|(variable, name)| {
            let value = (context.environment)(variable)
                .filter(|value| !value.is_empty() && value.len() <= 300)?;
            Some(((*name).to_owned(), value))
        })
        .collect()
}

/// Each identity's record as JSON.
pub type Texts<'p> = Vec<(&'p Identity, Vec<u8>)>;

/// The records as they stand in the image, to be copied outside.
pub fn texts<'p>(plan: &'p Plan, contents: &[image::Content]) -> Texts<'p> {
    plan.identities
        .iter()
        .filter_map(|identity| {
            let path = path(&identity.name).ok()?;
            let content = contents.iter().find(|content| content.path == path)?;
            Some((identity, content.bytes.expose().to_vec()))
        })
        .collect()
}

/// No certificate is spent on a run that would end in a record that cannot be written.
pub fn can_be_written(plan: &Plan, context: &Context<'_>) -> Result<(), Stop> {
    baked_at(context)?;
    for identity in &plan.identities {
        can_be_copied(identity).map_err(|finding| Stop::new(Outcome::Usage, finding))?;
    }
    Ok(())
}

/// # Errors
/// Why the record cannot be written where it is to be copied to.
pub fn can_be_copied(identity: &Identity) -> Result<(), Finding> {
    let Some(file) = &identity.record else {
        return Ok(());
    };
    image::can_write_host_file(file).map_err(|error| {
        let summary = format!("the record cannot be copied to {}: {error}", file.display());
        Finding::error(RECORD_UNWRITABLE, summary)
            .about(&identity.name)
            .in_file(file.display().to_string())
            .hint("nothing was requested and nothing written: correct the path (--record, or record in the file)")
    })
}

/// Writes the copies that were asked for. The image is complete by now, so a failure here says so.
pub fn write_outside(records: &Texts<'_>) -> Result<(), Stop> {
    for (identity, text) in records {
        let Some(file) = &identity.record else {
            continue;
        };
        image::write_host_file(file, text).map_err(|reason| {
            Stop::new(
                Outcome::Image,
                Finding::error(RECORD_UNWRITABLE, format!("the record could not be copied outside the image: {reason}"))
                    .about(&identity.name)
                    .in_file(file.display().to_string())
                    .hint("the image itself is complete and contains its record: correct the path, and copy the record from the image"),
            )
        })?;
    }
    Ok(())
}
