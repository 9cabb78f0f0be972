//! What came back, whatever the protocol: JSON that must be read, certificates of which one must be
//! for our key, and waits between two questions.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::answer::{self, PENDING};
use super::{AuthorityError, Issued, Order};
use crate::finding::Finding;
use crate::net::Response;
use crate::pki::{Certificate, Chain};

/// The body as JSON of this shape.
///
/// # Errors
/// [`AuthorityError::Unusable`]; nothing of the body is repeated.
pub fn json<T: DeserializeOwned>(what: &str, response: &Response) -> Result<T, AuthorityError> {
    serde_json::from_slice(&response.body).map_err(|error| {
        let reason = match error.classify() {
            serde_json::error::Category::Data => "its JSON is not of the shape that it should have",
            _ => "it is not JSON",
        };
        answer::unusable(what, reason, response)
    })
}

/// These certificates (DER, in any order) as what an order came to: the leaf for our key first.
///
/// # Errors
/// [`AuthorityError::Unusable`] when one cannot be read, or none is for our key.
pub fn issued(
    what: &str,
    response: &Response,
    ders: Vec<Vec<u8>>,
    order: &Order,
) -> Result<Issued, AuthorityError> {
    let unusable = |reason: String| answer::unusable(what, &reason, response);
    let certificates = ders
        .into_iter()
        .map(Certificate::from_der)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    let chain = Chain::arrange(certificates.clone(), order.request.spki())
        .map_err(|error| unusable(error.to_string()))?;
    let mut ders = vec![chain.leaf.der().to_vec()];
    for certificate in &certificates {
        if !ders.iter().any(|known| known == certificate.der()) {
            ders.push(certificate.der().to_vec());
        }
    }
    Ok(Issued {
        certificates: ders,
        date: response.date,
        ..Issued::default()
    })
}

/// Those that are their own issuers, DER.
pub fn self_issued(ders: &[Vec<u8>]) -> Vec<Vec<u8>> {
    ders.iter()
        .filter(|der| {
            Certificate::from_der((*der).clone()).is_ok_and(|found| found.is_self_issued())
        })
        .cloned()
        .collect()
}

/// Waits between two questions about the same order, longer each time, never past its end.
pub struct Waits {
    next: Duration,
    deadline: Instant,
    pub asked: u32,
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

impl Waits {
    pub const fn until(deadline: Instant) -> Self {
        Self {
            next: FIRST,
            deadline,
            asked: 0,
        }
    }

    /// Sleeps, for as long as the server asks where it does.
    ///
    /// # Errors
    /// The wait that would have ended after the deadline.
    pub fn pause(&mut self, wanted: Option<Duration>) -> Result<(), Duration> {
        self.asked += 1;
        let wait = wanted.unwrap_or(self.next).max(FIRST);
        self.next = (self.next * 2).min(LONGEST);
        if Instant::now() + wait >= self.deadline {
            return Err(wait);
        }
        std::thread::sleep(wait);
        Ok(())
    }
}

/// The authority knows of the order and has not decided on it.
pub fn pending(summary: &str, asked: u32, wait: Duration) -> Finding {
    Finding::error(PENDING, summary)
        .fact("asked", asked)
        .fact("retry_after_seconds", wait.as_secs_f64())
}
