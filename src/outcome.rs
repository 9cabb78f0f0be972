//! What a run did, as a value: the outcome with its exit code, and the report that every format
//! renders.

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::finding::{Code, Finding, Severity, rfc3339};
use crate::pki::{Certificate, Chain};
use crate::span::Span;

/// How a run ended, from the least grave to the gravest. The exit code is a public contract
/// (`docs/exit-codes.md`).
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// Only with `--detailed-exit-code`.
    NothingDue,
    /// Renewal was due and failed; the present certificate is still above the floor.
    StaleButGood,
    /// The effective window is below the floor.
    Window,
    /// Issued or landed, but wrong.
    Flawed,
    /// The mTLS service refused the credential, or asked for none.
    Rejected,
    /// The authority could not be reached, or answered 429/5xx to the end.
    Unreachable,
    /// The authority said no.
    Refused,
    /// The image, or the copy of a record, could not be read or written.
    Image,
    /// Flags, configuration file, settings.
    Usage,
    /// A bug.
    Internal,
}

impl Outcome {
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Internal,
        Self::Usage,
        Self::Window,
        Self::Flawed,
        Self::Refused,
        Self::Unreachable,
        Self::Image,
        Self::Rejected,
        Self::StaleButGood,
        Self::NothingDue,
    ];

    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Window => 3,
            Self::Flawed => 4,
            Self::Refused => 5,
            Self::Unreachable => 6,
            Self::Image => 7,
            Self::Rejected => 8,
            Self::StaleButGood => 9,
            Self::NothingDue => 10,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Window => "window",
            Self::Flawed => "flawed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Image => "image",
            Self::Rejected => "rejected",
            Self::StaleButGood => "stale-but-good",
            Self::NothingDue => "nothing-due",
        }
    }
}

/// Everything that a run has to say. `schema` is 1; fields are added, never renamed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "certbake report")]
pub struct Report {
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// The verb: `provision`, `check`, …
    pub command: &'static str,
    pub certbake: &'static str,
    pub outcome: Outcome,
    pub exit_code: u8,
    /// The moment that everything is told of, RFC 3339 UTC: when the run read the clock, or that of
    /// `check --at`.
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: OffsetDateTime,
    /// When the run read the clock, whatever moment it tells of.
    #[serde(skip)]
    pub began: OffsetDateTime,
    /// Nothing was asked for and nothing written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The image root as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// How many certificates were looked at, for `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<usize>,
    /// What was looked at, for `doctor`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<Look>,
    pub findings: Vec<Finding>,
    pub identities: Vec<IdentityReport>,
}

/// Something that was looked at, or could not be.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Look {
    /// The name of an authority or an identity, `image`, `secrets`.
    pub subject: String,
    /// What of it: `reach`, `clock`, `login`, `files`, …
    pub what: &'static str,
    pub state: LookState,
    /// In words.
    pub said: String,
}

/// How it was found.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookState {
    Fine,
    /// A finding says why.
    Wrong,
    NotLookedAt,
}

impl Report {
    pub fn new(command: &'static str, at: OffsetDateTime) -> Self {
        Self {
            schema: 1,
            command,
            certbake: env!("CARGO_PKG_VERSION"),
            outcome: Outcome::Ok,
            exit_code: 0,
            at,
            began: at,
            dry_run: false,
            root: None,
            checked: None,
            looked_at: Vec::new(),
            findings: Vec::new(),
            identities: Vec::new(),
        }
    }

    /// Sets how the run ended, and the exit code with it; the weightier of two outcomes stays.
    pub fn conclude(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(outcome);
        self.exit_code = self.outcome.exit_code();
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// One identity: what was asked, what came, where it landed.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct IdentityReport {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<AuthorityPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowSummary>,
    pub placements: Vec<PlacementReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    #[serde(flatten)]
    pub checks: Checks,
}

/// What a dry run knows beside what is asked for and where that lands.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Rehearsal {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<StatedFloor>,
    /// The record that would be written into the image.
    pub record: PlacementReport,
    /// Where the record would be copied to, outside the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_copy: Option<String>,
}

/// A floor before there is a window to hold against it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StatedFloor {
    /// Absent for a percentage where no ttl is asked for.
    #[serde(
        rename = "required_seconds",
        skip_serializing_if = "Option::is_none",
        serialize_with = "seconds"
    )]
    #[schemars(with = "u64")]
    pub required: Option<Span>,
    /// As it was stated: `21d`, `66%`, or a sum of facts.
    pub stated: String,
    /// Where it was written: `certbake.toml:12` or `--min-validity`.
    pub origin: String,
}

impl IdentityReport {
    /// Whether its certificate is in the image, or was never to be put there: not one that was refused or
    /// discarded.
    pub fn stands(&self) -> bool {
        let files = &self.placements;
        files.is_empty() || files.iter().any(|file| file.change != Change::NotWritten)
    }
}

/// Which checks were made of a credential, and which not.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Checks {
    /// The codes of the checks that were made, whether or not they found something.
    #[serde(rename = "checks", skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Code>,
    /// The checks that were not made, each with the reason.
    #[serde(rename = "checks_not_made", skip_serializing_if = "Vec::is_empty")]
    pub not_made: Vec<CheckNotMade>,
}

/// A check that was not made: nothing is known of what it looks for.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CheckNotMade {
    pub code: Code,
    /// What was lacking, in words.
    pub reason: &'static str,
}

impl CheckNotMade {
    pub const fn new(code: Code, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// What was asked for.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Asked {
    pub subject: String,
    pub names: Vec<String>,
    pub key: String,
    #[serde(
        rename = "ttl_seconds",
        skip_serializing_if = "Option::is_none",
        serialize_with = "seconds"
    )]
    #[schemars(with = "u64")]
    pub ttl: Option<Span>,
}

/// Who was asked, and where: never a credential.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AuthorityPlace {
    /// `est`, `embedded`, …
    pub kind: String,
    /// The name in the configuration, where it has one.
    pub name: String,
    /// A URL without user, password and query, or a directory.
    pub place: String,
}

/// A certificate, as reports and records show it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CertificateSummary {
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    pub names: Vec<String>,
    pub key: String,
    pub signature: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// SHA-256 of the public key, base64 (RFC 7469).
    pub spki_pin: String,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: OffsetDateTime,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: OffsetDateTime,
    /// From the leaf's issuer upwards.
    pub chain: Vec<String>,
}

impl From<&Chain> for CertificateSummary {
    fn from(chain: &Chain) -> Self {
        let leaf = &chain.leaf;
        let facts = leaf.facts();
        Self {
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            serial: facts.serial.clone(),
            names: facts.names.iter().map(ToString::to_string).collect(),
            key: facts.key.to_string(),
            signature: facts.signature.clone(),
            fingerprint: leaf.fingerprint(),
            spki_pin: leaf.spki_pin(),
            not_before: facts.window.not_before,
            not_after: facts.window.not_after,
            chain: chain.intermediates.iter().map(Certificate::title).collect(),
        }
    }
}

/// The effective window and the floor it was held against.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct WindowSummary {
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: OffsetDateTime,
    #[serde(serialize_with = "instant")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: OffsetDateTime,
    /// Negative once past.
    pub remaining_seconds: i64,
    /// The title of the link that ends the window.
    pub limited_by: String,
    /// 0 for the leaf.
    pub limited_by_depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorSummary>,
    /// When the effective window falls below the floor: the image must be rebuilt before.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_instant"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub rebuild_by: Option<OffsetDateTime>,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FloorSummary {
    #[serde(rename = "required_seconds", serialize_with = "span_seconds")]
    #[schemars(with = "u64")]
    pub required: Span,
    /// As it was stated: `21d`, `66%`, or a sum of facts.
    pub stated: String,
    /// Where it was written: `certbake.toml:12`, `--min-validity`, or the record's path.
    pub origin: String,
    pub holds: bool,
}

/// A file of an identity and what became of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PlacementReport {
    /// `certificate`, `private-key`, …
    pub what: String,
    /// Inside the image.
    pub path: String,
    /// Octal: `0600`.
    pub mode: String,
    pub owner: String,
    pub group: String,
    pub change: Change,
    /// SHA-256 of the content, hexadecimal; absent before it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Written,
    Unchanged,
    /// In a dry run.
    WouldWrite,
    /// Something ended the run before it was written.
    NotWritten,
    /// The run could be neither completed nor taken back: the new file may be there, or the old one.
    Unknown,
}

impl Change {
    /// Whether the file stands in the image.
    pub const fn stands(self) -> bool {
        matches!(self, Self::Written | Self::Unchanged)
    }
}

/// RFC 3339 UTC.
pub(crate) fn instant<S: serde::Serializer>(
    at: &OffsetDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[allow(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn optional_instant<S: serde::Serializer>(
    at: &Option<OffsetDateTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => instant(at, serializer),
        None => serializer.serialize_none(),
    }
}

fn span_seconds<S: serde::Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(span.as_seconds())
}

#[allow(clippy::ref_option, reason = "serde's signature")]
fn seconds<S: serde::Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => span_seconds(span, serializer),
        None => serializer.serialize_none(),
    }
}
