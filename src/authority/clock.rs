//! The time of day by now: a run reads the clock once, and may come to an authority minutes later,
//! after others that could not be reached.

use std::time::Instant;

use time::{Duration, OffsetDateTime};

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
        later(self.read, moment.saturating_duration_since(self.at))
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
        later(self.told, self.at.elapsed())
    }
}

/// A clock may be at the end of the years with four digits: it stays there.
fn later(at: OffsetDateTime, by: std::time::Duration) -> OffsetDateTime {
    at.saturating_add(by.try_into().unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_clock_at_the_end_of_the_calendar_stays_there() {
        let last = datetime!(9999-12-31 23:59:59.999_999_999 UTC);
        let at = Instant::now();
        let heard = Heard { told: last, at };
        assert_eq!(heard.now(), last);
        let clock = Clock { read: last, at };
        assert_eq!(clock.at(at + std::time::Duration::from_secs(9)), last);
    }
}
