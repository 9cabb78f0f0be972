//! Validity windows, and the floor: the least validity that a build accepts.

use std::fmt;
use std::str::FromStr;

use time::{Duration, OffsetDateTime};

use crate::span::{Span, SpanError};

/// From notBefore to notAfter, both included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidityWindow {
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
}

/// Where an instant stands to a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// It opens later, after this long.
    Ahead(Duration),
    /// It is open, for this long still.
    Open(Duration),
    /// It closed this long ago.
    Past(Duration),
}

impl ValidityWindow {
    pub fn phase(&self, now: OffsetDateTime) -> Phase {
        if now < self.not_before {
            Phase::Ahead(self.not_before - now)
        } else if now <= self.not_after {
            Phase::Open(self.not_after - now)
        } else {
            Phase::Past(now - self.not_after)
        }
    }

    /// The whole length; negative when the dates are the wrong way round.
    pub fn lifetime(&self) -> Duration {
        self.not_after - self.not_before
    }

    /// What is left at `now`; negative once it is past.
    pub fn remaining(&self, now: OffsetDateTime) -> Duration {
        self.not_after - now
    }

    /// The part in which both are open.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

/// The least validity that must be left when the image is built.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Floor {
    Absolute(Span),
    /// Percent of the leaf's whole lifetime, 1 to 100.
    Percent(u8),
    /// Derived from stated facts, each by its name: the sum is the floor.
    Sum(Vec<(String, Span)>),
}

impl Floor {
    /// How long the effective window must still be open, for a leaf with this lifetime.
    pub fn required(&self, lifetime: Duration) -> Span {
        match self {
            Self::Absolute(span) => *span,
            Self::Percent(percent) => Span::from(Duration::seconds(
                lifetime.whole_seconds() / 100 * i64::from(*percent)
                    + lifetime.whole_seconds() % 100 * i64::from(*percent) / 100,
            )),
            Self::Sum(parts) => {
                Span::seconds(parts.iter().map(|(_, span)| span.as_seconds()).sum())
            }
        }
    }
}

impl FromStr for Floor {
    type Err = FloorError;

    /// `21d` or `66%`.
    fn from_str(text: &str) -> Result<Self, FloorError> {
        let Some(number) = text.strip_suffix('%') else {
            let span: Span = text.parse()?;
            return if span.as_seconds() == 0 {
                Err(FloorError::nothing(text))
            } else {
                Ok(Self::Absolute(span))
            };
        };
        match number.parse::<u8>() {
            Ok(0) => Err(FloorError::nothing(text)),
            Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
            _ => Err(FloorError::Percent {
                text: text.to_owned(),
            }),
        }
    }
}

/// As it is written: `21d`, `66%`, or `image_max_age 30d + rollout 1d`.
impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(span) => span.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Sum(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|(name, span)| format!("{name} {span}"))
                    .collect();
                f.write_str(&parts.join(" + "))
            }
        }
    }
}

/// A floor that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FloorError {
    #[error("\"{text}\" is not a whole percentage from \"1%\" to \"100%\"")]
    Percent { text: String },
    #[error(
        "\"{text}\" is not a floor, because it requires nothing: leave it out, or give a duration"
    )]
    Nothing { text: String },
    #[error(transparent)]
    Span(#[from] SpanError),
}

impl FloorError {
    pub fn nothing(text: impl Into<String>) -> Self {
        Self::Nothing { text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const WINDOW: ValidityWindow = ValidityWindow {
        not_before: datetime!(2026-01-01 0:00 UTC),
        not_after: datetime!(2026-01-31 0:00 UTC),
    };

    #[test]
    fn both_ends_of_a_window_belong_to_it() {
        assert_eq!(
            WINDOW.phase(WINDOW.not_before),
            Phase::Open(Duration::days(30))
        );
        assert_eq!(WINDOW.phase(WINDOW.not_after), Phase::Open(Duration::ZERO));
        assert_eq!(
            WINDOW.phase(WINDOW.not_after + Duration::SECOND),
            Phase::Past(Duration::SECOND)
        );
        assert_eq!(
            WINDOW.phase(WINDOW.not_before - Duration::SECOND),
            Phase::Ahead(Duration::SECOND)
        );
    }

    #[test]
    fn a_percentage_is_of_the_whole_lifetime() {
        let floor: Floor = "66%".parse().unwrap();
        assert_eq!(
            floor.required(Duration::days(30)),
            Span::seconds(30 * 86_400 * 66 / 100)
        );
    }

    #[test]
    fn stated_facts_add_up_and_are_shown_as_a_sum() {
        let floor = Floor::Sum(vec![
            ("image_max_age".into(), "30d".parse().unwrap()),
            ("instance_life".into(), "7d".parse().unwrap()),
        ]);
        assert_eq!(floor.required(Duration::ZERO), "37d".parse().unwrap());
        assert_eq!(floor.to_string(), "image_max_age 30d + instance_life 7d");
    }

    #[test]
    fn an_unreadable_floor_is_an_error() {
        for text in [
            "", "0%", "0d", "0d0h", "101%", "%", "66.5%", "-1%", "soon", "disabled", "0",
        ] {
            assert!(text.parse::<Floor>().is_err(), "{text}");
        }
    }
}
