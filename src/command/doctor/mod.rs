//! `doctor`: everything that would keep `provision` from its end, as far as it can be known before,
//! and what was looked at and is well. Nothing is ordered and nothing written.

mod authorities;
mod local;

use std::path::PathBuf;
use std::time::Duration;

use super::provision::{Identity, Stop, unreachable_floor};
use super::{Context, foresee};
use crate::finding::Finding;
use crate::outcome::{Look, LookState, Outcome, Report};
use crate::secret_source::SecretSource;
use crate::thread;

/// What is to be looked at: what `provision` would bake, and where.
pub struct Plan {
    /// The image's file system is not looked at without it.
    pub root: Option<PathBuf>,
    pub identities: Vec<Identity>,
    /// How long the authorities may take, all at the same time.
    pub within: Duration,
}

impl Plan {
    /// Where every secret of this run comes from.
    pub fn secrets(&self) -> Vec<&SecretSource> {
        self.identities.iter().flat_map(Identity::secrets).collect()
    }
}

pub fn run(plan: &Plan, context: &Context<'_>) -> Report {
    let mut report = Report::new("doctor", context.now);
    report.root = plan.root.as_ref().map(|root| root.display().to_string());
    let mut seen = Seen::default();
    let floors: Vec<Finding> = plan
        .identities
        .iter()
        .filter_map(unreachable_floor)
        .collect();
    // Each has its own settings to mend, alike as they may sound.
    if !floors.is_empty() {
        seen.outcome = Outcome::Window;
        seen.findings = floors;
    }
    // Secrets may come from commands that take their time, as authorities do.
    let (local, said) = thread::both(
        || local::look(plan),
        || foresee::whole(&plan.identities, context, Some(plan.within)),
    );
    match said {
        Ok(said) => authorities::look(plan, &said, &mut seen),
        Err(stop) => seen.stopped(stop),
    }
    let finished = plan.identities.iter().flat_map(Identity::finish);
    seen.found(Outcome::Ok, finished.collect());
    seen.join(local);
    report.conclude(seen.outcome);
    report.looked_at = seen.looks;
    report.findings = seen.findings;
    report
}

/// What has been seen so far.
struct Seen {
    looks: Vec<Look>,
    findings: Vec<Finding>,
    outcome: Outcome,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            looks: Vec::new(),
            findings: Vec::new(),
            outcome: Outcome::Ok,
        }
    }
}

impl Seen {
    fn look(
        &mut self,
        subject: &str,
        what: &'static str,
        state: LookState,
        said: impl Into<String>,
    ) {
        let look = Look {
            subject: subject.to_owned(),
            what,
            state,
            said: said.into(),
        };
        if !self.looks.contains(&look) {
            self.looks.push(look);
        }
    }

    /// What was found already about the same, for another identity, is not said again.
    fn found(&mut self, outcome: Outcome, findings: Vec<Finding>) {
        self.outcome = self.outcome.max(outcome);
        for finding in findings {
            let alike = |known: &&mut Finding| {
                known.code == finding.code
                    && known.summary == finding.summary
                    && known.file == finding.file
            };
            match self.findings.iter_mut().find(alike) {
                // About all of them, so about none in particular.
                Some(known) if known.identity != finding.identity => known.identity = None,
                Some(_) => {}
                None => self.findings.push(finding),
            }
        }
    }

    fn stopped(&mut self, stop: Stop) {
        self.found(stop.outcome, stop.findings);
    }

    fn join(&mut self, other: Self) {
        self.looks.extend(other.looks);
        self.found(other.outcome, other.findings);
    }
}
