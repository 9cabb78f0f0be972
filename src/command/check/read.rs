//! Files of certificates, keys and revocation lists, PEM or DER, read so that a fault names its file
//! and line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::finding::{Code, Finding, Severity};
use crate::os_error;
use crate::pki::certificate::KeyFacts;
use crate::pki::crl::{Crl, RevocationList};
use crate::pki::csr::Csr;
use crate::pki::key::KeyError;
use crate::pki::pem::{self, Block};
use crate::pki::trusted::{self, Marks};
use crate::pki::{Anchors, Certificate, PrivateKey, Usage, encrypted, pkcs7, pkcs12};

const UNREADABLE: Code = Code::new("file-unreadable");
const KEY_UNREADABLE: Code = Code::new("key-unreadable");

/// No file of certificates comes near; what is larger is something else.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// The first octet of a DER SEQUENCE, which no text starts with but the digit 0.
const SEQUENCE: u8 = 0x30;

const BEGIN: &[u8] = b"-----BEGIN ";
/// The labels of what is read as a certificate; OpenSSL writes the others too.
const CERTIFICATES: [&[u8]; 3] = [
    b"CERTIFICATE-----",
    b"X509 CERTIFICATE-----",
    b"TRUSTED CERTIFICATE-----",
];

/// Room for a file, wiped when dropped: there may be a key in it, and a vector that grows would leave
/// pieces of it behind.
pub(super) fn buffer() -> Zeroizing<Vec<u8>> {
    const LARGER_THAN_KEYS: usize = 64 * 1024;
    Zeroizing::new(Vec::with_capacity(LARGER_THAN_KEYS))
}

/// Reads a whole file into `buffer`, replacing what it held.
///
/// # Errors
/// What the system says, or that it is too large.
pub(super) fn into(buffer: &mut Vec<u8>, path: &Path) -> io::Result<()> {
    buffer.clear();
    let read = File::open(path)?.take(LARGEST + 1).read_to_end(buffer)?;
    if read as u64 > LARGEST {
        let most = LARGEST / (1024 * 1024);
        return Err(io::Error::other(format!("it is larger than {most} MiB")));
    }
    Ok(())
}

/// Something in a file that cannot be read.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which PEM block, from 1.
    block: Option<usize>,
    reason: String,
    hint: &'static str,
}

/// What to do about most of them.
const WRITE_AGAIN: &str = "look at it with `certbake inspect`, then copy it again from its source";

impl Fault {
    pub(super) fn finding(self, path: &str, text: &[u8]) -> Finding {
        let mut finding = unreadable(path, &self.reason).hint(self.hint);
        if let Some(block) = self.block {
            finding.line = line_of_block(text, block);
            finding = finding.fact("block", block);
        }
        finding
    }
}

/// The file itself cannot be opened.
pub(super) fn unopened(path: &str, error: &io::Error) -> Finding {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "check the path; the shell expands a pattern such as *.pem, so do not quote it"
        }
        io::ErrorKind::PermissionDenied => "check its owner and permissions",
        _ => "check the path",
    };
    unreadable(path, &os_error::in_words(error)).hint(hint)
}

pub(super) fn unreadable(path: &str, reason: &str) -> Finding {
    Finding::error(UNREADABLE, format!("reading {path}: {reason}"))
        .in_file(path)
        .fact("reason", reason)
        .hint(WRITE_AGAIN)
}

/// There is no key in it, or none that can be used.
pub(super) fn key_unreadable(path: &str, reason: &str) -> Finding {
    Finding::error(KEY_UNREADABLE, format!("reading {path}: {reason}"))
        .in_file(path)
        .fact("reason", reason)
        .hint("give the file with the key itself; `certbake inspect` opens an encrypted key and says what a file contains")
}

/// The line, from 1, on which the `block`-th PEM block begins.
pub(super) fn line_of_block(text: &[u8], block: usize) -> Option<usize> {
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| line.starts_with(BEGIN))
        .nth(block.checked_sub(1)?)
        .map(|(at, _)| at + 1)
}

/// What stands in a file, as far as `check` has use for it.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Each with the PEM block it stands in, from 1.
    pub(super) certificates: Vec<(Certificate, usize)>,
    /// What OpenSSL is to trust certificates for, by their PEM block.
    marks: Vec<(usize, Marks)>,
    /// Read only where a key is wanted.
    keys: Vec<Zeroizing<Vec<u8>>>,
    pub(super) crls: Vec<RevocationList>,
}

impl Content {
    /// The first private key; `None` when there is none.
    pub(super) fn key(&self) -> Option<Result<PrivateKey, KeyError>> {
        self.keys.first().map(|der| PrivateKey::from_der(der))
    }
}

/// Reads everything in a file.
pub(super) fn content(bytes: &[u8]) -> Result<Content, Fault> {
    if bytes.first() == Some(&SEQUENCE) {
        return der(bytes);
    }
    let blocks = pem::decode(bytes).map_err(|error| Fault {
        block: Some(error.block),
        reason: error.to_string(),
        hint: WRITE_AGAIN,
    })?;
    let mut content = Content::default();
    for (at, block) in blocks.into_iter().enumerate() {
        let fault = |reason: &str, hint| Fault {
            block: Some(at + 1),
            reason: format!("PEM block {}: {reason}", at + 1),
            hint,
        };
        let certificate = match block {
            Block::Cms(_) => return Err(fault(MESSAGE, OUT_OF_PEM_MESSAGE)),
            Block::Certificate(der) if pkcs7::is_message(&der) => {
                return Err(fault(MESSAGE, OUT_OF_PEM_MESSAGE));
            }
            Block::Certificate(der) => der,
            Block::TrustedCertificate(der) => {
                let (certificate, marks) = trusted::read(&der);
                content.marks.push((at + 1, marks));
                certificate.to_vec()
            }
            Block::PrivateKey(der) => {
                content.keys.push(der);
                continue;
            }
            Block::Crl(der) => {
                content.crls.push(RevocationList::new(der));
                continue;
            }
            _ => continue,
        };
        let certificate = Certificate::from_der(certificate)
            .map_err(|error| fault(&error.to_string(), WRITE_AGAIN))?;
        content.certificates.push((certificate, at + 1));
    }
    Ok(content)
}

const MESSAGE: &str = "it is a PKCS#7 message";
const OUT_OF_PEM_MESSAGE: &str =
    "extract its certificates and check those: openssl pkcs7 -in FILE -print_certs -out NEW";

/// A DER file says nothing about its kind: it is the one that it can be read as.
fn der(bytes: &[u8]) -> Result<Content, Fault> {
    let mut content = Content::default();
    match Certificate::from_der(bytes) {
        Ok(certificate) => content.certificates.push((certificate, 1)),
        Err(error) => match PrivateKey::from_der(bytes) {
            Ok(_) => content.keys.push(bytes.to_vec().into()),
            Err(_) if Crl::from_der(bytes).is_some() => {
                content.crls.push(RevocationList::new(bytes.to_vec()));
            }
            // Nothing for us, as in PEM.
            Err(_) if holds_no_certificate(bytes) => {}
            Err(_) if pkcs7::is_message(bytes) => {
                return Err(Fault {
                    block: None,
                    reason: MESSAGE.to_owned(),
                    hint: "extract its certificates and check those: openssl pkcs7 -inform DER -in FILE -print_certs -out NEW",
                });
            }
            Err(_) if pkcs12::is_key_store(bytes) => {
                return Err(Fault {
                    block: None,
                    reason: "it is a PKCS#12 key store, and no password was given".to_owned(),
                    hint: "extract its certificates and check those: openssl pkcs12 -in FILE -nokeys -out NEW",
                });
            }
            Err(_) => {
                return Err(Fault {
                    block: None,
                    reason: error.to_string(),
                    hint: WRITE_AGAIN,
                });
            }
        },
    }
    Ok(content)
}

fn holds_no_certificate(der: &[u8]) -> bool {
    Csr::from_der(der).is_some()
        || encrypted::is_encrypted_key(der)
        || KeyFacts::of_spki(der).is_some()
}

/// Of a file with a chain, the certificate that the chain is of: the first; but where that is an
/// authority's and one other is not, that one.
pub(super) fn end_entity(certificates: &[Certificate]) -> Option<&Certificate> {
    let first = certificates.first()?;
    let mut ends = certificates.iter().filter(|one| !one.facts().is_ca);
    let end = ends.next().unwrap_or(first);
    Some(if ends.all(|other| other == end) {
        end
    } else {
        first
    })
}

fn is_called(path: &Path, names: &[&str]) -> bool {
    let end = path.extension().unwrap_or_default();
    names.iter().any(|known| end.eq_ignore_ascii_case(known))
}

/// Whether a file met in a folder held certificates, by its name, before something emptied it: a renewal
/// that failed, or a disk that was full.
pub(super) fn was_emptied(path: &Path, bytes: &[u8]) -> bool {
    let blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    is_called(path, &["cer", "crt", "der", "pem"]) && bytes.iter().all(blank)
}

/// Whether a file met in a folder is meant to hold certificates.
pub(super) fn looks_like_certificates(path: &Path, bytes: &[u8]) -> bool {
    if was_emptied(path, bytes) {
        return true;
    }
    if bytes.first() == Some(&SEQUENCE) {
        return is_called(path, &["cer", "crt", "der"]);
    }
    let is_certificate = |label: &[u8]| CERTIFICATES.iter().any(|known| label.starts_with(known));
    bytes
        .windows(BEGIN.len())
        .enumerate()
        .any(|(at, window)| window == BEGIN && is_certificate(&bytes[at + BEGIN.len()..]))
}

/// The certificates of several files, in order; faults go to `findings`.
pub(super) fn certificates(
    paths: &[impl AsRef<Path>],
    findings: &mut Vec<Finding>,
) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for path in paths {
        let Some(content) = file(path.as_ref(), findings) else {
            continue;
        };
        if content.certificates.is_empty() {
            let path = path.as_ref().display().to_string();
            findings.push(unreadable(&path, "it contains no certificate"));
        }
        certificates.extend(
            content
                .certificates
                .into_iter()
                .map(|(certificate, _)| certificate),
        );
    }
    certificates
}

/// Those that OpenSSL's marks permit for this usage.
pub(super) fn anchors(
    paths: &[impl AsRef<Path>],
    usage: Option<Usage>,
    findings: &mut Vec<Finding>,
) -> Option<Anchors> {
    let usage = usage.unwrap_or_default();
    let purpose = usage.purpose();
    let mut anchors = Vec::new();
    for path in paths {
        let Some(mut content) = file(path.as_ref(), findings) else {
            continue;
        };
        let path = path.as_ref().display().to_string();
        let marks = std::mem::take(&mut content.marks);
        let delivered = content.certificates.len();
        content.certificates.retain(|(_, block)| {
            let mut of_it = marks.iter().filter(|(marked, _)| marked == block);
            of_it.all(|(_, marks)| marks.permit(usage))
        });
        let kept = content.certificates.len();
        if delivered == 0 {
            findings.push(unreadable(&path, "it contains no certificate"));
        } else if kept == 0 {
            let reason = format!(
                "it contains no certificate that its marks let OpenSSL trust for {purpose}"
            );
            findings.push(unreadable(&path, &reason).hint(CLEAR_MARKS));
        } else if kept < delivered {
            let reason = format!(
                "{} of its {delivered} certificates are marked as not trusted for {purpose}, and are no anchors",
                delivered - kept
            );
            let mut finding = unreadable(&path, &reason).hint(CLEAR_MARKS);
            finding.severity = Severity::Note;
            findings.push(finding);
        }
        anchors.extend(content.certificates.into_iter().map(|(anchor, _)| anchor));
    }
    (!paths.is_empty()).then(|| Anchors::new(anchors))
}

const CLEAR_MARKS: &str = "`openssl x509 -in FILE -clrtrust -out NEW` makes a plain CERTIFICATE of a TRUSTED CERTIFICATE, if it is to be trusted";

/// The revocation lists of several files; faults go to `findings`.
pub(super) fn crls(paths: &[PathBuf], findings: &mut Vec<Finding>) -> Vec<RevocationList> {
    let mut crls = Vec::new();
    for path in paths {
        let Some(content) = file(path, findings) else {
            continue;
        };
        if content.crls.is_empty() {
            let name = path.display().to_string();
            findings.push(unreadable(&name, "it contains no revocation list"));
        }
        crls.extend(content.crls);
    }
    crls
}

/// The content of one file; a fault goes to `findings`.
pub(super) fn file(path: &Path, findings: &mut Vec<Finding>) -> Option<Content> {
    let mut bytes = buffer();
    let name = path.display().to_string();
    if let Err(error) = into(&mut bytes, path) {
        findings.push(unopened(&name, &error));
        return None;
    }
    content(&bytes)
        .map_err(|fault| findings.push(fault.finding(&name, &bytes)))
        .ok()
}
