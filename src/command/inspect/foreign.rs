//! Kinds of file and PEM block that certbake does not read, by what they begin with; each with the
//! command that makes something readable of it, or a word on where it came from.

use super::error::InspectError;
use crate::line;

/// What it is, and what to do.
type Words = (&'static str, &'static str);

const OPENSSH: Words = (
    "an OpenSSH private key",
    "RSA and ECDSA keys: `ssh-keygen -p -m PKCS8 -f COPY` rewrites a copy of it as PKCS#8; ssh-keygen leaves Ed25519 keys as they are",
);
const OPENPGP: Words = ("OpenPGP, which has no X.509 certificates", "");

/// By their first bytes.
const FILES: &[(&[u8], Words)] = &[
    (
        b"\xfe\xed\xfe\xed",
        (
            "a Java key store in the old format (JKS)",
            "keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 -deststoretype PKCS12",
        ),
    ),
    (
        b"\xce\xce\xce\xce",
        (
            "a Java key store in the old format (JCEKS)",
            "keytool -importkeystore -srcstoretype JCEKS -srckeystore FILE -destkeystore NEW.p12 -deststoretype PKCS12",
        ),
    ),
    (
        b"SQLite format 3\0",
        (
            "a database, perhaps the key database of NSS (cert9.db, key4.db)",
            "pk12util -d DIRECTORY -n NICKNAME -o NEW.p12",
        ),
    ),
    (
        b"PuTTY-User-Key-File-",
        (
            "a PuTTY private key",
            "puttygen FILE -O private-openssh -o COPY, then `ssh-keygen -p -m PKCS8 -f COPY`",
        ),
    ),
    (
        b"ssh-ed25519 ",
        (
            "an OpenSSH public key (Ed25519)",
            "ssh-keygen does not convert Ed25519 keys; this does: { printf '0*0\\005\\006\\003+ep\\003!\\000'; cut -d' ' -f2 FILE | base64 -d | tail -c 32; } > NEW.der",
        ),
    ),
    (
        b"ssh-",
        ("an OpenSSH public key", "ssh-keygen -e -m PKCS8 -f FILE"),
    ),
    (
        b"ecdsa-sha2-",
        ("an OpenSSH public key", "ssh-keygen -e -m PKCS8 -f FILE"),
    ),
    (
        b"---- BEGIN SSH2 ",
        (
            "an SSH public key",
            "ssh-keygen -i -f FILE, then `ssh-keygen -e -m PKCS8`",
        ),
    ),
    (b"\x1f\x8b", ("compressed by gzip", "gunzip it first")),
    (b"BZh", ("compressed by bzip2", "bunzip2 it first")),
    (b"\xfd7zXZ\0", ("compressed by xz", "unxz it first")),
    (
        b"\x28\xb5\x2f\xfd",
        ("compressed by zstd", "unzstd it first"),
    ),
    (b"PK\x03\x04", ("a ZIP archive", "unzip it first")),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
];

const UTF16: Words = (
    "UTF-16 text, as `>` of Windows PowerShell writes it",
    "save it as UTF-8 or ASCII: iconv -f UTF-16 -t UTF-8 FILE > NEW",
);

/// By their first letters after blanks, in lower case.
const TEXTS: &[(&str, Words)] = &[
    ("<!doctype html", HTML),
    ("<html", HTML),
    ("<", ("XML", "extract the certificate from it")),
    ("{", JSON),
    ("[{", JSON),
];

const HTML: Words = (
    "an HTML page: the download is an error or a login page, not the file",
    "download it again with `curl --fail`",
);
const JSON: Words = (
    "JSON, perhaps the answer of an API",
    "extract the PEM: jq -r '.certificate' FILE, with the right name for `.certificate`",
);

/// By the label of their PEM block.
const LABELS: &[(&str, Words)] = &[
    ("OPENSSH PRIVATE KEY", OPENSSH),
    (
        "ATTRIBUTE CERTIFICATE",
        (
            "an attribute certificate (RFC 5755), which identifies nobody",
            "",
        ),
    ),
    (
        "PKCS12",
        (
            "a PKCS#12 key store in PEM, as GnuTLS writes it",
            "grep -v -e ----- FILE | base64 -d > NEW.p12",
        ),
    ),
    (
        "RSA PUBLIC KEY",
        (
            "an RSA public key in the old form (PKCS#1)",
            "openssl rsa -RSAPublicKey_in -in FILE -pubout -out NEW",
        ),
    ),
    ("PGP ", OPENPGP),
    ("SSH2 ", ("an SSH key", "")),
];

/// Labels of blocks that are not read and do no harm.
const HARMLESS: &[(&str, &str)] = &[
    (
        "DSA PRIVATE KEY",
        "private key, DSA, which certbake cannot use",
    ),
    (
        "EC PARAMETERS",
        "the name of a curve; the key after it has its own",
    ),
    ("DH PARAMETERS", "Diffie-Hellman parameters"),
    ("X9.42 DH PARAMETERS", "Diffie-Hellman parameters"),
    ("DSA PARAMETERS", "DSA parameters"),
];

/// What a file is that is neither PEM nor DER, where that can be told.
pub(super) fn file(bytes: &[u8]) -> Option<InspectError> {
    if let Some((_, words)) = FILES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(error(*words));
    }
    let head = bytes.trim_ascii_start();
    let head = String::from_utf8_lossy(&head[..head.len().min(32)]).to_ascii_lowercase();
    let (_, words) = TEXTS.iter().find(|(start, _)| head.starts_with(start))?;
    Some(error(*words))
}

/// A PEM block under a label that is none of X.509's: what it is, and the error with it unless it
/// only accompanies others.
pub(super) fn block(label: &str) -> (String, Option<InspectError>) {
    if let Some((_, what)) = HARMLESS.iter().find(|(known, _)| *known == label) {
        return ((*what).to_owned(), None);
    }
    if let Some((_, (what, hint))) = LABELS.iter().find(|(start, _)| label.starts_with(start)) {
        return ((*what).to_owned(), Some(error((what, hint))));
    }
    let label = line::sanitized(label.as_bytes(), 60).unwrap_or_default();
    let what = format!("a PEM block labelled \"{label}\", which certbake does not know");
    (
        what.clone(),
        Some(InspectError::unreadable(format!("it has {what}"), "")),
    )
}

fn error((what, hint): Words) -> InspectError {
    InspectError::unreadable(format!("it is {what}"), hint)
}
