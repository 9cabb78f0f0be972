//! The gate: what is known about a credential in, findings out. One file per check or small family;
//! adding one is its file, a row in [`CHECKS`] and its page in `docs/findings/`.

use std::borrow::Cow;
use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::finding::{Code, Finding};
use crate::outcome::{FloorSummary, Outcome, WindowSummary};
use crate::pki::chain::EffectiveWindow;
use crate::pki::path::{self, PathError};
use crate::pki::{AltName, Anchors, Certificate, Chain, Floor, Subject, Usage};
use crate::span::Span;

mod clock;
mod key;
mod lifetime;
mod names;
mod profile;
mod strength;
mod trust;
mod usage;
mod window;

/// What is known about a credential. What is `None` is not checked.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// When it is judged: for a certificate that was just issued the moment it came, not the moment
    /// the run began, or a certificate issued meanwhile looks as if it were from the future.
    pub now: OffsetDateTime,
    pub chain: &'a Chain,
    /// The certificates as they were delivered, leaf and roots included, where their order matters
    /// and where paths other than through `chain` may be tried.
    pub bundle: Option<&'a [Certificate]>,
    /// The roots that the chain must lead to.
    pub anchors: Option<&'a Anchors>,
    /// DER revocation lists; empty when revocation is not checked.
    pub crls: &'a [Vec<u8>],
    /// DER `SubjectPublicKeyInfo` of our key.
    pub key: Option<&'a [u8]>,
    pub asked: Option<Asked<'a>>,
    /// How far the authority's clock is ahead of ours, negative when it is behind: its `Date` less
    /// our clock at that moment.
    pub clock_offset: Option<Duration>,
}

impl<'a> Evidence<'a> {
    /// Only a chain and a time; everything else is set as far as it is known.
    pub const fn new(now: OffsetDateTime, chain: &'a Chain) -> Self {
        Self {
            now,
            chain,
            bundle: None,
            anchors: None,
            crls: &[],
            key: None,
            asked: None,
            clock_offset: None,
        }
    }
}

/// What the authority was asked for, which the certificate must be: no more, no less.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub subject: &'a Subject,
    pub names: &'a [AltName],
    pub usage: Usage,
    /// `None` when the authority was to decide.
    pub ttl: Option<Span>,
}

/// What is demanded beyond what was asked for. The default demands nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub floor: Option<Floor>,
    /// Where the floor was written, for messages: `certbake.toml:12`, `--min-validity`.
    pub floor_origin: String,
    pub max_validity: Option<Span>,
    pub on_shortened: OnShortened,
    /// What it must be good for. Path validation without it is for [`Usage::Client`].
    pub usage: Option<Usage>,
    /// Names that a peer will look for, wildcards allowed in the certificate.
    pub peer_names: Vec<AltName>,
    /// The greatest difference between the authority's clock and ours.
    pub max_clock_offset: Option<Span>,
    /// How far in the future a notBefore may lie and only be warned of: clocks differ by seconds
    /// even when they are kept.
    pub not_before_tolerance: Span,
    /// Whether a chain that only strict peers refuse is refused here; otherwise it is warned of.
    pub strict: bool,
}

/// What a lifetime shorter than asked for means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnShortened {
    #[default]
    Fail,
    Warn,
}

/// A check: one thing that may be wrong.
pub struct Check {
    pub code: Code,
    /// One line for lists of checks.
    pub summary: &'static str,
    /// How a run ends when this is an error: [`Outcome::Window`] or [`Outcome::Flawed`].
    pub outcome: Outcome,
    run: fn(&Case<'_>) -> Vec<Finding>,
}

/// Every check, in the order in which findings are reported.
pub const CHECKS: &[Check] = &[
    key::MISMATCH,
    window::EXPIRED,
    window::NOT_YET_VALID,
    window::BELOW_FLOOR,
    lifetime::SHORTENED,
    lifetime::TOO_LONG,
    clock::OFFSET,
    names::MISSING,
    names::UNEXPECTED,
    names::PEER_NAME,
    usage::LEAF_IS_CA,
    usage::MISSING,
    strength::WEAK_KEY,
    strength::WEAK_SIGNATURE,
    trust::REVOKED,
    trust::REVOCATION_UNKNOWN,
    trust::INCOMPLETE,
    trust::UNTRUSTED,
    trust::MISORDERED,
    profile::NOT_CONFORMING,
    window::ISSUER_ENDS_FIRST,
];

/// What the gate says.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub findings: Vec<Finding>,
    /// Over the path that was verified, or over the chain as it came when there were no anchors or
    /// no path.
    pub window: EffectiveWindow,
    pub summary: WindowSummary,
}

impl Verdict {
    /// [`Outcome::Ok`] when nothing found is an error, else as [`outcome`].
    pub fn outcome(&self) -> Outcome {
        outcome(&self.findings)
    }
}

/// Runs every check. Findings about the same thing are not repeated under a second code.
pub fn credential(evidence: &Evidence<'_>, policy: &Policy) -> Verdict {
    let case = Case::new(evidence, policy);
    let findings = CHECKS.iter().flat_map(|check| (check.run)(&case)).collect();
    Verdict {
        findings,
        summary: case.window_summary(),
        window: case.window,
    }
}

/// How a run ends with these findings: [`Outcome::Window`] when every error is about the window,
/// [`Outcome::Flawed`] when another is among them, [`Outcome::Ok`] when there is none.
pub fn outcome(findings: &[Finding]) -> Outcome {
    let about_window = |finding: &Finding| {
        CHECKS
            .iter()
            .any(|check| check.code == finding.code && check.outcome == Outcome::Window)
    };
    findings
        .iter()
        .filter(|finding| finding.is_error())
        .map(|finding| {
            if about_window(finding) {
                Outcome::Window
            } else {
                Outcome::Flawed
            }
        })
        .max()
        .unwrap_or(Outcome::Ok)
}

/// Evidence and policy, with what several checks need worked out once.
struct Case<'a> {
    evidence: &'a Evidence<'a>,
    policy: &'a Policy,
    /// Whole seconds, as certificates count.
    now: OffsetDateTime,
    /// With the intermediates of the path that was verified, where one was.
    chain: Cow<'a, Chain>,
    window: EffectiveWindow,
    trust: Option<Trust>,
}

/// What path validation said.
struct Trust {
    /// The anchor at the end of the path.
    path: Result<Certificate, PathError>,
    /// The path holds, but not every link could be looked up in a revocation list.
    revocation_unknown: bool,
}

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence<'a>, policy: &'a Policy) -> Self {
        // A fraction of a second past notAfter is still inside it (RFC 5280 section 4.1.2.5).
        let now = evidence.now.replace_nanosecond(0).unwrap_or(evidence.now);
        let mut chain = Cow::Borrowed(evidence.chain);
        let trust = evidence.anchors.map(|anchors| {
            let (path, revocation_unknown) = find_path(evidence, anchors, now, policy.usage);
            Trust {
                path: path.map(|path| {
                    if path.intermediates != evidence.chain.intermediates {
                        chain.to_mut().intermediates = path.intermediates;
                    }
                    path.anchor
                }),
                revocation_unknown,
            }
        });
        Self {
            evidence,
            policy,
            now,
            window: chain.effective_window(),
            chain,
            trust,
        }
    }

    fn leaf(&self) -> &Certificate {
        &self.chain.leaf
    }

    /// From the leaf upwards, the anchor left out.
    fn links(&self) -> impl Iterator<Item = Link<'_>> {
        std::iter::once(Link::Leaf(&self.chain.leaf))
            .chain(self.chain.intermediates.iter().map(Link::Intermediate))
    }

    /// From the leaf upwards, with the anchor at the end of the path where there is one.
    fn links_to_anchor(&self) -> impl Iterator<Item = Link<'_>> {
        self.links().chain(self.anchor().map(Link::Anchor))
    }

    /// The usage that is demanded, by the order or by the policy.
    fn usage(&self) -> Option<Usage> {
        self.evidence
            .asked
            .map(|asked| asked.usage)
            .or(self.policy.usage)
    }

    /// The anchor that the chain was found to lead to.
    fn anchor(&self) -> Option<&Certificate> {
        self.trust.as_ref()?.path.as_ref().ok()
    }

    /// How long the effective window must still be open.
    fn required(&self) -> Option<Span> {
        let floor = self.policy.floor.as_ref()?;
        Some(floor.required(self.leaf().window().lifetime()))
    }

    fn window_summary(&self) -> WindowSummary {
        let EffectiveWindow {
            window,
            limited_by,
            depth,
        } = &self.window;
        let remaining = window.remaining(self.now);
        let required = self.required();
        WindowSummary {
            not_before: window.not_before,
            not_after: window.not_after,
            remaining_seconds: remaining.whole_seconds(),
            limited_by: limited_by.title(),
            limited_by_depth: *depth,
            floor: self
                .policy
                .floor
                .as_ref()
                .zip(required)
                .map(|(floor, required)| FloorSummary {
                    required,
                    stated: floor.to_string(),
                    origin: self.policy.floor_origin.clone(),
                    holds: remaining >= required.duration(),
                }),
            rebuild_by: required.and_then(|span| window.not_after.checked_sub(span.duration())),
        }
    }
}

/// A path to the anchors, and whether revocation lists were given that do not cover it.
fn find_path(
    evidence: &Evidence<'_>,
    anchors: &Anchors,
    now: OffsetDateTime,
    usage: Option<Usage>,
) -> (Result<path::Path, PathError>, bool) {
    let usage = evidence
        .asked
        .map(|asked| asked.usage)
        .or(usage)
        .unwrap_or_default();
    let others = evidence.bundle.unwrap_or(&evidence.chain.intermediates);
    let validate = |crls| path::validate(&evidence.chain.leaf, others, anchors, now, usage, crls);
    match validate(evidence.crls) {
        Err(PathError::UnknownRevocationStatus) => (validate(&[]), true),
        path => (path, false),
    }
}

/// A certificate by the part it plays, as sentences name it.
#[derive(Clone, Copy)]
enum Link<'a> {
    Leaf(&'a Certificate),
    Intermediate(&'a Certificate),
    Anchor(&'a Certificate),
}

impl<'a> Link<'a> {
    const fn certificate(self) -> &'a Certificate {
        match self {
            Self::Leaf(certificate)
            | Self::Intermediate(certificate)
            | Self::Anchor(certificate) => certificate,
        }
    }
}

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self {
            Self::Leaf(_) => "certificate",
            Self::Intermediate(_) => "intermediate",
            Self::Anchor(_) => "anchor",
        };
        write!(f, "the {part} \"{}\"", self.certificate().title())
    }
}
