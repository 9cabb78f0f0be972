//! The verbs: one file each, the sequence of its steps and nothing else. A command takes a checked
//! plan and the run's context, and returns a value; it never prints.

pub mod check;

use time::OffsetDateTime;

/// What a run is given from outside: read once, in `main`.
pub struct Context<'a> {
    /// The clock.
    pub now: OffsetDateTime,
    /// The environment, by name.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Told what is being waited for.
    pub progress: &'a dyn Progress,
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
