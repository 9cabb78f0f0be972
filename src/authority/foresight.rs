//! What a preflight tells beside its warnings and refusals: that the authority answers, to whom, and
//! what of the order it was held against.

use time::OffsetDateTime;

use crate::finding::{Code, Finding};

/// The authority answers. `doctor` shows it as something that was looked at, not as a finding.
pub const ANSWERS: Code = Code::new("ca-answers");

/// The fact of a preflight's finding that says how long a certificate the authority grants at most,
/// in seconds. It is held against the lifetime and the floor that the configuration asks for.
pub const MOST_GRANTED: &str = "max_ttl_seconds";

/// A lifetime that the authority shortens, as it says itself.
pub const CAPPED: Code = Code::new("lifetime-capped");

/// A lifetime that the authority will refuse, rather than shorten.
pub const TTL_NOT_ALLOWED: Code = Code::new("ttl-not-allowed");

/// The facts of [`answers`].
pub const LOGIN: &str = "login";
pub const CLOCK: &str = "authority_clock";
pub const LOOKED_AT: &str = "looked_at";

/// A note for [`super::Depth::Whole`]. `login` is how we presented ourselves, in words: `the user
/// name "bob"`; empty when nobody has to. `date` is the authority's clock as it came with the
/// answer. `looked_at` says what was tried or read beside: `limits of role web`, and the word `login` where that was
/// tried; without it, `doctor` says that it was not.
pub fn answers(login: &str, date: Option<OffsetDateTime>, looked_at: &[&str]) -> Finding {
    let as_whom = if login.is_empty() {
        String::new()
    } else {
        format!("; certbake presents {login}")
    };
    let note = Finding::note(ANSWERS, format!("the CA answers{as_whom}"))
        .fact(LOGIN, login)
        .fact(LOOKED_AT, looked_at.to_vec());
    match date {
        Some(date) => note.instant(CLOCK, date),
        None => note,
    }
}
