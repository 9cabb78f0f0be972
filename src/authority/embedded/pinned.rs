//! The roots that a configuration pins for a CA in a directory, against the CA's own: told before an
//! order, whose certificate would lead nowhere.

use std::path::Path;

use super::directory::CaDirectory;
use super::error::CaError;
use super::shown;
use crate::authority::Settings;
use crate::finding::{Code, Finding};
use crate::pki::Certificate;

/// As the gate says it of the certificate.
const UNTRUSTED: Code = Code::new("chain-untrusted");

/// More names than these hide what a sentence is to say.
const NAMED: usize = 3;

/// The anchors of `[ca.<name>]`; empty where none are pinned.
pub(super) struct Pins(Vec<Certificate>);

impl Pins {
    pub(super) fn read(settings: &Settings<'_>) -> Self {
        let ders = settings.anchors.iter().cloned();
        Self(ders.flat_map(Certificate::from_der).collect())
    }

    /// What speaks against orders from this CA.
    pub(super) fn against(&self, ca: &CaDirectory) -> Option<Finding> {
        self.lead_elsewhere(ca.path(), ca.root(), &[ca.root(), ca.intermediate()])
    }

    /// The same where the first order makes the CA, or its intermediate.
    pub(super) fn against_new(&self, dir: &Path) -> Result<Option<Finding>, CaError> {
        if let Some(root) = CaDirectory::root_in(dir)? {
            return Ok(self.lead_elsewhere(dir, &root, &[&root]));
        }
        // From a root key alone, the same root may come again.
        if self.0.is_empty() || CaDirectory::has_root_key(dir) {
            return Ok(None);
        }
        let summary = format!(
            "there is no CA in {} yet, and the one that the first order makes will have a new root: the anchors pin {}",
            shown(dir),
            self.names()
        );
        Ok(Some(self.finding(dir, summary).hint(
            "leave anchors out until the CA exists: it supplies its own root; if it exists already, correct dir (--ca-dir)",
        )))
    }

    fn lead_elsewhere(
        &self,
        dir: &Path,
        root: &Certificate,
        links: &[&Certificate],
    ) -> Option<Finding> {
        // An anchor is a name and a key (RFC 5280 section 6.1.1 d).
        let is_one = |pin: &Certificate, link: &Certificate| {
            let (pin, link) = (pin.facts(), link.facts());
            pin.subject_der == link.subject_der && pin.spki == link.spki
        };
        let leads_here = |pin: &Certificate| links.iter().any(|link| is_one(pin, link));
        if self.0.is_empty() || self.0.iter().any(leads_here) {
            return None;
        }
        let name = root.facts().subject.as_str();
        let of_that_name = |pin: &Certificate| pin.facts().subject == name;
        let pinned = if self.0.iter().any(of_that_name) {
            "a root of that name with another key".to_owned()
        } else {
            self.names()
        };
        let summary = format!(
            "the root of the CA in {} is \"{name}\", but the anchors pin {pinned}: nothing that the CA issues would chain to them",
            shown(dir)
        );
        Some(
            self.finding(dir, summary)
                .fact("root", described(root))
                .hint("pin the root.pem of that directory, or leave anchors out: the CA supplies its own root; if the anchors are right, correct dir (--ca-dir)"),
        )
    }

    fn names(&self) -> String {
        if self.0.len() > NAMED {
            return format!("{} others", self.0.len());
        }
        let names = self.0.iter();
        let names: Vec<_> = names
            .map(|pin| format!("\"{}\"", pin.facts().subject))
            .collect();
        names.join(" and ")
    }

    fn finding(&self, dir: &Path, summary: String) -> Finding {
        let anchors: Vec<_> = self.0.iter().map(described).collect();
        Finding::error(UNTRUSTED, summary)
            .fact("ca_directory", shown(dir))
            .fact("anchors", anchors)
    }
}

fn described(certificate: &Certificate) -> String {
    let name = certificate.facts().subject.as_str();
    format!("{name}, sha256:{}", certificate.fingerprint())
}
