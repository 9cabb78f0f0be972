//! `provision`: ask, prove, land, record. The order of the steps is the promise: the image is
//! prepared before anything is asked, and nothing is written before every gate has passed.

mod content;
mod landing;
mod order;
mod plan;
mod recording;
mod summary;

pub use plan::{Content, Identity, Pkcs12, Placement, Plan};

use std::time::{Duration, Instant};

use super::Context;
use crate::authority::{Depth, Order};
use crate::finding::{Code, Finding};
use crate::image::{ImageRoot, Staging};
use crate::outcome::{Outcome, Report};
use crate::pki::{PrivateKey, SigningRequest};
use content::Passwords;
use order::Ordered;

const DRY_RUN: Code = Code::new("dry-run");
const TTL_BELOW_FLOOR: Code = Code::new("ttl-below-floor");
const INTERNAL: Code = Code::new("internal-error");

/// Bakes every identity of the plan, all or none.
pub fn run(plan: &Plan, context: &Context<'_>) -> Report {
    let mut report = Report::new("provision", context.now);
    report.root = Some(plan.root.display().to_string());
    report.dry_run = plan.dry_run;
    report.identities = plan.identities.iter().map(summary::asked).collect();
    match bake(plan, context, &mut report) {
        Ok(()) => {}
        Err(Stop { outcome, findings }) => {
            report.conclude(outcome);
            report.findings.extend(findings);
        }
    }
    let authorities = plan.identities.iter().map(|identity| &identity.authority);
    let finish = authorities.filter_map(|authority| authority.finish.as_ref());
    report
        .findings
        .extend(finish.flat_map(|open| open.finish()));
    report
}

/// Why the run ends before its end.
pub(crate) struct Stop {
    outcome: Outcome,
    findings: Vec<Finding>,
}

impl Stop {
    fn new(outcome: Outcome, finding: Finding) -> Self {
        Self {
            outcome,
            findings: vec![finding],
        }
    }
}

impl From<crate::image::ImageError> for Stop {
    fn from(error: crate::image::ImageError) -> Self {
        Self::new(Outcome::Image, error.finding())
    }
}

fn bake(plan: &Plan, context: &Context<'_>, report: &mut Report) -> Result<(), Stop> {
    reachable_floors(plan)?;
    let root = ImageRoot::open(&plan.root)?;
    let slots = landing::slots(plan)?;
    let passwords = Passwords::read(plan)?;
    if plan.dry_run {
        let planned = Staging::rehearse(&root, slots)?;
        summary::planned(report, plan, &planned);
        return rehearse(plan, report);
    }
    let staging = Staging::prepare(&root, slots)?;
    report.findings.extend(staging.notes().iter().cloned());
    let ordered = order_all(plan, context, report)?;
    let contents = landing::contents(plan, context, &ordered, &passwords, &staging.planned())?;
    let records = recording::texts(plan, &contents);
    context.progress.step("writing into the image");
    let landed = staging.write(contents)?.commit()?;
    summary::landed(report, plan, &landed);
    report.findings.extend(landed.notes.iter().cloned());
    landing::verify(&root, &landed).map_err(|findings| Stop {
        outcome: Outcome::Flawed,
        findings,
    })?;
    recording::write_outside(plan, &records)
}

/// A floor above the lifetime that is asked for can never hold: no certificate is spent on it.
fn reachable_floors(plan: &Plan) -> Result<(), Stop> {
    let findings: Vec<Finding> = plan
        .identities
        .iter()
        .filter_map(unreachable_floor)
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Stop {
            outcome: Outcome::Window,
            findings,
        })
    }
}

fn unreachable_floor(identity: &Identity) -> Option<Finding> {
    let (ttl, floor) = (identity.ttl?, identity.policy.floor.as_ref()?);
    let required = floor.required(ttl.duration());
    (required > ttl).then(|| {
        Finding::error(
            TTL_BELOW_FLOOR,
            format!("{}: a certificate of {ttl} cannot stay valid for the {required} that the build demands", identity.name),
        )
        .about(&identity.name)
        .fact("ttl_seconds", ttl.as_seconds())
        .fact("floor_seconds", required.as_seconds())
        .fact("floor", floor.to_string())
        .fact("floor_from", identity.policy.floor_origin.clone())
        .hint(format!("ask for a ttl above {required}, or lower the floor; nothing was asked for and nothing written"))
    })
}

/// Orders every identity at once; one that fails ends the run, after all have answered.
fn order_all(
    plan: &Plan,
    context: &Context<'_>,
    report: &mut Report,
) -> Result<Vec<Ordered>, Stop> {
    let answers: Vec<Result<Ordered, Stop>> = match plan.identities.as_slice() {
        [one] => vec![order::one(one, context)],
        several => std::thread::scope(|scope| {
            let threads: Vec<_> = several
                .iter()
                .map(|identity| scope.spawn(|| order::one(identity, context)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(panicked())))
                .collect()
        }),
    };
    let mut passed = Vec::new();
    let mut stop = Stop {
        outcome: Outcome::Ok,
        findings: Vec::new(),
    };
    for ((identity, answer), summary) in plan
        .identities
        .iter()
        .zip(answers)
        .zip(&mut report.identities)
    {
        match answer {
            Ok(ordered) => {
                summary::issued(summary, &ordered);
                let findings = ordered
                    .findings
                    .iter()
                    .map(|finding| finding.clone().about(&identity.name));
                if ordered.outcome == Outcome::Ok {
                    report.findings.extend(findings);
                    passed.push(ordered);
                } else {
                    stop.outcome = stop.outcome.max(ordered.outcome);
                    stop.findings.extend(findings);
                }
            }
            Err(failed) => {
                stop.outcome = stop.outcome.max(failed.outcome);
                stop.findings.extend(
                    failed
                        .findings
                        .into_iter()
                        .map(|finding| finding.about(&identity.name)),
                );
            }
        }
    }
    if stop.outcome == Outcome::Ok {
        Ok(passed)
    } else {
        Err(stop)
    }
}

/// What a dry run can still find out: requests that cannot be made, and what authorities tell beforehand.
fn rehearse(plan: &Plan, report: &mut Report) -> Result<(), Stop> {
    for identity in &plan.identities {
        let order = request(identity)?;
        let Some(preflight) = &identity.authority.preflight else {
            continue;
        };
        let findings = preflight
            .preflight(&order.1, Depth::Whole)
            .map_err(|error| {
                Stop::new(error.outcome(), error.into_finding().about(&identity.name))
            })?;
        if findings.iter().any(Finding::is_error) {
            report.conclude(Outcome::Refused);
        }
        report.findings.extend(
            findings
                .into_iter()
                .map(|finding| finding.about(&identity.name)),
        );
    }
    report.findings.push(
        Finding::note(DRY_RUN, "nothing was asked for and nothing was written")
            .hint("run it again without --dry-run"),
    );
    Ok(())
}

/// A fresh key and the order for it.
fn request(identity: &Identity) -> Result<(PrivateKey, Order), Stop> {
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
    let deadline =
        Instant::now() + Duration::from_secs(identity.deadline.as_seconds().unsigned_abs());
    Ok((
        key,
        Order {
            request,
            ttl: identity.ttl,
            deadline,
        },
    ))
}

fn panicked() -> Stop {
    Stop::new(
        Outcome::Internal,
        Finding::error(INTERNAL, "a thread ended by itself")
            .hint("this is a bug in certbake: please report it"),
    )
}
