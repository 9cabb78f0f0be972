//! Instants, durations and numbers as people say them.

use time::{OffsetDateTime, UtcOffset};

use crate::span::Span;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// `2026-12-07 23:00:00 UTC`.
pub fn date(at: OffsetDateTime) -> String {
    let at = at.checked_to_offset(UtcOffset::UTC).unwrap_or(at);
    format!(
        "{} {:02}:{:02}:{:02} UTC",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// `in 21 days`, `3 days ago`, `now`; rounded towards now, so that it never promises too much.
pub fn distance(now: OffsetDateTime, at: OffsetDateTime) -> String {
    // Certificates count whole seconds: half a second into a day is still that many days.
    let seconds = at.unix_timestamp() - now.unix_timestamp();
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", length(seconds)),
        _ => format!("{} ago", length(-seconds)),
    }
}

/// The largest unit of which there are at least two: `21 days`, `36 hours`, `1 minute`.
fn length(seconds: i64) -> String {
    let (count, unit) = match seconds {
        _ if seconds >= 2 * YEAR => (seconds / YEAR, "year"),
        _ if seconds >= 2 * DAY => (seconds / DAY, "day"),
        _ if seconds >= 2 * HOUR => (seconds / HOUR, "hour"),
        _ if seconds >= MINUTE => (seconds / MINUTE, "minute"),
        _ => (seconds, "second"),
    };
    format!("{count} {}", plural(count, unit))
}

fn plural(count: i64, unit: &str) -> String {
    if count == 1 {
        unit.to_owned()
    } else {
        format!("{unit}s")
    }
}

/// `1 error`, `2,000 warnings`.
pub fn count(number: usize, unit: &str) -> String {
    let unit = plural(i64::try_from(number).unwrap_or(i64::MAX), unit);
    format!("{} {unit}", thousands(number))
}

/// `100,000`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of seconds, which may be negative: `6d 23h`, `-2h`.
pub fn span(seconds: i64) -> String {
    let span = Span::seconds(seconds.saturating_abs());
    if seconds < 0 {
        format!("-{span}")
    } else {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 23:00 UTC);

    #[test]
    fn a_distance_is_said_in_its_largest_unit_and_never_rounded_up() {
        for (seconds, words) in [
            (0, "now"),
            (1, "in 1 second"),
            (-59, "59 seconds ago"),
            (60, "in 1 minute"),
            (7_199, "in 119 minutes"),
            (2 * DAY - 1, "in 47 hours"),
            (30 * DAY - 1, "in 29 days"),
            (-3 * DAY, "3 days ago"),
            (3_650 * DAY, "in 10 years"),
        ] {
            assert_eq!(distance(NOW, NOW + Duration::seconds(seconds)), words);
        }
    }

    #[test]
    fn a_clock_between_two_seconds_takes_no_day_away() {
        let now = NOW + Duration::milliseconds(500);
        assert_eq!(distance(now, NOW + Duration::days(30)), "in 30 days");
    }

    #[test]
    fn a_date_is_in_utc_whatever_it_was_written_in() {
        assert_eq!(
            date(datetime!(2026-12-08 0:00:07 +1)),
            "2026-12-07 23:00:07 UTC"
        );
    }

    #[test]
    fn numbers_are_grouped_and_agree_with_their_noun() {
        assert_eq!(count(1, "error"), "1 error");
        assert_eq!(count(0, "error"), "0 errors");
        assert_eq!(count(1_234_567, "certificate"), "1,234,567 certificates");
        assert_eq!(thousands(999), "999");
        assert_eq!(span(-7_200), "-2h");
    }
}
