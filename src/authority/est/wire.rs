//! The bytes of EST: requests in base64, answers in whatever wrapping servers use.

use data_encoding::BASE64;

use crate::authority::{AuthorityError, answer, received};
use crate::net::Response;
use crate::pki::Certificate;

pub use crate::authority::received::der;

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

/// The certificates of an answer: a certs-only CMS message as DER, base64 or PEM, or certificates
/// themselves. The content type is not looked at: servers send generic ones.
///
/// # Errors
/// [`AuthorityError::Unusable`] when there is none, or what stands there is none.
pub fn certificates(what: &str, response: &Response) -> Result<Vec<Certificate>, AuthorityError> {
    received::certificates(&response.body)
        .map_err(|reason| answer::unusable(what, &reason, response))
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
