//! Durations as people write them: `90s`, `45m`, `36h`, `21d`, `2w`, `1d12h`.
//!
//! A length that cannot be read is an error, never a default: a threshold that fails open is how
//! an expired certificate stays "healthy".

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::Duration;

const UNITS: &[(char, i64)] = &[
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3600),
    ('m', 60),
    ('s', 1),
];

/// Longer than any certificate that may be asked for; keeps every sum far from overflow.
const LONGEST: i64 = 100 * 366 * 86_400;

/// A duration in whole seconds, never negative.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^([0-9]+[wdhms])+$"))]
pub struct Span(i64);

impl Span {
    /// No floor and no lifetime is longer: a hundred years.
    pub const LONGEST: Self = Self(LONGEST);

    /// A negative number is none: what a server or a record says was left is over.
    pub const fn seconds(seconds: i64) -> Self {
        Self(if seconds < 0 { 0 } else { seconds })
    }

    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    pub const fn duration(self) -> Duration {
        Duration::seconds(self.0)
    }

    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.unsigned_abs())
    }

    /// A Go duration (`time.ParseDuration`) in whole seconds: `24h0m0s`, `1h30m`, `1.5h`, `300ms`.
    pub fn of_go(text: &str) -> Option<Self> {
        let mut total = 0.0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let unit = rest
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(rest.len());
            total += number
                * match &rest[..unit] {
                    "h" => 3600.0,
                    "m" => 60.0,
                    "s" => 1.0,
                    "ms" => 1e-3,
                    "us" | "µs" => 1e-6,
                    "ns" => 1e-9,
                    _ => return None,
                };
            rest = &rest[unit..];
        }
        (!text.is_empty() && total <= 1e10).then(|| Self::from(Duration::seconds_f64(total)))
    }
}

impl From<Duration> for Span {
    /// Drops fractions of a second; a negative duration becomes zero.
    fn from(duration: Duration) -> Self {
        Self(duration.whole_seconds().max(0))
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let fail = |why| SpanError {
            text: text.to_owned(),
            why,
        };
        if text.is_empty() {
            return Err(fail("it is empty"));
        }
        let mut total = 0_i64;
        let mut digits = String::new();
        let mut last_unit = i64::MAX;
        for c in text.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let Some(&(_, unit)) = UNITS.iter().find(|(name, _)| *name == c) else {
                return Err(fail("write a whole number, then a unit: w, d, h, m or s"));
            };
            if digits.is_empty() {
                return Err(fail("a unit has no number before it"));
            }
            if unit >= last_unit {
                return Err(fail("write the units from large to small, each once"));
            }
            last_unit = unit;
            total = digits
                .parse::<i64>()
                .ok()
                .and_then(|n| n.checked_mul(unit))
                .and_then(|n| n.checked_add(total))
                .filter(|n| *n <= LONGEST)
                .ok_or_else(|| fail("it is longer than a hundred years"))?;
            digits.clear();
        }
        if !digits.is_empty() {
            return Err(fail("a number has no unit after it (w, d, h, m or s)"));
        }
        Ok(Self(total))
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

/// Whole, and as [`Span::from_str`] reads it: `1d12h30m`.
impl From<Span> for String {
    fn from(span: Span) -> Self {
        let mut rest = span.0;
        let mut text = Self::new();
        for &(name, unit) in &UNITS[1..] {
            if rest >= unit || (rest == 0 && unit == 1 && text.is_empty()) {
                text += &format!("{}{name}", rest / unit);
                rest %= unit;
            }
        }
        text
    }
}

/// The two largest units that matter: `30d`, `6d 23h`, `1h 5m`, `0s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut parts = Vec::new();
        // Days are how people compare certificates: weeks are read, not written.
        for &(name, unit) in &UNITS[1..] {
            if rest >= unit {
                parts.push(format!("{}{name}", rest / unit));
                rest %= unit;
            } else if !parts.is_empty() {
                break;
            }
            if parts.len() == 2 {
                break;
            }
        }
        if parts.is_empty() {
            return f.write_str("0s");
        }
        f.write_str(&parts.join(" "))
    }
}

/// A duration that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{text}\" is not a duration such as \"21d\", \"36h\" or \"1d12h\": {why}")]
pub struct SpanError {
    pub text: String,
    pub why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, seconds) in [
            ("24h0m0s", Some(86_400)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            ("300ms", Some(0)),
            ("5m", Some(300)),
            ("", None),
            ("5", None),
            ("d", None),
            ("1d", None),
            ("99999999999h", None),
        ] {
            let read = Span::of_go(text).map(Span::as_seconds);
            assert_eq!(read, seconds, "{text}");
        }
    }

    #[test]
    fn what_is_written_for_programs_is_whole_and_can_be_read() {
        for (seconds, text) in [
            (0, "\"0s\""),
            (59, "\"59s\""),
            (129_600, "\"1d12h\""),
            (604_799, "\"6d23h59m59s\""),
            (86_401, "\"1d1s\""),
            (LONGEST, "\"36600d\""),
        ] {
            let written = serde_json::to_string(&Span::seconds(seconds)).unwrap();
            assert_eq!(written, text);
            let read: Span = serde_json::from_str(&written).unwrap();
            assert_eq!(read.as_seconds(), seconds);
        }
    }

    #[test]
    fn less_than_nothing_is_nothing() {
        let span = Span::seconds(-5);
        assert_eq!((span.as_seconds(), span.std().as_secs()), (0, 0));
        assert_eq!(span.to_string(), "0s");
    }

    #[test]
    fn days_weeks_and_compounds_are_read() {
        for (text, seconds) in [
            ("21d", 1_814_400),
            ("2w", 1_209_600),
            ("36h", 129_600),
            ("1d12h", 129_600),
            ("90s", 90),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap().as_seconds(),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_a_default() {
        for text in [
            "",
            "21",
            "d",
            "21 d",
            "-1d",
            "1.5d",
            "1h1d",
            "1d1d",
            "3y",
            "disabled",
            "99999999999w",
        ] {
            let error = text.parse::<Span>().unwrap_err();
            assert!(
                error.to_string().contains(&format!("\"{text}\"")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_span_is_shown_in_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (604_799, "6d 23h"),
            (86_400, "1d"),
            (2_592_000, "30d"),
            (3_900, "1h 5m"),
        ] {
            assert_eq!(Span::seconds(seconds).to_string(), text);
        }
    }
}
