//! What came back, whatever the protocol: JSON that must be read, certificates of which one must be
//! for our key, or no decision yet.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::answer::{self, PENDING};
use super::{AuthorityError, Issued, Order, received};
use crate::finding::Finding;
use crate::net::Response;
use crate::pki::Certificate;

/// The body as JSON of this shape.
///
/// # Errors
/// [`AuthorityError::Unusable`]; nothing of the body is repeated.
pub fn json<T: DeserializeOwned>(what: &str, response: &Response) -> Result<T, AuthorityError> {
    serde_json::from_slice(&response.body).map_err(|error| {
        let reason = match error.classify() {
            serde_json::error::Category::Data => "its JSON does not have the expected structure",
            _ => "it is not JSON",
        };
        answer::unusable(what, reason, response)
    })
}

/// These certificates, in any order, as what an order came to: the leaf for our key first, roots
/// apart.
///
/// # Errors
/// [`AuthorityError::Unusable`] when none is for our key.
pub fn issued(
    what: &str,
    response: &Response,
    certificates: Vec<Certificate>,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let issued = received::issued(certificates, order.request.spki())
        .map_err(|reason| answer::unusable(what, &reason, response))?;
    Ok(Issued {
        date: response.date,
        ..issued
    })
}

/// The certificates in these texts, each in whatever wrapping.
///
/// # Errors
/// [`AuthorityError::Unusable`] when a text holds none, or what stands there is none.
pub fn certificates<'a>(
    what: &str,
    response: &Response,
    texts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Certificate>, AuthorityError> {
    let mut all = Vec::new();
    for text in texts {
        let found = received::certificates(text)
            .map_err(|reason| answer::unusable(what, &reason, response))?;
        all.extend(found);
    }
    Ok(all)
}

/// The authority knows of the order and has not decided on it.
pub fn pending(summary: &str, asked: u32, wait: Duration) -> Finding {
    Finding::error(PENDING, summary)
        .fact("asked", asked)
        .fact("retry_after_seconds", wait.as_secs_f64())
}
