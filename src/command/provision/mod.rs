//! `provision`: ask, prove, land, record. The order of the steps is the promise: the image is
//! prepared before anything is asked, and nothing is written before every gate has passed.

mod approach;
mod batch;
mod content;
mod discarded;
mod earlier;
mod landing;
mod order;
mod plan;
mod recording;
mod signing_keys;
mod summary;

pub(super) use content::{not_for_java, password};
pub(super) use earlier::look as look_at_earlier;
pub(super) use landing::slots;
pub use plan::{Candidate, Content, Identity, Pkcs12, Placement, Plan};
pub(super) use recording::can_be_copied;
pub use recording::in_image as record_path;
pub(super) use signing_keys::inside as signing_keys_inside;

use std::time::{Duration, Instant};

use super::parallel;
use super::{Context, INTERNAL, foresee, revoke};
use crate::authority::Order;
use crate::finding::{Code, Finding};
use crate::image::{self, ImageRoot, Landed, Staging};
use crate::outcome::{AuthorityPlace, IdentityReport, Outcome, Report};
use crate::pki::{PrivateKey, SigningRequest};
use approach::Approach;
use content::Passwords;
use order::Ordered;
use recording::Texts;

const DRY_RUN: Code = Code::new("dry-run");
const TTL_BELOW_FLOOR: Code = Code::new("ttl-below-floor");

/// How long revoking what was not written may take: the build has failed, and waits.
const TAKING_BACK: Duration = Duration::from_secs(20);

/// Bakes every identity of the plan, all or none.
pub fn run(plan: &Plan, context: &Context<'_>) -> Report {
    let mut report = Report::new("provision", context.now);
    report.root = Some(plan.root.display().to_string());
    report.dry_run = plan.dry_run;
    report.identities = plan.identities.iter().map(summary::asked).collect();
    match bake(plan, context, &mut report) {
        Ok(()) => {}
        Err(stop) => {
            if stop.half_done {
                summary::half_done(&mut report);
            }
            report.conclude(stop.outcome);
            report.findings.extend(stop.findings);
        }
    }
    report
        .findings
        .extend(plan.identities.iter().flat_map(Identity::finish));
    report
}

/// Why the run ends before its end.
pub(super) struct Stop {
    pub(super) outcome: Outcome,
    pub(super) findings: Vec<Finding>,
    /// Who had been asked by then.
    authority: Option<AuthorityPlace>,
    /// Some of the new files may stand in the image all the same.
    half_done: bool,
}

impl Stop {
    fn new(outcome: Outcome, finding: Finding) -> Self {
        Self::all(outcome, vec![finding])
    }

    pub(super) const fn all(outcome: Outcome, findings: Vec<Finding>) -> Self {
        Self {
            outcome,
            findings,
            authority: None,
            half_done: false,
        }
    }
}

impl From<crate::image::ImageError> for Stop {
    fn from(error: crate::image::ImageError) -> Self {
        Self {
            half_done: matches!(error, crate::image::ImageError::HalfDone { .. }),
            ..Self::new(Outcome::Image, error.finding())
        }
    }
}

fn bake(plan: &Plan, context: &Context<'_>, report: &mut Report) -> Result<(), Stop> {
    reachable_floors(&plan.identities)?;
    recording::can_be_written(plan, context)?;
    let root = ImageRoot::open(&plan.root)?;
    let slots = landing::slots(&plan.identities)?;
    report
        .findings
        .extend(signing_keys::inside(&root, &plan.identities));
    let passwords = Passwords::read(plan)?;
    report.findings.extend(passwords.warnings.iter().cloned());
    if plan.dry_run {
        image::to_recover(&root)?;
        let planned = Staging::rehearse(&root, slots)?;
        report
            .findings
            .extend(earlier::look(&root, &plan.identities)?);
        summary::planned(report, plan, &planned);
        return rehearse(plan, context, report);
    }
    let staging = Staging::prepare(&root, slots)?;
    report.findings.extend(staging.notes().iter().cloned());
    let of_earlier = earlier::look(&root, &plan.identities)?;
    let approaches = approach_all(plan, context, report)?;
    let (ordered, stop) = order_all(approaches, context, report);
    let landed = match stop {
        Some(stop) => Err(stop),
        None => land(plan, context, staging, &ordered, &passwords),
    };
    let (landed, records) = landed.map_err(|mut stop| {
        if stop.half_done {
            return stop;
        }
        if plan.revoke_on_failure {
            stop.findings.extend(take_back(&ordered, context));
        } else {
            stop.findings.extend(discarded::told(&ordered, context));
        }
        stop
    })?;
    summary::landed(report, plan, &landed);
    report.findings.extend(landed.notes.iter().cloned());
    report.findings.extend(of_earlier);
    landing::verify(&root, &landed).map_err(|findings| Stop::all(Outcome::Flawed, findings))?;
    recording::write_outside(&records)
}

/// Writes everything beside its place and swaps it in as one set; the records are returned too.
fn land<'p>(
    plan: &'p Plan,
    context: &Context<'_>,
    staging: Staging,
    ordered: &[Ordered],
    passwords: &Passwords,
) -> Result<(Landed, Texts<'p>), Stop> {
    let contents = landing::contents(plan, context, ordered, passwords, &staging.planned())?;
    let records = recording::texts(plan, &contents);
    context.progress.step("writing into the image");
    Ok((staging.write(contents)?.commit()?, records))
}

/// Has every certificate revoked that was issued and will not land.
fn take_back(ordered: &[Ordered], context: &Context<'_>) -> Vec<Finding> {
    context.progress.step("revoking what was not written");
    let findings = parallel::map(ordered.iter().collect(), |ordered: &Ordered| {
        let credential = &ordered.credential;
        let (leaf, key) = (credential.leaf(), credential.key());
        revoke::take_back(&ordered.candidate, leaf, key, TAKING_BACK)
            .into_iter()
            .map(|finding| finding.about(&ordered.identity))
            .collect::<Vec<_>>()
    });
    findings.into_iter().flatten().collect()
}

/// A floor above the lifetime that is asked for can never hold: no certificate is spent on it.
fn reachable_floors(identities: &[Identity]) -> Result<(), Stop> {
    let findings: Vec<Finding> = identities.iter().filter_map(unreachable_floor).collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Stop::all(Outcome::Window, findings))
    }
}

pub(super) fn unreachable_floor(identity: &Identity) -> Option<Finding> {
    let (ttl, floor) = (identity.ttl?, identity.policy.floor.as_ref()?);
    let required = floor.required(ttl.duration());
    (required > ttl).then(|| {
        Finding::error(
            TTL_BELOW_FLOOR,
            format!("a certificate with a ttl of {ttl} cannot stay valid for the {required} that the build requires"),
        )
        .about(&identity.name)
        .fact("ttl_seconds", ttl.as_seconds())
        .fact("ttl_from", identity.ttl_origin.as_str())
        .fact("floor_seconds", required.as_seconds())
        .fact("floor", floor.to_string())
        .fact("floor_from", identity.policy.floor_origin.clone())
        .hint(format!("ask for a ttl above {required}, or lower the floor; nothing was requested and nothing written"))
    })
}

/// Asks what speaks against each order, all at once: no certificate is spent where one of them
/// could not be had.
fn approach_all<'a>(
    plan: &'a Plan,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Vec<Approach<'a>>, Stop> {
    let approaches: Vec<_> = plan.identities.iter().map(Approach::new).collect();
    if !approaches.iter().any(Approach::looks_first) {
        return Ok(approaches);
    }
    let answers = parallel::map(approaches, |approach| approach.settled(context));
    let (approaches, stop) = gather(&mut report.identities, answers);
    stop.map_or(Ok(approaches.into_iter().flatten().collect()), Err)
}

/// Orders every identity at once; one that fails ends the run, after all have answered.
fn order_all(
    approaches: Vec<Approach<'_>>,
    context: &Context<'_>,
    report: &mut Report,
) -> (Vec<Ordered>, Option<Stop>) {
    let answers = batch::order_all(approaches, context);
    let (answers, stop) = gather(&mut report.identities, answers);
    let mut stop = stop.unwrap_or_else(|| Stop::all(Outcome::Ok, Vec::new()));
    let mut all = Vec::new();
    for (summary, ordered) in report.identities.iter_mut().zip(answers) {
        let Some(mut ordered) = ordered else {
            continue;
        };
        summary::issued(summary, &ordered);
        let found = std::mem::take(&mut ordered.findings);
        let findings = found
            .into_iter()
            .map(|finding| finding.about(&summary.name));
        if ordered.outcome == Outcome::Ok {
            report.findings.extend(findings);
        } else {
            stop.outcome = stop.outcome.max(ordered.outcome);
            stop.findings.extend(findings);
        }
        all.push(ordered);
    }
    let failed = stop.outcome != Outcome::Ok;
    (all, failed.then_some(stop))
}

/// What came for each identity, and everything that failed as one.
fn gather<T>(
    identities: &mut [IdentityReport],
    answers: Vec<Result<T, Stop>>,
) -> (Vec<Option<T>>, Option<Stop>) {
    let mut failed: Option<Stop> = None;
    let mut came = Vec::new();
    for (answer, summary) in answers.into_iter().zip(identities) {
        let stop = match answer {
            Ok(answer) => {
                came.push(Some(answer));
                continue;
            }
            Err(stop) => stop,
        };
        came.push(None);
        if stop.authority.is_some() {
            summary.authority.clone_from(&stop.authority);
        }
        let all = failed.get_or_insert_with(|| Stop::all(Outcome::Ok, Vec::new()));
        all.outcome = all.outcome.max(stop.outcome);
        let findings = stop.findings.into_iter();
        all.findings
            .extend(findings.map(|finding| finding.about(&summary.name)));
    }
    (came, failed)
}

/// What a dry run can still find out: requests that cannot be made, and what authorities tell beforehand.
fn rehearse(plan: &Plan, context: &Context<'_>, report: &mut Report) -> Result<(), Stop> {
    let said = foresee::whole(&plan.identities, context, None)?;
    for (at, identity) in plan.identities.iter().enumerate() {
        let of_identity: Vec<_> = said
            .iter()
            .filter(|said| std::ptr::eq(said.identity, identity))
            .collect();
        let asked = foresee::would_be_asked(&of_identity);
        if let (Some(asked), Some(summary)) = (asked, report.identities.get_mut(at)) {
            summary.authority = Some(asked.place());
        }
        let (outcome, findings) = foresee::weigh(&of_identity);
        report.conclude(outcome);
        report.findings.extend(findings);
    }
    report.findings.push(
        Finding::note(
            DRY_RUN,
            "no certificate was requested and nothing was written",
        )
        .hint("run it again without --dry-run"),
    );
    Ok(())
}

/// A fresh key and the order for it.
pub(super) fn request(identity: &Identity) -> Result<(PrivateKey, Order), Stop> {
    let internal = |reason: String| Stop::new(Outcome::Internal, Finding::error(INTERNAL, reason));
    let key = PrivateKey::generate(identity.key_algorithm)
        .map_err(|error| internal(error.to_string()))?;
    let request = SigningRequest::new(
        &key,
        identity.subject.clone(),
        identity.names.clone(),
        identity.usage,
    )
    .map_err(|error| internal(error.to_string()))?;
    let deadline = Instant::now() + identity.deadline.std();
    Ok((
        key,
        Order {
            request,
            ttl: identity.ttl,
            deadline,
        },
    ))
}
