//! A chain: the leaf found by its key, its issuers in order. What authorities deliver is often
//! shuffled, doubled, or carries the root along.

use super::certificate::Certificate;
use super::window::ValidityWindow;

/// A leaf and the intermediates above it, leaf first, without self-issued roots.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    pub leaf: Certificate,
    /// From the leaf's issuer upwards.
    pub intermediates: Vec<Certificate>,
    /// Self-issued certificates that came along: never sent, never trusted for having come.
    pub roots: Vec<Certificate>,
}

/// The window in which every link of a chain is valid, and which link ends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EffectiveWindow {
    pub window: ValidityWindow,
    /// The certificate whose notAfter ends the window: the leaf, unless an intermediate ends sooner.
    pub limited_by: Certificate,
    /// How far above the leaf that link stands; 0 is the leaf.
    pub depth: usize,
}

impl Chain {
    /// Finds the leaf by its public key and orders the rest above it by issuer and subject.
    /// Certificates that do not lead upwards from the leaf are left out.
    ///
    /// # Errors
    /// [`NoLeaf`] when none of the certificates is for this key (DER `SubjectPublicKeyInfo`).
    pub fn arrange(certificates: Vec<Certificate>, spki: &[u8]) -> Result<Self, NoLeaf> {
        let count = certificates.len();
        let matches = |certificate: &Certificate| certificate.facts().spki == spki;
        let leaf = certificates
            .iter()
            .filter(|certificate| matches(certificate))
            // A renewed leaf may come beside the old one: the one that ends last is meant.
            .max_by_key(|certificate| certificate.window().not_after)
            .cloned()
            .ok_or(NoLeaf { count })?;
        let rest = certificates
            .into_iter()
            .filter(|certificate| *certificate != leaf)
            .collect();
        Ok(Self::above(leaf, rest))
    }

    /// Orders `others` above a leaf that is already known.
    pub fn above(leaf: Certificate, others: Vec<Certificate>) -> Self {
        let (roots, mut others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(Certificate::is_self_issued);
        let mut intermediates: Vec<Certificate> = Vec::new();
        let mut wanted = leaf.facts().issuer_der.clone();
        while let Some(at) = next_issuer(&others, &wanted) {
            let issuer = others.swap_remove(at);
            wanted.clone_from(&issuer.facts().issuer_der);
            others.retain(|other| *other != issuer);
            intermediates.push(issuer);
        }
        Self {
            leaf,
            intermediates,
            roots: dedup(roots),
        }
    }

    /// Leaf first, then the intermediates upwards.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }

    /// The intersection of all windows. The root is not counted: path validation leaves the dates of a
    /// trust anchor out (RFC 5280 section 6.1.1). Peers that refuse an expired root are `verify`'s matter.
    ///
    /// Of links that end together the highest limits: a CA lets nothing outlast its own certificate.
    pub fn effective_window(&self) -> EffectiveWindow {
        let mut effective = EffectiveWindow {
            window: self.leaf.window(),
            limited_by: self.leaf.clone(),
            depth: 0,
        };
        for (depth, certificate) in self.certificates().enumerate().skip(1) {
            if certificate.window().not_after <= effective.window.not_after {
                effective.limited_by = certificate.clone();
                effective.depth = depth;
            }
            effective.window = effective.window.intersect(&certificate.window());
        }
        effective
    }

    /// PEM, leaf first, as servers and clients want to be given it.
    pub fn pem(&self) -> String {
        self.certificates().map(Certificate::pem).collect()
    }
}

/// Among several certificates of the same subject (a renewed intermediate), the one that ends last.
fn next_issuer(others: &[Certificate], wanted: &[u8]) -> Option<usize> {
    others
        .iter()
        .enumerate()
        .filter(|(_, other)| other.facts().subject_der == wanted)
        .max_by_key(|(_, other)| other.window().not_after)
        .map(|(at, _)| at)
}

fn dedup(certificates: Vec<Certificate>) -> Vec<Certificate> {
    let mut once: Vec<Certificate> = Vec::new();
    for certificate in certificates {
        if !once.contains(&certificate) {
            once.push(certificate);
        }
    }
    once
}

/// None of the certificates that came is for our key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("none of the {count} certificates received is for the key in the request")]
pub struct NoLeaf {
    pub count: usize,
}
