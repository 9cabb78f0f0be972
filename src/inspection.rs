//! What `certbake inspect` saw, as a value: files, the items in them, and how these belong together.
//! Never any key material.

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::finding::Finding;
use crate::outcome::{Outcome, instant, optional_instant};

/// Everything seen in one run. `schema` is 1; fields are added, never renamed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Inspection {
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    pub command: &'static str,
    pub certbake: &'static str,
    pub outcome: Outcome,
    pub exit_code: u8,
    /// When the run read the clock, RFC 3339 UTC.
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: OffsetDateTime,
    pub files: Vec<File>,
    pub findings: Vec<Finding>,
}

impl Inspection {
    pub fn new(at: OffsetDateTime) -> Self {
        Self {
            schema: 1,
            command: "inspect",
            certbake: env!("CARGO_PKG_VERSION"),
            outcome: Outcome::Ok,
            exit_code: 0,
            at,
            files: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Sets how the run ended, and the exit code with it; the weightier of two outcomes stays.
    pub fn conclude(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(outcome);
        self.exit_code = self.outcome.exit_code();
    }
}

/// One file and what is in it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct File {
    /// As it was given; `-` for standard input.
    pub file: String,
    /// `PEM`, `DER`, `PKCS#7`, `PKCS#12` or `base64`; absent when nothing could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// In the order of the file.
    pub items: Vec<Item>,
}

impl File {
    /// A file of which nothing is known yet.
    pub fn unread(file: String) -> Self {
        Self {
            file,
            format: None,
            items: Vec::new(),
        }
    }
}

/// One certificate, key, request or list.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Item {
    /// Its place in the file, from 1.
    pub item: usize,
    /// Its name in a key store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(flatten)]
    pub content: Content,
}

/// What an item is.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Content {
    Certificate(Box<CertificateItem>),
    PrivateKey(PrivateKeyItem),
    /// A private key under a password that was not given.
    EncryptedPrivateKey,
    Request(Box<RequestItem>),
    Crl(CrlItem),
    PublicKey(PublicKeyItem),
    /// A block that holds nothing of the above.
    Other {
        what: String,
    },
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CertificateItem {
    pub subject: String,
    pub issuer: String,
    /// Where its issuer's certificate was seen: the name fits and its key made the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_by: Option<Place>,
    /// Signed by its own key.
    pub self_signed: bool,
    /// Hexadecimal.
    pub serial: String,
    pub names: Vec<String>,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: OffsetDateTime,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: OffsetDateTime,
    /// Until `not_after`; negative once past.
    pub remaining_seconds: i64,
    /// May issue certificates.
    pub ca: bool,
    /// Names or OIDs; absent without the extension, which allows every usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_key_usage: Option<Vec<String>>,
    /// Absent without the extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_usage: Option<Vec<&'static str>>,
    pub key: String,
    pub signature: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// SHA-256 of the public key, base64 (RFC 7469).
    pub spki_pin: String,
    /// Marked as an anchor: by a key store, or by OpenSSL's `TRUSTED CERTIFICATE`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PrivateKeyItem {
    /// `ECDSA P-256`; `Ed448` or an OID for a kind that certbake does not use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Absent for a key that certbake cannot use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spki_pin: Option<String>,
    /// It was under a password.
    pub encrypted: bool,
    /// The certificates and requests for this key.
    pub belongs_to: Vec<Place>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RequestItem {
    pub subject: String,
    pub names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_key_usage: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_usage: Option<Vec<&'static str>>,
    /// It asks for a certificate that may issue others.
    pub ca: bool,
    pub key: String,
    pub signature: String,
    /// The signature was made with the key in the request.
    pub signature_holds: bool,
    /// Whether certbake can verify such a signature at all; where not, `signature_holds` is false.
    pub signature_verifiable: bool,
    pub spki_pin: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CrlItem {
    pub issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub this_update: OffsetDateTime,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_instant"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub next_update: Option<OffsetDateTime>,
    /// How many certificates are on it.
    pub revoked: usize,
    pub signature: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PublicKeyItem {
    pub key: String,
    pub spki_pin: String,
}

/// An item of a file.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Place {
    pub file: String,
    pub item: usize,
}
