//! What is in the bytes of a file: told by what they are, never by the file's name.

use data_encoding::BASE64_NOPAD;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::error::InspectError;
use super::foreign;
use super::item::{self, Piece};
use crate::inspection::Content;
use crate::pki::ber::{self, BerError};
use crate::pki::certificate::is_built_as_one;
use crate::pki::crl::Crl;
use crate::pki::csr::Csr;
use crate::pki::encrypted::{self, EncryptedKeyError};
use crate::pki::pem::{self, Block};
use crate::pki::pkcs12::{self, Pkcs12Error};
use crate::pki::{Certificate, pkcs7, trusted};
use crate::secret::Secret;

/// Everything in one file, and what could not be read of it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub format: Option<&'static str>,
    pub pieces: Vec<Piece>,
    pub errors: Vec<InspectError>,
}

pub(super) fn of(bytes: &[u8], password: Option<&Secret>, now: OffsetDateTime) -> Contents {
    let mut reader = Reader {
        password,
        now,
        contents: Contents::default(),
    };
    reader.file(bytes);
    reader.contents
}

struct Reader<'a> {
    password: Option<&'a Secret>,
    now: OffsetDateTime,
    contents: Contents,
}

impl Reader<'_> {
    fn file(&mut self, bytes: &[u8]) {
        if bytes.trim_ascii().is_empty() {
            self.unreadable("it is empty", "");
            return;
        }
        let mut blocks = pem::blocks(bytes).peekable();
        if blocks.peek().is_some() {
            self.contents.format = Some("PEM");
            blocks.for_each(|block| match block {
                Ok(block) => self.block(block),
                Err(error) => self.broken(
                    "a broken PEM block",
                    error.to_string(),
                    match error.reason {
                        pem::NO_LINES => "keep its line breaks: in a shell, printf '%s\\n' \"$NAME\" with the quotes; if it contains a literal \\n, printf '%b'",
                        _ => "copy the block again, whole, from BEGIN to END",
                    },
                ),
            });
        } else if let Some(error) = foreign::file(bytes) {
            self.contents.errors.push(error);
        } else if !is_text(bytes) {
            self.binary(bytes);
        } else if let Some(der) = base64(bytes) {
            self.contents.format = Some("base64");
            self.der(&der);
        } else if bytes.windows(11).any(|eleven| eleven == b"-----BEGIN ") {
            self.unreadable(
                "its PEM blocks do not start at the beginning of a line",
                "remove the spaces or quotes before every line of the blocks",
            );
        } else {
            self.unreadable(
                format!(
                    "it is {} bytes of text, but neither PEM nor base64",
                    bytes.len()
                ),
                "",
            );
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        if bytes[0] == ber::SEQUENCE {
            self.contents.format = Some("DER");
            self.der(bytes);
        } else {
            self.unreadable(
                format!(
                    "it is {} bytes in a format that certbake does not know",
                    bytes.len()
                ),
                "give PEM, DER, PKCS#7 or PKCS#12",
            );
        }
    }

    fn block(&mut self, block: Block) {
        match block {
            Block::Certificate(der) | Block::Cms(der) if pkcs7::is_message(&der) => {
                self.message(&der)
            }
            Block::Certificate(der) => self.certificate(der, None, false),
            Block::TrustedCertificate(der) => {
                let (certificate, marks) = trusted::read(&der);
                self.certificate(certificate.to_vec(), None, !marks.only_reject());
            }
            Block::PrivateKey(der) => {
                let found = item::private_key(&der, false);
                self.found(found, "a private key");
            }
            Block::EncryptedPrivateKey(der) => self.encrypted_key(&der),
            Block::HeaderEncryptedKey(_) => {
                self.piece(Content::EncryptedPrivateKey);
                self.unreadable(
                    "its private key is encrypted with PEM headers, OpenSSL's old format, which certbake does not open",
                    "openssl pkcs8 -topk8 -in FILE -out NEW rewrites it as encrypted PKCS#8",
                );
            }
            Block::Request(der) => {
                self.found(Csr::from_der(&der).map(item::request), "a signing request")
            }
            Block::Crl(der) => self.found(Crl::from_der(&der).map(item::crl), "a revocation list"),
            Block::PublicKey(der) => self.found(item::public_key(&der), "a public key"),
            Block::Cms(_) => self.found(None, "a CMS message"),
            Block::Unknown(label) => {
                let (what, error) = foreign::block(&label);
                self.piece(Content::Other { what });
                self.contents.errors.extend(error);
            }
        }
    }

    /// One or several DER elements, one after the other.
    fn der(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        // A line end that an editor or a shell put behind it.
        while !rest.trim_ascii().is_empty() {
            match ber::read(rest) {
                Ok((element, after)) => {
                    self.element(element.encoded);
                    rest = after;
                }
                Err(BerError::Cut { missing }) if rest.len() == bytes.len() => {
                    self.unreadable(
                        format!("it is a DER file truncated after {} bytes: at least {missing} bytes are missing", bytes.len()),
                        "copy or download it again, in binary mode",
                    );
                    return;
                }
                Err(_) => {
                    self.unreadable(
                        format!(
                            "the last {} of its {} bytes are not DER",
                            rest.len(),
                            bytes.len()
                        ),
                        "",
                    );
                    return;
                }
            }
        }
    }

    fn element(&mut self, der: &[u8]) {
        if pkcs12::is_key_store(der) {
            self.contents.format = Some("PKCS#12");
            self.key_store(der);
        } else if pkcs7::is_message(der) {
            self.message(der);
        } else if encrypted::is_encrypted_key(der) {
            self.encrypted_key(der);
        } else if let Ok(certificate) = Certificate::from_der(der) {
            self.contents
                .pieces
                .push(item::certificate(certificate, false, self.now));
        } else if let Some(csr) = Csr::from_der(der) {
            self.piece(item::request(csr));
        } else if let Some(crl) = Crl::from_der(der) {
            self.piece(item::crl(crl));
        } else if let Some(key) = item::private_key(der, false).or_else(|| item::public_key(der)) {
            self.piece(key);
        } else if let (true, Err(error)) = (is_built_as_one(der), Certificate::from_der(der)) {
            self.unreadable(
                format!(
                    "it has the structure of a certificate, a request or a revocation list, but {}",
                    error.reason
                ),
                "`openssl x509 -inform DER -in FILE -text` may say more",
            );
        } else {
            self.unreadable(
                "it is DER, but neither a certificate, a request, a revocation list nor a key",
                "`openssl asn1parse -inform DER -in FILE` shows its structure",
            );
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        if self.contents.format != Some("PEM") {
            self.contents.format = Some("PKCS#7");
        }
        let lists = pkcs7::crls(bytes).unwrap_or_default();
        match pkcs7::certificates(bytes) {
            Ok(certificates) if certificates.is_empty() && lists.is_empty() => {
                self.unreadable("it is a CMS message without certificates", "");
            }
            Ok(certificates) => {
                for der in certificates {
                    self.certificate(der, None, false);
                }
                for der in lists {
                    let list = Crl::from_der(&der).map(item::crl);
                    self.found(list, "a revocation list");
                }
            }
            Err(error) => self.unreadable(error.to_string(), ""),
        }
    }

    fn key_store(&mut self, der: &[u8]) {
        let nothing = Secret::new(Vec::new());
        match pkcs12::read(der, self.password.unwrap_or(&nothing)) {
            Ok(contents) => {
                for key in contents.keys {
                    let found = item::private_key(&key.pkcs8, key.encrypted && self.password.is_some());
                    match found {
                        Some(content) => self.contents.pieces.push(Piece::from(content).named(key.alias)),
                        None => self.found(None, "a private key"),
                    }
                }
                for entry in contents.certificates {
                    self.certificate(entry.certificate, entry.alias, entry.trusted);
                }
                if self.contents.pieces.is_empty() {
                    self.unreadable("it is a PKCS#12 key store without certificates or private keys", "");
                }
            }
            Err(Pkcs12Error::WrongPassword) if self.password.is_none() => self.contents.errors.push(InspectError::StoreLocked),
            Err(Pkcs12Error::WrongPassword) => self.contents.errors.push(InspectError::WrongPassword { what: "key store" }),
            Err(error) => self.unreadable(
                error.to_string(),
                "openssl pkcs12 -in FILE -out ALL.pem, then openssl pkcs12 -export -in ALL.pem -out NEW.p12, rewrites it",
            ),
        }
    }

    fn encrypted_key(&mut self, der: &[u8]) {
        let opened = match self.password {
            Some(password) => encrypted::open(der, password),
            None => {
                self.piece(Content::EncryptedPrivateKey);
                self.contents.errors.push(InspectError::KeyLocked);
                return;
            }
        };
        match opened {
            Ok(pkcs8) => {
                let found = item::private_key(&pkcs8, true);
                self.found(found, "a private key");
            }
            Err(error) => {
                self.piece(Content::EncryptedPrivateKey);
                self.contents.errors.push(match error {
                    EncryptedKeyError::WrongPassword => InspectError::WrongPassword {
                        what: "private key",
                    },
                    error => InspectError::unreadable(
                        format!("its private key is encrypted, and {error}"),
                        "openssl pkcs8 -topk8 -v2 aes-256-cbc -provider legacy -provider default -in FILE -out NEW rewrites it (OpenSSL 1: without -provider …)",
                    ),
                });
            }
        }
    }

    fn certificate(&mut self, der: Vec<u8>, alias: Option<String>, trusted: bool) {
        match Certificate::from_der(der.as_slice()) {
            Ok(certificate) => {
                let piece = item::certificate(certificate, trusted, self.now);
                self.contents.pieces.push(piece.named(alias));
            }
            Err(error) => {
                let summary = match item::instead_of_certificate(&der) {
                    Some(what) => format!(
                        "item {} is labelled as a certificate, but is {what}",
                        self.next()
                    ),
                    None => format!("item {}: {error}", self.next()),
                };
                self.broken("a certificate that cannot be read", summary, "");
            }
        }
    }

    /// A block whose label promises more than there is in it.
    fn found(&mut self, found: Option<Content>, what: &str) {
        match found {
            Some(content) => self.piece(content),
            None => {
                let summary = format!("item {} is labelled as {what}, but is not one", self.next());
                self.broken("a block that is not what its label says", summary, "");
            }
        }
    }

    fn next(&self) -> usize {
        self.contents.pieces.len() + 1
    }

    fn piece(&mut self, content: Content) {
        self.contents.pieces.push(content.into());
    }

    /// Keeps its number among the items, so that the others keep theirs.
    fn broken(&mut self, what: &str, summary: String, hint: &str) {
        self.piece(Content::Other {
            what: what.to_owned(),
        });
        self.unreadable(summary, hint);
    }

    fn unreadable(&mut self, summary: impl Into<String>, hint: &str) {
        self.contents
            .errors
            .push(InspectError::unreadable(summary, hint));
    }
}

/// Without the control characters that DER always has.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars()
            .all(|c| !c.is_control() || c.is_ascii_whitespace())
    })
}

/// DER in base64 without the BEGIN and END lines, wrapped or not.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(text.to_vec());
    text.retain(|byte| !byte.is_ascii_whitespace());
    while text.last() == Some(&b'=') {
        text.pop();
    }
    let der = Zeroizing::new(BASE64_NOPAD.decode(&text).ok()?);
    (der.first() == Some(&ber::SEQUENCE)).then_some(der)
}

#[cfg(test)]
mod tests;
