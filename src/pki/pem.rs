//! PEM (RFC 7468) in and out. The one home of `rustls_pemfile`.

use data_encoding::BASE64;
use rustls_pemfile::Item;
use zeroize::Zeroizing;

/// What a PEM file holds, in its order. Text around the blocks and CRLF line ends are fine.
#[derive(Debug)]
pub enum Block {
    Certificate(Vec<u8>),
    /// Unencrypted PKCS#8, PKCS#1 or SEC 1.
    PrivateKey(Zeroizing<Vec<u8>>),
    Request(Vec<u8>),
    Crl(Vec<u8>),
    PublicKey(Vec<u8>),
}

/// Reads every block that certbake knows; other kinds are passed over.
///
/// # Errors
/// When a block is broken: says which, counted from 1, never what it holds.
pub fn decode(text: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut rest = text;
    let mut blocks = Vec::new();
    loop {
        match rustls_pemfile::read_one_from_slice(rest) {
            Ok(None) => return Ok(blocks),
            Ok(Some((item, after))) => {
                rest = after;
                blocks.extend(block(item));
            }
            Err(error) => {
                return Err(PemError {
                    block: blocks.len() + 1,
                    reason: reason(&error),
                });
            }
        }
    }
}

/// Only the certificates of a PEM file.
///
/// # Errors
/// As [`decode`].
pub fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    Ok(decode(text)?
        .into_iter()
        .filter_map(|block| {
            if let Block::Certificate(der) = block {
                Some(der)
            } else {
                None
            }
        })
        .collect())
}

fn block(item: Item) -> Option<Block> {
    Some(match item {
        Item::X509Certificate(der) => Block::Certificate(der.to_vec()),
        Item::Pkcs8Key(der) => Block::PrivateKey(Zeroizing::new(der.secret_pkcs8_der().to_vec())),
        Item::Pkcs1Key(der) => Block::PrivateKey(Zeroizing::new(der.secret_pkcs1_der().to_vec())),
        Item::Sec1Key(der) => Block::PrivateKey(Zeroizing::new(der.secret_sec1_der().to_vec())),
        Item::Csr(der) => Block::Request(der.to_vec()),
        Item::Crl(der) => Block::Crl(der.to_vec()),
        Item::SubjectPublicKeyInfo(der) => Block::PublicKey(der.to_vec()),
        _ => return None,
    })
}

fn reason(error: &rustls_pemfile::Error) -> &'static str {
    match error {
        rustls_pemfile::Error::MissingSectionEnd { .. } => "it has a BEGIN line but no END line",
        rustls_pemfile::Error::IllegalSectionStart { .. } => {
            "its BEGIN line does not end in five dashes"
        }
        rustls_pemfile::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64",
    }
}

/// One block with this label, base64 in 64-column lines, LF line ends.
pub fn encode(label: &str, der: &[u8]) -> String {
    let base64 = Zeroizing::new(BASE64.encode(der));
    let mut out = String::with_capacity(base64.len() + base64.len() / 64 + 2 * label.len() + 40);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// A broken PEM block.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("PEM block {block}: {reason}")]
pub struct PemError {
    /// Which block, from 1.
    pub block: usize,
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_before_a_block_and_crlf_are_read() {
        let pem = encode("CERTIFICATE", b"not really one").replace('\n', "\r\n");
        let text = format!("subject=CN = app\r\nissuer=CN = lab\r\n{pem}\r\n{pem}");
        assert_eq!(
            certificates(text.as_bytes()).unwrap(),
            vec![b"not really one".to_vec(); 2]
        );
    }

    #[test]
    fn a_cut_file_is_an_error_that_names_the_block() {
        let pem = encode("CERTIFICATE", &[7; 100]);
        let error = decode(&[pem.as_bytes(), &pem.as_bytes()[..60]].concat()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PEM block 2: it has a BEGIN line but no END line"
        );
    }
}
