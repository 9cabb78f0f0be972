//! Permission bits, written in octal as `chmod` takes them.

use std::fmt;
use std::str::FromStr;

/// The nine permission bits of a file; no set-user-ID, set-group-ID or sticky bit.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mode(u32);

/// A text that is not a [`Mode`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a mode: give three or four octal digits, such as 0640")]
pub struct ModeError(String);

impl Mode {
    /// The bits `0o777` of `bits`.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o777)
    }

    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `self` allows anything that `other` does not.
    pub const fn is_wider_than(self, other: Self) -> bool {
        self.0 & !other.0 != 0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    /// Reads `640` or `0640`.
    fn from_str(text: &str) -> Result<Self, ModeError> {
        let wrong = || ModeError(text.to_owned());
        let octal = text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        if !octal
            || !matches!(
                (text.len(), text.as_bytes().first()),
                (3, _) | (4, Some(b'0'))
            )
        {
            return Err(wrong());
        }
        u32::from_str_radix(text, 8).map(Self).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_with_or_without_its_leading_zero() {
        assert_eq!("640".parse(), Ok(Mode::new(0o640)));
        assert_eq!("0600".parse(), Ok(Mode::new(0o600)));
        assert_eq!(Mode::new(0o40).to_string(), "0040");
    }

    #[test]
    fn decimal_symbolic_and_set_user_id_modes_are_refused() {
        for text in [
            "",
            "64",
            "0o640",
            "648",
            "4755",
            "1777",
            "rw-r-----",
            "+640",
            " 640",
        ] {
            assert_eq!(text.parse::<Mode>(), Err(ModeError(text.to_owned())));
        }
    }

    #[test]
    fn a_mode_is_wider_when_it_allows_anything_more() {
        let limit = Mode::new(0o640);
        assert!(Mode::new(0o604).is_wider_than(limit));
        assert!(Mode::new(0o700).is_wider_than(limit));
        assert!(!Mode::new(0o440).is_wider_than(limit));
    }
}
