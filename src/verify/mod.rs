//! The gate: what is known about a credential in, findings out. One file per check or small family;
//! adding one is its file, a row in [`CHECKS`] and its page in `docs/findings/`.

use time::{Duration, OffsetDateTime};

use crate::finding::{Code, Finding};
use crate::outcome::{CheckNotMade, Checks, Outcome, WindowSummary};
use crate::pki::crl::RevocationList;
use crate::pki::{AltName, Anchors, Certificate, Chain, Floor, Subject, Usage};
use crate::span::Span;

mod anchor;
mod case;
mod clock;
mod depth;
mod explain;
mod key;
mod lifetime;
mod names;
mod peers;
mod profile;
mod strength;
mod trust;
mod usage;
mod window;

use case::{Case, Link};

/// What is known about a credential. What is `None` is not checked.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// When it is judged: for a certificate that was just issued the moment it came, not the moment
    /// the run began, or a certificate issued meanwhile looks as if it were from the future.
    pub now: OffsetDateTime,
    pub chain: &'a Chain,
    /// The certificates as peers are given them, where their order matters and where paths other
    /// than through `chain` may be tried.
    pub bundle: Option<&'a [Certificate]>,
    /// The roots that the chain must lead to.
    pub anchors: Option<&'a Anchors>,
    /// Empty when revocation is not checked.
    pub crls: &'a [RevocationList],
    /// DER `SubjectPublicKeyInfo` of our key.
    pub key: Option<&'a [u8]>,
    pub asked: Option<Asked<'a>>,
    /// Whether a configuration asks it of what was baked before, perhaps by another one.
    pub asked_afterwards: bool,
    /// How far the CA's clock is ahead of ours, negative when it is behind: its `Date` less
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
            asked_afterwards: false,
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

/// Of an image that passed the gate when it was baked.
pub const CONFIGURATION_CHANGED: &str = "the configuration has changed since the image was built: run `certbake provision` again, or change it back";

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
    /// How far in the future a notBefore may lie and only be warned of.
    pub not_before_tolerance: Span,
    /// How many intermediates peers allow.
    pub max_depth: Option<usize>,
    /// Whether a chain that only strict peers or linters of public CAs refuse is refused here;
    /// otherwise it is warned of, or noted.
    pub strict: bool,
}

/// What a certificate that was just issued, and the image that carries it, may start in the future
/// and only be warned of: clocks differ by seconds even where they are kept.
pub const NOT_BEFORE_TOLERANCE: Span = Span::seconds(60);

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
    /// How a run ends when this is an error: [`Outcome::Window`] or [`Outcome::Flawed`].
    pub outcome: Outcome,
    /// Why it cannot be made of this case, where it cannot.
    not_made: fn(&Case<'_>) -> Option<&'static str>,
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
    depth::TOO_LONG,
    profile::NOT_CONFORMING,
    profile::NOT_BASELINE,
    window::ISSUER_ENDS_FIRST,
    anchor::ENDS_FIRST,
];

/// Of a lifetime that was granted shorter than asked for, or would be.
pub const LIFETIME_SHORTENED: Code = lifetime::SHORTENED.code;

/// Of a certificate that is for another key than the one beside it.
pub const KEY_MISMATCH: Code = key::MISMATCH.code;

/// Of a file whose certificates are not in order.
pub const CHAIN_MISORDERED: Code = trust::MISORDERED.code;

/// What the gate says.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub findings: Vec<Finding>,
    pub checks: Checks,
    /// Over the path that was verified, or over the chain as it came when there were no anchors or
    /// no path.
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
    let mut findings = Vec::new();
    let mut checks = Checks::default();
    for check in CHECKS {
        match (check.not_made)(&case) {
            None => {
                checks.made.push(check.code);
                findings.extend((check.run)(&case));
            }
            Some(reason) => checks.not_made.push(CheckNotMade::new(check.code, reason)),
        }
    }
    // Whatever the checks made of it, a path that does not hold is never let through.
    if !findings.iter().any(Finding::is_error)
        && let Some(finding) = trust::unexplained(&case)
    {
        checks.not_made.retain(|check| check.code != finding.code);
        if !checks.made.contains(&finding.code) {
            checks.made.push(finding.code);
        }
        findings.push(finding);
    }
    Verdict {
        findings,
        checks,
        summary: case.window_summary(),
    }
}

/// Holds a window that is known from a record alone, because its certificates cannot be read, against
/// the clock and the floor; `limited_by` is the title of the link that ends it.
pub fn recorded(
    not_after: OffsetDateTime,
    limited_by: &str,
    required: Option<Span>,
    now: OffsetDateTime,
) -> Option<Finding> {
    window::recorded(not_after, limited_by, required, now)
}

/// The checks that [`recorded`] makes.
pub fn checks_by_record(floor: bool, why_not: &'static str) -> Checks {
    let mut checks = Checks::default();
    for check in CHECKS {
        match check.code {
            code if code == window::EXPIRED.code => checks.made.push(code),
            code if code == window::BELOW_FLOOR.code && floor => checks.made.push(code),
            code if code == window::BELOW_FLOOR.code => checks
                .not_made
                .push(CheckNotMade::new(code, window::NO_FLOOR)),
            code => checks.not_made.push(CheckNotMade::new(code, why_not)),
        }
    }
    checks
}

/// Holds the authority's clock, `offset` ahead of ours, against the policy.
pub fn clock(offset: Duration, policy: &Policy, now: OffsetDateTime) -> Option<Finding> {
    clock::beyond(offset, policy, now)
}

/// Holds what an authority will grant at most, as it says before an order, against the lifetime and
/// the floor asked for. `cure` is what would have it grant more, where that is no limit.
pub fn lifetime_limit(
    most: Span,
    asked: Option<Span>,
    policy: &Policy,
    cure: Option<&str>,
) -> Option<Finding> {
    let cure = cure.unwrap_or("raise the limit at the CA");
    lifetime::limit(most, asked, policy, cure).or_else(|| window::limit(most, asked, policy, cure))
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
