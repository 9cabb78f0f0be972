//! Bytes that nobody can foresee, for what an order has to make up: tokens, names, codes.

use aws_lc_rs::rand;

use super::{AuthorityError, answer};
use crate::finding::Finding;

/// # Errors
/// [`AuthorityError::Settings`] when the system gives none; `hint` says what they are needed for.
pub fn random<const N: usize>(hint: &str) -> Result<[u8; N], AuthorityError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| {
        AuthorityError::Settings(Box::new(
            Finding::error(
                answer::REFUSED,
                "the system's random number generator failed",
            )
            .hint(hint),
        ))
    })?;
    Ok(bytes)
}
