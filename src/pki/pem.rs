//! PEM (RFC 7468) in and out. The one home of `rustls_pemfile`.

use data_encoding::BASE64;
use rustls_pemfile::Item;
use zeroize::{Zeroize, Zeroizing};

use super::certificate::Certificate;

/// What a PEM file holds, in its order. Text around the blocks and CRLF line ends are fine.
#[derive(Debug)]
pub enum Block {
    Certificate(Vec<u8>),
    /// OpenSSL's `TRUSTED CERTIFICATE`: a certificate, then what it is trusted *or distrusted* for.
    /// Never taken for a plain certificate.
    TrustedCertificate(Vec<u8>),
    /// Unencrypted PKCS#8, PKCS#1 or SEC 1.
    PrivateKey(Zeroizing<Vec<u8>>),
    /// Encrypted PKCS#8 (RFC 5958 section 3).
    EncryptedPrivateKey(Vec<u8>),
    /// A key encrypted the old way, by headers inside the block (RFC 1421 section 4.6), under this
    /// label.
    HeaderEncryptedKey(String),
    Request(Vec<u8>),
    Crl(Vec<u8>),
    PublicKey(Vec<u8>),
    /// PKCS#7 or CMS (RFC 5652), whatever is in it.
    Cms(Vec<u8>),
    /// A block under a label that certbake does not know.
    Unknown(String),
}

/// Reads every block, in order.
///
/// # Errors
/// When a block is broken: says which, counted from 1, never what it holds.
pub fn decode(text: &[u8]) -> Result<Vec<Block>, PemError> {
    blocks(text).collect()
}

/// Every block, in order, the broken ones too; ends after one that has no end itself.
pub fn blocks(text: &[u8]) -> impl Iterator<Item = Result<Block, PemError>> {
    (1..).zip(sections(text)).map(|(block, section)| {
        section
            .and_then(Section::block)
            .map_err(|reason| PemError { block, reason })
    })
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

/// How the first line of a block begins.
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Whether a block begins at the start of a line: what holds PEM within JSON has none.
pub fn begins_a_block(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(BEGIN))
}

/// The certificates, DER, of a file that is to hold some.
///
/// # Errors
/// What is wrong with it, in words that go on from "reading FILE".
pub fn required(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let ders = certificates(text).map_err(|error| error.to_string())?;
    if ders.is_empty() {
        let instead = instead_of_certificates(text);
        return Err(format!("it contains no PEM certificate{instead}"));
    }
    Ok(ders)
}

/// As [`required`], and parsed.
///
/// # Errors
/// As [`required`].
pub fn required_parsed(text: &[u8]) -> Result<Vec<Certificate>, String> {
    let parsed = required(text)?.into_iter().map(Certificate::from_der);
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// What follows "it contains no PEM certificate": what the file is instead, where that can be told.
fn instead_of_certificates(bytes: &[u8]) -> String {
    let instead = if bytes.trim_ascii().is_empty() {
        "it is empty"
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        "it is UTF-16 text: save it as UTF-8 or ASCII"
    } else if Certificate::from_der(bytes).is_ok() {
        "it is DER: `openssl x509 -inform DER -in FILE -out NEW` converts it to PEM"
    } else if bytes.windows(BEGIN.len()).any(|part| part == BEGIN) {
        "it contains other things, which `certbake inspect FILE` shows"
    } else {
        "`certbake inspect FILE` says what it is"
    };
    format!(": {instead}")
}

/// The first private key of a PEM file that is not encrypted; `None` without one.
///
/// # Errors
/// As [`decode`].
pub fn private_key(text: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, PemError> {
    Ok(decode(text)?.into_iter().find_map(|block| match block {
        Block::PrivateKey(der) => Some(der),
        _ => None,
    }))
}

/// A block as it stands in the text.
struct Section<'a> {
    label: &'a str,
    /// Between the BEGIN line and the END line.
    body: &'a [u8],
    /// With both.
    text: &'a [u8],
}

impl Section<'_> {
    fn block(self) -> Result<Block, &'static str> {
        let headers = self.body.trim_ascii_start();
        if headers.starts_with(b"Proc-Type: 4,ENCRYPTED") {
            return Ok(Block::HeaderEncryptedKey(self.label.to_owned()));
        }
        Ok(match self.label {
            "ENCRYPTED PRIVATE KEY" => Block::EncryptedPrivateKey(self.base64()?),
            "TRUSTED CERTIFICATE" => Block::TrustedCertificate(self.base64()?),
            // What older tools write (RFC 7468 appendix A).
            "X509 CERTIFICATE" => Block::Certificate(self.base64()?),
            "NEW CERTIFICATE REQUEST" => Block::Request(self.base64()?),
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Block::Cms(self.base64()?),
            label => match rustls_pemfile::read_one_from_slice(self.text) {
                Ok(Some((item, _))) => block(item),
                Ok(None) => Block::Unknown(label.to_owned()),
                Err(error) => return Err(reason(&error)),
            },
        })
    }

    fn base64(&self) -> Result<Vec<u8>, &'static str> {
        let mut body = self.body.to_vec();
        body.retain(|byte| !byte.is_ascii_whitespace());
        BASE64.decode(&body).map_err(|_| NOT_BASE64)
    }
}

const NOT_BASE64: &str = "the text between BEGIN and END is not base64";
const NO_END: &str = "it has a BEGIN line but no END line";
const NO_DASHES: &str = "its BEGIN line does not end in five dashes";
pub const NO_LINES: &str = "its line breaks are lost: everything is on the BEGIN line";

/// Finds the blocks by their BEGIN and END lines; ends after the first that is broken.
fn sections(text: &[u8]) -> impl Iterator<Item = Result<Section<'_>, &'static str>> {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    std::iter::from_fn(move || {
        let next = next_section(rest).transpose()?;
        rest = match &next {
            Ok((_, after)) => after,
            Err(_) => &[],
        };
        Some(next.map(|(section, _)| section))
    })
}

/// The first block of `text`, and what follows it.
fn next_section(text: &[u8]) -> Result<Option<(Section<'_>, &[u8])>, &'static str> {
    let mut lines = lines(text);
    let Some((start, begin)) = lines.find(|(_, line)| line.starts_with(BEGIN)) else {
        return Ok(None);
    };
    let after = &begin[BEGIN.len()..];
    // As environment variables and JSON make of it: blanks, or `\n` as two characters.
    if after.windows(END.len()).any(|part| part == END) {
        return Err(NO_LINES);
    }
    let label = after
        .strip_suffix(b"-----")
        .and_then(|label| std::str::from_utf8(label).ok())
        .ok_or(NO_DASHES)?;
    let end = format!("-----END {label}-----");
    let mut body = None;
    for (at, line) in lines {
        let body_start = *body.get_or_insert(at);
        if line == end.as_bytes() {
            let stop = at + line.len();
            let section = Section {
                label,
                body: &text[body_start..at],
                text: &text[start..stop],
            };
            return Ok(Some((section, &text[stop..])));
        }
        if line.starts_with(BEGIN) {
            break;
        }
    }
    Err(NO_END)
}

/// Lines with their offsets, without line ends (LF, CRLF, CR) and the blanks before them.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(move |line| {
            let start = at;
            at += line.len() + 1;
            (start, line.trim_ascii_end())
        })
}

fn block(item: Item) -> Block {
    match item {
        Item::X509Certificate(der) => Block::Certificate(der.to_vec()),
        Item::Pkcs8Key(mut der) => secret(der.secret_pkcs8_der().to_vec(), || der.zeroize()),
        Item::Pkcs1Key(mut der) => secret(der.secret_pkcs1_der().to_vec(), || der.zeroize()),
        Item::Sec1Key(mut der) => secret(der.secret_sec1_der().to_vec(), || der.zeroize()),
        Item::Csr(der) => Block::Request(der.to_vec()),
        Item::Crl(der) => Block::Crl(der.to_vec()),
        Item::SubjectPublicKeyInfo(der) => Block::PublicKey(der.to_vec()),
        _ => Block::Unknown("ECHCONFIG".to_owned()),
    }
}

fn secret(der: Vec<u8>, wipe_original: impl FnOnce()) -> Block {
    wipe_original();
    Block::PrivateKey(Zeroizing::new(der))
}

fn reason(error: &rustls_pemfile::Error) -> &'static str {
    match error {
        rustls_pemfile::Error::MissingSectionEnd { .. } => NO_END,
        rustls_pemfile::Error::IllegalSectionStart { .. } => NO_DASHES,
        rustls_pemfile::Error::Base64Decode(_) => NOT_BASE64,
    }
}

/// One block with this label, base64 in 64-column lines, LF line ends.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(base64_lines(der));
    let mut out = String::with_capacity(body.len() + 2 * label.len() + 40);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    out.push_str(&body);
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Base64 in 64-column lines, each ended by LF.
pub fn base64_lines(bytes: &[u8]) -> String {
    let text = Zeroizing::new(BASE64.encode(bytes));
    let mut lines = String::with_capacity(text.len() + text.len() / 64 + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
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
    use proptest::prelude::*;

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

    /// What a block was taken for, without its content.
    fn kind(block: &Block) -> String {
        match block {
            Block::Unknown(label) | Block::HeaderEncryptedKey(label) => {
                format!("{block:?}").replace(&format!("{label:?}"), label)
            }
            other => format!("{other:?}")
                .split('(')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    #[test]
    fn every_label_that_tools_write_is_told_apart() {
        for (label, expected) in [
            ("CERTIFICATE", "Certificate"),
            ("X509 CERTIFICATE", "Certificate"),
            ("TRUSTED CERTIFICATE", "TrustedCertificate"),
            ("PRIVATE KEY", "PrivateKey"),
            ("RSA PRIVATE KEY", "PrivateKey"),
            ("EC PRIVATE KEY", "PrivateKey"),
            ("ENCRYPTED PRIVATE KEY", "EncryptedPrivateKey"),
            ("CERTIFICATE REQUEST", "Request"),
            ("NEW CERTIFICATE REQUEST", "Request"),
            ("X509 CRL", "Crl"),
            ("PUBLIC KEY", "PublicKey"),
            ("PKCS7", "Cms"),
            ("CMS", "Cms"),
            ("OPENSSH PRIVATE KEY", "Unknown(OPENSSH PRIVATE KEY)"),
            ("EC PARAMETERS", "Unknown(EC PARAMETERS)"),
        ] {
            let blocks = decode(encode(label, b"anything").as_bytes()).unwrap();
            assert_eq!(blocks.iter().map(kind).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_key_encrypted_by_headers_is_seen_and_not_decoded() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n\
                    DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\r\n\r\n\
                    AAAA\r\n-----END RSA PRIVATE KEY-----";
        let blocks = decode(text.as_bytes()).unwrap();
        assert_eq!(kind(&blocks[0]), "HeaderEncryptedKey(RSA PRIVATE KEY)");
    }

    #[test]
    fn a_byte_order_mark_and_a_missing_last_line_end_do_no_harm() {
        let text = format!("\u{feff}{}", encode("CERTIFICATE", b"one").trim_end());
        assert_eq!(certificates(text.as_bytes()).unwrap(), [b"one"]);
    }

    #[test]
    fn base64_stands_in_lines_of_64_columns() {
        let lines = base64_lines(&[7; 100]);
        let lengths: Vec<usize> = lines.split('\n').map(str::len).collect();
        assert_eq!(lengths, [64, 64, 8, 0]);
    }

    #[test]
    fn the_first_key_that_is_not_encrypted_is_found() {
        let text = encode("CERTIFICATE", b"one") + &encode("ENCRYPTED PRIVATE KEY", b"locked");
        assert_eq!(private_key(text.as_bytes()).unwrap(), None);
        let text = text + &encode("PRIVATE KEY", b"open") + &encode("PRIVATE KEY", b"second");
        let key = private_key(text.as_bytes()).unwrap().unwrap();
        assert_eq!(*key, b"open");
    }

    #[test]
    fn a_block_that_begins_inside_another_is_an_error() {
        let text = format!(
            "-----BEGIN CERTIFICATE-----\n{}",
            encode("CERTIFICATE", b"x")
        );
        assert_eq!(decode(text.as_bytes()).unwrap_err().reason, NO_END);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(-----(BEGIN|END) (CMS|X)-----|[ -~\r\n]){0,30}") {
            let _ = decode(text.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_back(der in prop::collection::vec(any::<u8>(), 0..300)) {
            for label in ["CERTIFICATE", "CMS"] {
                match &decode(encode(label, &der).as_bytes()).unwrap()[..] {
                    [Block::Certificate(read) | Block::Cms(read)] => prop_assert_eq!(read, &der),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
