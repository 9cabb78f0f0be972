//! A chain in which everything is as it should be, what is changed in it, and what the gate says of that.

use certbake::finding::{Finding, Severity};
use certbake::pki::crl::RevocationList;
use certbake::pki::{AltName, Anchors, Chain, Subject, Usage};
use certbake::span::Span;
use certbake::verify::{self, Asked, Evidence, Policy, Verdict};
use rcgen::CertificateParams;
use time::Duration;

use super::lab::{Authority, Leaf, NOW};

pub const DAY: Duration = Duration::DAY;

/// A root, an intermediate and a leaf, and what was asked for.
pub struct Scene {
    pub root: Authority,
    pub anchors: Anchors,
    pub issuing: Authority,
    pub leaf: Leaf,
    pub subject: Subject,
    pub names: Vec<AltName>,
    pub ttl: Option<Span>,
    pub policy: Policy,
    pub clock_offset: Option<Duration>,
}

impl Scene {
    /// In which everything is as it should be.
    pub fn right() -> Self {
        Self::with_leaf(|_| {})
    }

    pub fn with_leaf(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Authority::root("Lab Root");
        let issuing = root.intermediate("Lab Issuing");
        Self::of(root, issuing, change)
    }

    pub fn with_intermediate(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Authority::root("Lab Root");
        let issuing = root.intermediate_with("Lab Issuing", change);
        Self::of(root, issuing, |_| {})
    }

    pub fn of(
        root: Authority,
        issuing: Authority,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        Self {
            leaf: issuing.leaf_with(change),
            anchors: Anchors::new(vec![root.certificate.clone()]),
            root,
            issuing,
            subject: Subject {
                common_name: Some("app-server".to_owned()),
                ..Subject::default()
            },
            names: vec![AltName::dns("app.internal").unwrap()],
            ttl: Some(days(30)),
            policy: Policy {
                floor: Some("21d".parse().unwrap()),
                ..Policy::default()
            },
            clock_offset: None,
        }
    }

    pub fn chain(&self) -> Chain {
        Chain::above(
            self.leaf.certificate.clone(),
            vec![self.issuing.certificate.clone()],
        )
    }

    pub fn judge(&self) -> Verdict {
        self.judge_chain(&self.chain(), |_| {})
    }

    /// Without an order, as something that is found to be this.
    pub fn found(&self, usage: Usage) -> Verdict {
        let policy = Policy {
            usage: Some(usage),
            ..self.policy.clone()
        };
        let chain = self.chain();
        let evidence = Evidence {
            anchors: Some(&self.anchors),
            ..Evidence::new(NOW, &chain)
        };
        verify::credential(&evidence, &policy)
    }

    /// Under these revocation lists, in their order; nothing was asked.
    pub fn judge_under(&self, lists: &[&Vec<u8>]) -> Verdict {
        let lists: Vec<_> = lists
            .iter()
            .map(|der| RevocationList::new((*der).clone()))
            .collect();
        let chain = self.chain();
        let mut evidence = Evidence::new(NOW, &chain);
        evidence.anchors = Some(&self.anchors);
        evidence.crls = &lists;
        verify::credential(&evidence, &self.policy)
    }

    pub fn judge_chain<'a>(
        &'a self,
        chain: &'a Chain,
        change: impl FnOnce(&mut Evidence<'a>),
    ) -> Verdict {
        let mut evidence = Evidence {
            anchors: Some(&self.anchors),
            key: Some(self.leaf.key.spki()),
            asked: Some(Asked {
                subject: &self.subject,
                names: &self.names,
                usage: Usage::Client,
                ttl: self.ttl,
            }),
            clock_offset: self.clock_offset,
            ..Evidence::new(NOW, chain)
        };
        change(&mut evidence);
        verify::credential(&evidence, &self.policy)
    }
}

pub fn days(count: i64) -> Span {
    Span::seconds(count * 86_400)
}

pub fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

/// The one finding of a verdict that ends like this.
#[track_caller]
pub fn only(verdict: &Verdict, code: &str, severity: Severity) -> Finding {
    assert_eq!(codes(verdict), [code], "{:#?}", verdict.findings);
    let finding = verdict.findings[0].clone();
    assert_eq!(finding.severity, severity, "{}", finding.summary);
    assert!(!finding.hint.is_empty() && !finding.facts.is_empty());
    finding
}
