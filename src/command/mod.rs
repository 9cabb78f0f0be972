//! The verbs: one file each, the sequence of its steps and nothing else. A command takes a checked
//! plan and the run's context, and returns a value; it never prints.

pub mod authorities;
pub mod ca;
pub mod check;
pub mod doctor;
mod foresee;
pub mod init;
pub mod inspect;
mod parallel;
pub mod provision;
mod records;
pub mod revoke;

use std::time::Instant;

use time::OffsetDateTime;

use crate::finding::{Code, Finding};
use crate::outcome::Outcome;

/// certbake itself is at fault.
pub const INTERNAL: Code = Code::new("internal-error");

/// In bytes: no file that certbake lands, a record among them, comes near.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What a run is given from outside: read once, in `main`.
pub struct Context<'a> {
    /// The clock, as the run began.
    pub now: OffsetDateTime,
    /// The moment at which `now` was read, for what takes time.
    pub started: Instant,
    /// The environment, by name.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Told what is being waited for.
    pub progress: &'a dyn Progress,
}

impl Context<'_> {
    /// The clock by now. A certificate that was issued during the run is judged by this, or it
    /// would seem to come from the future.
    pub fn moment(&self) -> OffsetDateTime {
        self.now + self.started.elapsed()
    }
}

/// Why a verb without a report had nothing to show.
#[derive(Debug)]
pub struct Failure {
    pub finding: Box<Finding>,
    pub outcome: Outcome,
}

/// Where a command says what it is waiting for; shown only when the wait is long.
pub trait Progress: Sync {
    /// A step begins: "asking lab for a certificate".
    fn step(&self, what: &str);
}

/// Says nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str) {}
}
