//! The JSON of cfssl: requests with their HMAC, the envelope of every answer, and its numbers.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::authority::AuthorityError;
use crate::authority::delivered;
use crate::line;
use crate::net::{Request, Response};
use crate::span::Span;

/// The body of `sign`, and what `authsign` wraps.
#[derive(Serialize)]
pub struct SignRequest<'a> {
    pub certificate_request: &'a str,
    pub profile: &'a str,
    pub label: &'a str,
    pub bundle: bool,
    /// Read by multirootca alone, which takes it as it is; `cfssl serve` does not look at it.
    #[serde(rename = "NotAfter", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

impl SignRequest<'_> {
    pub fn json(&self) -> Vec<u8> {
        // Strings and a flag: nothing that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// `authsign`: the request in base64, and the HMAC over its bytes.
pub fn authenticated(request: &[u8], key: &hmac::Key) -> Vec<u8> {
    let token = hmac::sign(key, request);
    serde_json::json!({
        "token": BASE64.encode(token.as_ref()),
        "request": BASE64.encode(request),
    })
    .to_string()
    .into_bytes()
}

#[derive(Deserialize)]
pub struct Envelope<T> {
    #[serde(default)]
    pub success: bool,
    pub result: Option<T>,
    #[serde(default)]
    errors: Option<Vec<Message>>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
}

#[derive(Clone, Deserialize)]
pub struct Message {
    #[serde(default)]
    pub code: u32,
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize)]
pub struct Signed {
    pub certificate: String,
    pub bundle: Option<Bundle>,
}

/// The chain that the server's bundler found, leaf first.
#[derive(Deserialize)]
pub struct Bundle {
    #[serde(default)]
    pub bundle: String,
}

#[derive(Deserialize)]
pub struct Info {
    #[serde(default)]
    pub certificate: String,
    pub usages: Option<Vec<String>>,
    #[serde(default)]
    pub expiry: String,
}

impl Info {
    /// How long what the profile signs is valid; `None` where the server does not say.
    pub fn lifetime(&self) -> Option<Span> {
        Span::of_go(&self.expiry).filter(|span| span.as_seconds() > 0)
    }
}

/// # Errors
/// [`AuthorityError::Unusable`] when it is no such envelope.
pub fn envelope<T: DeserializeOwned>(
    what: &str,
    response: &Response,
) -> Result<Envelope<T>, AuthorityError> {
    delivered::json(what, response)
}

impl<T> Envelope<T> {
    pub fn errors(&self) -> &[Message] {
        self.errors.as_deref().unwrap_or_default()
    }

    /// What the server says beside a success.
    pub fn messages(&self) -> &[Message] {
        self.messages.as_deref().unwrap_or_default()
    }
}

/// The errors of an answer, whatever its content type: Go's `http.Error` calls all of it text.
pub fn errors(response: &Response) -> Vec<Message> {
    serde_json::from_slice::<Envelope<serde_json::Value>>(&response.body)
        .map(|envelope| envelope.errors().to_vec())
        .unwrap_or_default()
}

/// The server's own words as one harmless line, its numbers beside them.
pub fn said(messages: &[Message], request: &Request) -> Option<String> {
    let words: Vec<String> = messages
        .iter()
        .map(|message| match category(message.code) {
            Some(_) => format!("{} ({})", message.message, message.code),
            None => message.message.clone(),
        })
        .collect();
    line::sanitized(&request.redacted(words.join("; ").as_bytes()), 300)
}

/// What the thousands of an error's number stand for (cfssl, `errors/error.go`), and whether it is
/// the CA itself that has the fault.
pub fn category(code: u32) -> Option<(&'static str, bool)> {
    Some(match code / 1000 {
        1 => ("the certificate to be signed", false),
        2 => ("the CA's private key", true),
        3 => ("the CA's intermediates", true),
        4 => ("the CA's root", true),
        5 => ("the signing policy, that is the profile", false),
        6 => ("reaching the signer behind the server", true),
        7 => ("the server's own requests to another server", true),
        8 => ("OCSP", false),
        9 => ("the signing request", false),
        10 => ("certificate transparency", true),
        11 => ("the certificate store", true),
        _ => return None,
    })
}

/// An error's number, by its thousands.
pub fn is_about_the_csr(code: &serde_json::Value) -> bool {
    code.as_u64().is_some_and(|code| code / 1000 == 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_hmac_over_the_bytes_of_the_request() {
        // RFC 4231 section 4.3.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let body = authenticated(b"what do ya want for nothing?", &key);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["token"], expected());
        assert_eq!(body["request"], "d2hhdCBkbyB5YSB3YW50IGZvciBub3RoaW5nPw==");
    }

    fn expected() -> String {
        let hex = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        BASE64.encode(&data_encoding::HEXLOWER.decode(hex).unwrap())
    }
}
