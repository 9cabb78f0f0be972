//! The bytes of EST: answers in whatever wrapping servers use.

use crate::authority::{AuthorityError, answer, received};
use crate::net::Response;
use crate::pki::Certificate;

pub use crate::authority::received::der;

/// The certificates of an answer: a certs-only CMS message as DER, base64 or PEM, or certificates
/// themselves. The content type is not looked at: servers send generic ones.
///
/// # Errors
/// [`AuthorityError::Unusable`] when there is none, or what stands there is none.
pub fn certificates(what: &str, response: &Response) -> Result<Vec<Certificate>, AuthorityError> {
    received::certificates(&response.body)
        .map_err(|reason| answer::unusable(what, &reason, response))
}
