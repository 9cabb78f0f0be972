//! SHA-256 and its hexadecimal spellings.

use aws_lc_rs::digest;
use data_encoding::{BASE64, HEXLOWER};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha256(bytes))
}

/// SHA-256 of a DER `SubjectPublicKeyInfo`, base64 as in RFC 7469 section 2.4.
pub fn spki_pin(spki: &[u8]) -> String {
    BASE64.encode(&sha256(spki))
}

/// A SHA-256 fingerprint as people paste it: any case, with or without colons or spaces, with or
/// without a `sha256:` before it.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_sha256(text: &str) -> Result<[u8; 32], FingerprintError> {
    let digits = text
        .strip_prefix("sha256:")
        .or_else(|| text.strip_prefix("SHA256:"))
        .unwrap_or(text);
    let digits: String = digits.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let bytes = HEXLOWER
        .decode(digits.to_ascii_lowercase().as_bytes())
        .map_err(|_| FingerprintError {
            text: text.to_owned(),
        })?;
    bytes.try_into().map_err(|_| FingerprintError {
        text: text.to_owned(),
    })
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{text}\" is not a SHA-256 fingerprint: 64 hexadecimal digits, colons allowed")]
pub struct FingerprintError {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_people_paste_it() {
        let expected = sha256(b"abc");
        let plain = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let colons = plain
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).into_owned())
            .collect::<Vec<_>>()
            .join(":");
        for text in [plain.to_owned(), format!("sha256:{plain}"), colons] {
            assert_eq!(parse_sha256(&text), Ok(expected), "{text}");
        }
        assert!(parse_sha256("abcd").is_err());
    }
}
