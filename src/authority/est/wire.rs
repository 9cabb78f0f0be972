//! The bytes of EST: requests in base64, answers in whatever wrapping servers use.

use data_encoding::BASE64;

use crate::authority::AuthorityError;
use crate::authority::answer;
use crate::net::Response;
use crate::pki::{Certificate, ber, pkcs7};

/// DER as base64 in 64-column lines, which the oldest servers want; RFC 8951 section 3.1 lets
/// everybody else read it too.
pub fn base64(der: &[u8]) -> Vec<u8> {
    let text = BASE64.encode(der);
    let mut lines = Vec::with_capacity(text.len() + text.len() / 64 + 1);
    for line in text.as_bytes().chunks(64) {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

/// The DER of an answer, from DER or base64 in one line or many; `None` when it is neither.
pub fn der(body: &[u8]) -> Option<Vec<u8>> {
    if body.first() == Some(&ber::SEQUENCE) {
        return Some(body.to_vec());
    }
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(&text).ok()
}

/// The certificates of an answer: a certs-only CMS message as DER, base64 or PEM, or certificates
/// themselves. The content type is not looked at: servers send generic ones.
///
/// # Errors
/// [`AuthorityError::Unusable`] when there is none, or what stands there is none.
pub fn certificates(what: &str, response: &Response) -> Result<Vec<Certificate>, AuthorityError> {
    let unusable = |reason: String| answer::unusable(what, &reason, response);
    let ders = match bare(&response.body) {
        Some(der) => vec![der],
        None => pkcs7::from_any(&response.body).map_err(|error| unusable(error.to_string()))?,
    };
    if ders.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    ders.into_iter()
        .map(|der| Certificate::from_der(der).map_err(|error| unusable(error.to_string())))
        .collect()
}

/// A structure that is no CMS message, so a certificate if anything; without what follows it.
fn bare(body: &[u8]) -> Option<Vec<u8>> {
    let der = der(body).filter(|der| !pkcs7::is_message(der))?;
    let (element, _) = ber::read(&der).ok()?;
    (element.tag == ber::SEQUENCE).then(|| element.encoded.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_out_in_lines_of_64_columns() {
        let lines = base64(&[7; 100]);
        let lengths: Vec<usize> = lines.split(|b| *b == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lengths, [64, 64, 8, 0]);
    }
}
