//! What a check is given, and the reasons for which checks are not made.

use std::borrow::Cow;
use std::fmt;

use time::OffsetDateTime;

use super::{CONFIGURATION_CHANGED, Evidence, Policy};
use crate::outcome::{FloorSummary, WindowSummary};
use crate::pki::chain::EffectiveWindow;
use crate::pki::crl::RevocationList;
use crate::pki::path::{self, PathError, Terms, Uncovered};
use crate::pki::{Anchors, Certificate, Chain, Usage};
use crate::span::Span;

/// Evidence and policy, with what several checks need worked out once.
pub(super) struct Case<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) policy: &'a Policy,
    /// Whole seconds, as certificates count.
    pub(super) now: OffsetDateTime,
    /// With the intermediates of the path that was verified, where one was.
    pub(super) chain: Cow<'a, Chain>,
    pub(super) window: EffectiveWindow,
    pub(super) trust: Option<Trust>,
}

/// What path validation said.
pub(super) struct Trust {
    /// The anchor at the end of the path.
    pub(super) path: Result<Certificate, PathError>,
    /// The path holds, but not every link could be looked up in a revocation list.
    pub(super) revocation_unknown: bool,
    /// The moment that it was to hold at.
    at: OffsetDateTime,
}

impl<'a> Case<'a> {
    pub(super) fn new(evidence: &'a Evidence<'a>, policy: &'a Policy) -> Self {
        // A fraction of a second past notAfter is still inside it (RFC 5280 section 4.1.2.5).
        let now = evidence.now.replace_nanosecond(0).unwrap_or(evidence.now);
        let mut chain = Cow::Borrowed(evidence.chain);
        let trust = evidence.anchors.map(|anchors| {
            let at = moment_of_path(evidence, now, policy.not_before_tolerance);
            let (path, revocation_unknown) = find_path(evidence, policy, anchors, at);
            Trust {
                path: path.map(|path| {
                    if path.intermediates != evidence.chain.intermediates {
                        chain.to_mut().intermediates = path.intermediates;
                    }
                    path.anchor
                }),
                revocation_unknown,
                at,
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

    /// What to do about a certificate that is not what is asked for; `at_the_ca` where it was just issued.
    pub(super) fn hint(&self, at_the_ca: impl Into<String>) -> String {
        if self.evidence.asked_afterwards {
            return CONFIGURATION_CHANGED.to_owned();
        }
        at_the_ca.into()
    }

    pub(super) fn leaf(&self) -> &Certificate {
        &self.chain.leaf
    }

    /// From the leaf upwards, the anchor left out.
    pub(super) fn links(&self) -> impl Iterator<Item = Link<'_>> {
        std::iter::once(Link::Leaf(&self.chain.leaf))
            .chain(self.chain.intermediates.iter().map(Link::Intermediate))
    }

    /// From the leaf upwards, with the anchor at the end of the path where there is one. A certificate
    /// that is pinned itself is its own anchor, and is met once.
    pub(super) fn links_to_anchor(&self) -> impl Iterator<Item = Link<'_>> {
        let anchor = self.anchor().filter(|anchor| *anchor != self.leaf());
        self.links().chain(anchor.map(Link::Anchor))
    }

    /// The anchors that have the name of the chain's last issuer, where no path was found to any.
    pub(super) fn anchors_not_reached(&self) -> impl Iterator<Item = Link<'_>> {
        let top = self.chain.certificates().last();
        let anchors = match &self.trust {
            Some(Trust { path: Err(_), .. }) => self.evidence.anchors,
            _ => None,
        };
        anchors
            .into_iter()
            .flat_map(Anchors::certificates)
            .filter(move |anchor| {
                top.is_some_and(|top| top.facts().issuer_der == anchor.facts().subject_der)
            })
            .map(Link::Anchor)
    }

    /// Whether something between the certificate and the anchors is on these lists alone.
    pub(super) fn is_revoked_by(&self, crls: &[&RevocationList]) -> bool {
        let (Some(anchors), Some(trust)) = (self.evidence.anchors, &self.trust) else {
            return false;
        };
        let terms = Terms {
            at: trust.at,
            usage: self.usage().unwrap_or_default(),
            crls,
            uncovered: Uncovered::Allow,
        };
        lead(self.evidence, anchors, terms) == Err(PathError::CertRevoked)
    }

    /// The usage that is demanded, by the order or by the policy.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage(self.evidence, self.policy)
    }

    /// The anchor that the chain was found to lead to.
    pub(super) fn anchor(&self) -> Option<&Certificate> {
        self.trust.as_ref()?.path.as_ref().ok()
    }

    /// How long the effective window must still be open.
    pub(super) fn required(&self) -> Option<Span> {
        let floor = self.policy.floor.as_ref()?;
        Some(floor.required(self.leaf().window().lifetime()))
    }

    pub(super) fn window_summary(&self) -> WindowSummary {
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

/// For checks that can be made of every case.
pub(super) fn always(_: &Case<'_>) -> Option<&'static str> {
    None
}

const NO_ANCHORS: &str = "no anchors were given";

pub(super) fn without_anchors(case: &Case<'_>) -> Option<&'static str> {
    case.trust.is_none().then_some(NO_ANCHORS)
}

pub(super) fn without_order(case: &Case<'_>) -> Option<&'static str> {
    case.evidence
        .asked
        .is_none()
        .then_some("there is no order to compare it with")
}

/// What it is to be good for is known from the usage demanded, or from being led to anchors.
pub(super) fn without_purpose(case: &Case<'_>) -> Option<&'static str> {
    (case.usage().is_none() && case.trust.is_none()).then_some("no usage and no anchors were given")
}

fn usage(evidence: &Evidence<'_>, policy: &Policy) -> Option<Usage> {
    evidence.asked.map(|asked| asked.usage).or(policy.usage)
}

/// Now; but where a certificate starts within the tolerance, that start: it is warned of as not valid
/// yet, and must lead to the anchors all the same.
fn moment_of_path(evidence: &Evidence<'_>, now: OffsetDateTime, tolerance: Span) -> OffsetDateTime {
    evidence
        .chain
        .certificates()
        .map(|link| link.window().not_before)
        .filter(|start| *start - now <= tolerance.duration())
        .fold(now, OffsetDateTime::max)
}

/// A path to the anchors, and whether revocation lists were given that do not cover it.
fn find_path(
    evidence: &Evidence<'_>,
    policy: &Policy,
    anchors: &Anchors,
    at: OffsetDateTime,
) -> (Result<path::Path, PathError>, bool) {
    let crls: Vec<_> = evidence.crls.iter().collect();
    let validate = |uncovered| {
        let terms = Terms {
            at,
            usage: usage(evidence, policy).unwrap_or_default(),
            crls: &crls,
            uncovered,
        };
        lead(evidence, anchors, terms)
    };
    match validate(Uncovered::Refuse) {
        // Links that a list does cover may be revoked all the same.
        Err(PathError::UnknownRevocationStatus) => (validate(Uncovered::Allow), true),
        path => (path, false),
    }
}

fn lead(
    evidence: &Evidence<'_>,
    anchors: &Anchors,
    terms: Terms<'_>,
) -> Result<path::Path, PathError> {
    let others = evidence.bundle.unwrap_or(&evidence.chain.intermediates);
    path::validate_under(&evidence.chain.leaf, others, anchors, terms)
}

/// A certificate by the part it plays, as sentences name it.
#[derive(Clone, Copy)]
pub(super) enum Link<'a> {
    Leaf(&'a Certificate),
    Intermediate(&'a Certificate),
    Anchor(&'a Certificate),
}

impl<'a> Link<'a> {
    pub(super) const fn certificate(self) -> &'a Certificate {
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
