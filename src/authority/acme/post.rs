//! What instant-acme has no way to ask, signed and sent here (RFC 8555 section 6.2): an account for a
//! key that is kept already, an order with a lifetime, a revocation signed by the certificate's own
//! key.

use std::sync::Arc;

use instant_acme::Error;
use serde_json::{Value, json};
use url::Url;

use super::problem::Document;
use super::wire::Wire;
use crate::authority::jws::Signer;
use crate::net::{Repeat, Request, Response};
use crate::pki::PrivateKey;

pub const UNREADABLE: Error = Error::Str("a key that can sign for ACME");

/// How often a nonce may be turned down.
const NONCES: u32 = 5;

/// As whom a request is made.
#[derive(Clone, Copy)]
pub enum Author<'a> {
    /// The URL of an account, and its key.
    Account(&'a str, &'a PrivateKey),
    /// A key that speaks for itself.
    Key(&'a PrivateKey),
}

/// Signs and sends, again with a fresh nonce where one is turned down (RFC 8555 section 6.5).
///
/// # Errors
/// For an answer that is no success: [`Wire::ask`] makes its own of what was kept.
pub fn post(
    wire: &Wire,
    author: Author<'_>,
    url: &Url,
    payload: &Value,
) -> Result<Arc<Response>, Error> {
    let mut nonce = wire.nonce()?;
    for _ in 0..NONCES {
        let body = signed(author, &nonce, url, payload)?;
        let request = Request::post(url.clone(), Repeat::Never, body)
            .header("content-type", "application/jose+json");
        let response = wire.exchange(request)?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let turned_down = Document::read(&response.body, &|text| Some(text.to_owned()))
            .is_some_and(|document| document.is("badNonce"));
        nonce = match response.header("replay-nonce") {
            Some(nonce) if turned_down => nonce.to_owned(),
            _ => break,
        };
    }
    Err(Error::Str("a success"))
}

fn signed(author: Author<'_>, nonce: &str, url: &Url, payload: &Value) -> Result<Vec<u8>, Error> {
    let (Author::Account(_, key) | Author::Key(key)) = author;
    let signer = Signer::from_private_key(key).map_err(|_| UNREADABLE)?;
    let who = match author {
        Author::Account(id, _) => ("kid", json!(id)),
        Author::Key(_) => ("jwk", signer.jwk()),
    };
    let header = [("nonce", json!(nonce)), ("url", json!(url.as_str())), who];
    let body = signer.flattened(&header, payload).map_err(|_| UNREADABLE)?;
    Ok(body.to_string().into_bytes())
}
