//! What was baked against what the configuration asks for by now.

use url::Url;

use super::{Expected, Issuer, placement};
use crate::finding::{Code, Finding};
use crate::image::ImageRoot;
use crate::outcome::AuthorityPlace;
use crate::pki::Certificate;
use crate::pki::certificate::KeyFacts;
use crate::record::{self, Record, RecordedAuthority};
use crate::verify::{Asked, CONFIGURATION_CHANGED, Policy};

const KEY: Code = Code::new("key-differs");
const CA: Code = Code::new("ca-differs");

/// How long it lasts is for the floor to say.
pub(super) fn asked<'a>(expected: &'a Expected, policy: &Policy) -> Option<Asked<'a>> {
    let (subject, names) = expected.names.as_ref()?;
    Some(Asked {
        subject,
        names,
        usage: policy.usage.unwrap_or_default(),
        ttl: None,
    })
}

/// Files that it places otherwise than the record says.
pub(super) fn placements(image: &ImageRoot, expected: &Expected, record: &Record) -> Vec<Finding> {
    let differs = expected.placements.iter().flat_map(|wanted| {
        let mut recorded = record.placements.iter();
        let recorded =
            recorded.find(|it| it.what == wanted.what && it.path == wanted.path.as_str());
        match recorded {
            Some(recorded) => placement::otherwise(image, wanted, recorded),
            None => vec![placement::missing(wanted)],
        }
    });
    differs.collect()
}

/// Of the certificate, what the order asks for beside names and usage; by the record where the
/// certificate cannot be read.
pub(super) fn certificate(
    expected: &Expected,
    record: &Record,
    leaf: Option<&Certificate>,
) -> Vec<Finding> {
    let by_record = || KeyFacts::from(record.certificate.key);
    let key = leaf.map_or_else(by_record, |leaf| leaf.facts().key.clone());
    [other_key(expected, &key), other_issuer(expected, record)]
        .into_iter()
        .flatten()
        .collect()
}

fn other_key(expected: &Expected, key: &KeyFacts) -> Option<Finding> {
    let stated = expected.key_algorithm?;
    if *key == KeyFacts::from(stated) {
        return None;
    }
    Some(
        Finding::error(
            KEY,
            format!("the certificate's key is {key}; the configuration states {stated}"),
        )
        .fact("key", key.to_string())
        .fact("stated_key_algorithm", stated.to_string())
        .hint(CONFIGURATION_CHANGED),
    )
}

fn other_issuer(expected: &Expected, record: &Record) -> Option<Finding> {
    let recorded = &record.authority;
    if expected.issuers.is_empty() || expected.issuers.iter().any(|one| one.issued(recorded)) {
        return None;
    }
    let described = |kind: &str, name: &str, place: Option<&str>| match place {
        Some(place) => format!("{name} ({kind}, {place})"),
        None => format!("{name} ({kind})"),
    };
    let stated = expected.issuers.iter();
    let stated: Vec<_> = stated
        .map(|one| described(&one.kind, &one.name, one.place.as_deref()))
        .collect();
    let RecordedAuthority { kind, name, place } = recorded;
    let recorded = described(kind, name, Some(place));
    Some(
        Finding::error(
            CA,
            format!(
                "the certificate was issued by {recorded}; the configuration states {}",
                stated.join(" or ")
            ),
        )
        .in_file(record::path(&record.identity))
        .fact("recorded_ca", recorded)
        .fact("stated_ca", stated)
        .hint(CONFIGURATION_CHANGED),
    )
}

impl Issuer {
    /// The authority that is reached there. A path depends on where it is seen from, and tells nothing.
    pub fn at(AuthorityPlace { kind, name, place }: AuthorityPlace) -> Self {
        let place = Some(place).filter(|place| Url::parse(place).is_ok());
        Self { kind, name, place }
    }

    /// An authority whose table was renamed is the same one; where no place tells, the name must. A URL
    /// does not tell of an ARN.
    pub fn issued(&self, recorded: &RecordedAuthority) -> bool {
        let is_url = |place: &str| place.starts_with("http");
        let told = |place: &&String| is_url(place) == is_url(&recorded.place);
        self.kind == recorded.kind
            && match self.place.as_ref().filter(told) {
                Some(place) => is_at_or_below(&recorded.place, place),
                None => self.name == recorded.name,
            }
    }
}

/// Flags of the build may have added to the place, such as the label of an EST server.
fn is_at_or_below(place: &str, stated: &str) -> bool {
    let plain = |text: &str| match Url::parse(text) {
        Ok(url) => url.as_str().trim_end_matches('/').to_owned(),
        Err(_) => text.to_owned(),
    };
    let below = plain(place);
    let below = below.strip_prefix(&plain(stated));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
