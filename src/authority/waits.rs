//! Waits between two questions about the same thing: longer each time, never past their end, told to
//! whoever shows progress.

use std::time::{Duration, Instant};

use crate::net::{OnWait, Waiting, runtime};

/// Whom is waited for, and who is told of it.
#[derive(Clone)]
pub struct Teller {
    place: String,
    on_wait: Option<OnWait>,
}

impl Teller {
    pub fn new(place: impl Into<String>, on_wait: Option<OnWait>) -> Self {
        Self {
            place: place.into(),
            on_wait,
        }
    }

    pub fn waits(&self, deadline: Instant) -> Waits {
        Waits {
            teller: self.clone(),
            deadline,
            least: FIRST,
            next: FIRST,
            longest: LONGEST,
            asked: 0,
        }
    }

    /// Sleeps, unless that would pass the deadline. `asked` counts how often that was.
    pub fn rest(&self, wait: Duration, deadline: Instant, reason: &str, asked: u32) -> bool {
        let rests = self.announce(wait, deadline, reason, asked);
        if rests {
            std::thread::sleep(wait);
        }
        rests
    }

    /// Tells of a wait, unless that would pass the deadline.
    fn announce(&self, wait: Duration, deadline: Instant, reason: &str, asked: u32) -> bool {
        if Instant::now() + wait >= deadline {
            return false;
        }
        if let Some(tell) = &self.on_wait {
            tell(&Waiting {
                place: self.place.clone(),
                reason: reason.to_owned(),
                attempts: asked,
                wait,
            });
        }
        true
    }
}

/// Waits for one thing.
pub struct Waits {
    teller: Teller,
    deadline: Instant,
    least: Duration,
    next: Duration,
    longest: Duration,
    /// How often it was asked for.
    pub asked: u32,
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

impl Waits {
    /// The first wait, below which none is, and the longest but for those that the server asks for.
    #[must_use]
    pub const fn between(mut self, first: Duration, longest: Duration) -> Self {
        (self.least, self.next, self.longest) = (first, first, longest);
        self
    }

    /// Sleeps, for as long as the server asks where it does.
    ///
    /// # Errors
    /// The wait that would have ended after the deadline.
    pub fn pause(&mut self, wanted: Option<Duration>, reason: &str) -> Result<(), Duration> {
        self.announced(wanted, reason).map(std::thread::sleep)
    }

    /// As [`Waits::pause`], and holds no thread.
    ///
    /// # Errors
    /// As [`Waits::pause`].
    pub async fn pass(&mut self, wanted: Option<Duration>, reason: &str) -> Result<(), Duration> {
        runtime::sleep(self.announced(wanted, reason)?).await;
        Ok(())
    }

    fn announced(&mut self, wanted: Option<Duration>, reason: &str) -> Result<Duration, Duration> {
        self.asked += 1;
        let wait = wanted.unwrap_or(self.next).max(self.least);
        self.next = (self.next * 2).min(self.longest);
        let teller = &self.teller;
        if teller.announce(wait, self.deadline, reason, self.asked) {
            Ok(wait)
        } else {
            Err(wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn they_grow_up_to_the_longest_end_before_the_deadline_and_are_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let teller = Teller::new(
            "ca.lab:443",
            Some(Arc::new(move |wait: &Waiting| {
                log.lock()
                    .unwrap()
                    .push((wait.wait.as_millis(), wait.to_string()));
            })),
        );
        let ms = Duration::from_millis;
        let mut waits = teller
            .waits(Instant::now() + Duration::from_secs(5))
            .between(ms(10), ms(30));
        for wanted in [None, None, None, None, Some(ms(1)), Some(ms(50))] {
            waits.pause(wanted, "it is pending").unwrap();
        }
        let hour = Duration::from_secs(3600);
        assert_eq!(waits.pause(Some(hour), "it is pending"), Err(hour));
        assert_eq!(waits.asked, 7);
        let told = told.lock().unwrap();
        let lengths: Vec<u128> = told.iter().map(|(length, _)| *length).collect();
        assert_eq!(lengths, [10, 20, 30, 30, 10, 50]);
        assert_eq!(
            told[1].1,
            "waiting 0 s for ca.lab:443 (it is pending), then attempt 3"
        );
    }
}
