//! How long to wait before asking again. No clock and no randomness of its own.

use std::time::Duration;

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);

/// How often a server that cannot be reached is tried: one that is restarting comes back within
/// seconds, a wrong port never does.
pub(super) const UNREACHABLE_ATTEMPTS: u32 = 4;

/// The wait after `attempts` attempts: exponential, then shortened by up to half by `jitter` (0..=255),
/// so that many builds that failed together do not come back together.
pub(super) fn backoff(attempts: u32, jitter: u8) -> Duration {
    let doubled = FIRST.saturating_mul(
        1_u32
            .checked_shl(attempts.saturating_sub(1))
            .unwrap_or(u32::MAX),
    );
    let full = doubled.min(LONGEST);
    full - full / 2 * u32::from(jitter) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_within_ten_seconds() {
        let waits: Vec<_> = [1, 2, 3, 6, 7, 40]
            .map(|n| backoff(n, 0).as_millis())
            .into();
        assert_eq!(waits, [250, 500, 1000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        assert_eq!(backoff(3, 255), Duration::from_millis(500));
        assert!(backoff(3, 128) < Duration::from_millis(750));
    }
}
