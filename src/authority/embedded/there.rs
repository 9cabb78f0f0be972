//! What of a CA is there already, against what is asked of a new one: a wish that it does not meet is
//! refused, for it would be passed over.

use std::fmt;

use super::issue::BACKDATED;
use super::make::{NewCa, named};
use crate::pki::Certificate;
use crate::pki::certificate::KeyFacts;
use crate::span::Span;

/// The parts that are kept.
#[derive(Default)]
pub(super) struct There {
    pub(super) root: Option<Certificate>,
    pub(super) intermediate: Option<Certificate>,
    /// Of a root that is yet to be made.
    pub(super) root_key: Option<KeyFacts>,
    /// Of an intermediate that is yet to be made.
    pub(super) intermediate_key: Option<KeyFacts>,
}

/// How a CA is not as asked.
#[derive(Debug)]
pub struct Otherwise {
    /// `its name is "Lab", not "Site"`.
    words: String,
    /// Of the intermediate alone, which can be renewed.
    pub(super) is_renewable: bool,
}

impl fmt::Display for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl There {
    pub(super) fn otherwise(&self, new: &NewCa) -> Vec<Otherwise> {
        let of_all = |words| Otherwise {
            words,
            is_renewable: false,
        };
        let of_intermediate = |words| Otherwise {
            words,
            is_renewable: true,
        };
        let found = [
            self.name(new).map(of_all),
            self.key(new),
            self.root_lifetime(new).map(of_all),
            self.intermediate_lifetime(new).map(of_intermediate),
        ];
        found.into_iter().flatten().collect()
    }

    /// The intermediate is called as the root; but the root may be somebody else's.
    fn name(&self, new: &NewCa) -> Option<String> {
        let asked = new.name.as_ref()?.as_str();
        let name = named(self.root.as_ref(), " root")
            .or_else(|| named(self.intermediate.as_ref(), " intermediate"))?;
        (name != asked).then(|| format!("its name is \"{name}\", not \"{asked}\""))
    }

    /// An intermediate may have been renewed with another kind of key than the root's.
    fn key(&self, new: &NewCa) -> Option<Otherwise> {
        let asked = new.key_algorithm?;
        let certified = self.intermediate.as_ref();
        let of_intermediate = certified
            .map(|certificate| &certificate.facts().key)
            .or(self.intermediate_key.as_ref());
        let (whose, key, is_renewable) = match (of_intermediate, &self.root_key) {
            (Some(key), _) => ("intermediate", key, true),
            (None, Some(key)) => ("root", key, false),
            (None, None) => return None,
        };
        let differs = *key != KeyFacts::from(asked);
        differs.then(|| Otherwise {
            words: format!("its {whose}'s key is {key}, not {asked}"),
            is_renewable,
        })
    }

    fn root_lifetime(&self, new: &NewCa) -> Option<String> {
        let (asked, root) = (new.root_lifetime?, self.root.as_ref()?);
        let lasts = lifetime(root);
        (lasts != asked).then(|| format!("its root is made for {lasts}, not {asked}"))
    }

    /// One that ends with its root was perhaps to last longer.
    fn intermediate_lifetime(&self, new: &NewCa) -> Option<String> {
        let (asked, intermediate) = (new.intermediate_lifetime?, self.intermediate.as_ref()?);
        let lasts = lifetime(intermediate);
        let end = |certificate: &Certificate| certificate.window().not_after;
        let was_cut = self
            .root
            .as_ref()
            .is_some_and(|root| end(intermediate) >= end(root) && lasts < asked);
        (lasts != asked && !was_cut)
            .then(|| format!("its intermediate is made for {lasts}, not {asked}"))
    }
}

/// As it was asked for.
fn lifetime(certificate: &Certificate) -> Span {
    Span::from(certificate.window().lifetime() - BACKDATED)
}
