//! The time of day by now: a run reads the clock once, and may come to an authority minutes later,
//! after others that could not be reached.

use std::time::Instant;

use time::OffsetDateTime;

use super::Settings;
use crate::net::Response;

/// The run's reading of the clock, carried on from when the authority was opened.
#[derive(Clone, Copy)]
pub struct Clock {
    read: OffsetDateTime,
    at: Instant,
}

impl Clock {
    pub fn of_run(settings: &Settings<'_>) -> Self {
        Self {
            read: settings.now,
            at: Instant::now(),
        }
    }

    pub fn now(&self) -> OffsetDateTime {
        self.at(Instant::now())
    }

    /// The time of day at a moment that was measured; moments before the reading are the reading.
    pub fn at(&self, moment: Instant) -> OffsetDateTime {
        self.read + moment.saturating_duration_since(self.at)
    }
}

/// An authority's clock as one of its answers told it, carried on: what is asked after it may take a while.
#[derive(Clone, Copy)]
pub struct Heard {
    told: OffsetDateTime,
    at: Instant,
}

impl Heard {
    pub fn of(response: &Response) -> Option<Self> {
        Some(Self {
            told: response.date?,
            at: response.received,
        })
    }

    pub fn now(self) -> OffsetDateTime {
        self.told + self.at.elapsed()
    }
}
