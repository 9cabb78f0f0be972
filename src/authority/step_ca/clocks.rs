//! The CA's clock, as far as its answers have told it: a token is judged by that clock, not by ours.

use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::authority::clock::Clock;
use crate::net::Response;

/// `Date` has whole seconds and takes a while to come: less than this is no difference.
const AGREEING: Duration = Duration::seconds(2);

pub struct Clocks {
    ours: Clock,
    /// How far the CA's clock is ahead of ours.
    ahead: Mutex<Option<Duration>>,
}

impl Clocks {
    pub fn new(ours: Clock) -> Self {
        Self {
            ours,
            ahead: Mutex::new(None),
        }
    }

    /// Our clock.
    pub fn here(&self) -> OffsetDateTime {
        self.ours.now()
    }

    /// The CA's clock, or ours where none of its answers had a date.
    pub fn there(&self) -> OffsetDateTime {
        match self.ahead() {
            Some(ahead) if ahead.abs() > AGREEING => self.here().saturating_add(ahead),
            _ => self.here(),
        }
    }

    /// The CA's clock, where it told.
    pub fn told(&self) -> Option<OffsetDateTime> {
        Some(self.here().saturating_add(self.ahead()?))
    }

    /// How far the CA's clock is ahead of ours, negative when it is behind.
    pub fn ahead(&self) -> Option<Duration> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hear(&self, response: &Response) {
        if let Some(date) = response.date {
            let here = self.ours.at(response.received);
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(date - here);
        }
    }
}
