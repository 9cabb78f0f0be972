//! Path validation, which is webpki's: does a leaf lead to an anchor, at a time, for a usage.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder,
    UnknownStatusPolicy,
};

use super::certificate::Certificate;
use super::crl::{self, RevocationList};
use super::name::AltName;
use super::proof;
use super::window::Phase;

/// What the certificate is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    #[default]
    Client,
    Server,
}

impl Usage {
    /// The name of its extended key usage (RFC 5280 section 4.2.1.12).
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Client => "clientAuth",
            Self::Server => "serverAuth",
        }
    }

    /// That of its extended key usage.
    pub const fn oid(self) -> &'static str {
        match self {
            Self::Client => "1.3.6.1.5.5.7.3.2",
            Self::Server => "1.3.6.1.5.5.7.3.1",
        }
    }
}

/// The roots that a chain must lead to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Anchors(Vec<Certificate>);

impl Anchors {
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self(certificates)
    }

    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// PEM of every anchor.
    pub fn pem(&self) -> String {
        self.0.iter().map(Certificate::pem).collect()
    }
}

/// The extensions that may be critical here: key usage, alternative names, basic and name constraints,
/// distribution points, extended key usage.
pub const SUPPORTED_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];

/// Why a path does not hold, with webpki's own typed reason.
pub use webpki::Error as PathError;

/// A path that holds: what stands between the leaf and the anchor, and the anchor it ends at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// From the leaf's issuer upwards.
    pub intermediates: Vec<Certificate>,
    pub anchor: Certificate,
}

/// A link that no revocation list covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uncovered {
    Refuse,
    Allow,
}

/// What a path must hold under.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub at: OffsetDateTime,
    /// Allowed by the leaf and by every intermediate that names usages.
    pub usage: Usage,
    /// With any, every link must be found unrevoked in one of them that is current.
    pub crls: &'a [&'a RevocationList],
    pub uncovered: Uncovered,
}

/// [`validate_under`] terms without revocation lists.
///
/// # Errors
/// As there.
pub fn validate(
    leaf: &Certificate,
    others: &[Certificate],
    anchors: &Anchors,
    at: OffsetDateTime,
    usage: Usage,
) -> Result<Path, PathError> {
    let terms = Terms {
        at,
        usage,
        crls: &[],
        uncovered: Uncovered::Refuse,
    };
    validate_under(leaf, others, anchors, terms)
}

/// Builds and checks a path from `leaf` through some of `others` to one of `anchors`.
///
/// # Errors
/// webpki's reason; `UnknownIssuer` when no path could be built at all, `UnknownRevocationStatus`
/// when a link's issuer has no revocation list among those that must cover it.
pub fn validate_under(
    leaf: &Certificate,
    others: &[Certificate],
    anchors: &Anchors,
    terms: Terms<'_>,
) -> Result<Path, PathError> {
    let leaf_der = CertificateDer::from(leaf.der());
    let end_entity = EndEntityCert::try_from(&leaf_der)?;
    let anchor_ders = ders(&anchors.0);
    let trusted: Vec<TrustAnchor<'_>> = anchor_ders
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<_, _>>()?;
    let crls = lists(others, anchors, terms)?;
    let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
        options
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .with_status_policy(match terms.uncovered {
                Uncovered::Refuse => UnknownStatusPolicy::Deny,
                Uncovered::Allow => UnknownStatusPolicy::Allow,
            })
            .build()
    });
    let seconds = u64::try_from(terms.at.unix_timestamp()).unwrap_or(0);
    // Of several issuers of one name and key (cross-signed), the one that ends last is tried first, so
    // that the path does not depend on the order in which they came.
    let mut by_end: Vec<&Certificate> = others.iter().collect();
    by_end.sort_by_key(|other| std::cmp::Reverse(other.window().not_after));
    let other_ders = ders(by_end);
    let path = end_entity.verify_for_usage(
        proof::ALGORITHMS,
        &trusted,
        &other_ders,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        match terms.usage {
            Usage::Client => KeyUsage::client_auth(),
            Usage::Server => KeyUsage::server_auth(),
        },
        revocation,
        None,
    )?;
    let same = trusted.iter().zip(&anchors.0);
    let same = same.filter(|(known, _)| *known == path.anchor());
    let anchor =
        longest_open(same.map(|(_, anchor)| anchor), terms.at).ok_or(PathError::UnknownIssuer)?;
    let known = |der: &[u8]| others.iter().find(|other| other.der() == der);
    let intermediates = path
        .intermediate_certificates()
        .filter_map(|link| known(link.der().as_ref()))
        .cloned()
        .collect();
    Ok(Path {
        intermediates,
        anchor: anchor.clone(),
    })
}

/// The revocation lists, in the order in which they are to be asked.
fn lists<'a>(
    others: &[Certificate],
    anchors: &Anchors,
    terms: Terms<'a>,
) -> Result<Vec<&'a CertRevocationList<'static>>, PathError> {
    if terms.crls.is_empty() {
        return Ok(Vec::new());
    }
    let issuers: Vec<_> = others.iter().chain(&anchors.0).collect();
    crl::newest_first(terms.crls, &issuers, terms.at)
        .into_iter()
        .map(|list| list.usable().map_err(Clone::clone))
        .collect()
}

/// To webpki an anchor is a name and a key. Of a root and its renewal, peers take the one that is valid.
fn longest_open<'a>(
    anchors: impl Iterator<Item = &'a Certificate>,
    at: OffsetDateTime,
) -> Option<&'a Certificate> {
    anchors.max_by_key(|anchor| {
        let window = anchor.window();
        let is_open = matches!(window.phase(at), Phase::Open(_));
        (is_open, window.not_after)
    })
}

fn ders<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Vec<CertificateDer<'a>> {
    certificates
        .into_iter()
        .map(|certificate| CertificateDer::from(certificate.der()))
        .collect()
}

/// Whether `leaf` may stand for a DNS name or an IP address, wildcards and all, as TLS peers decide it
/// (RFC 9525). Other kinds of name must be among its alternative names as they are.
///
/// # Errors
/// webpki's reason, `CertNotValidForName` for a name that it does not carry.
pub fn valid_for_name(leaf: &Certificate, name: &AltName) -> Result<(), PathError> {
    let server_name = match name {
        AltName::Dns(dns) => {
            ServerName::try_from(dns.as_str()).map_err(|_| PathError::MalformedDnsIdentifier)?
        }
        AltName::Ip(address) => ServerName::from(*address),
        _ if leaf.facts().names.contains(name) => return Ok(()),
        _ => return Err(PathError::UnsupportedNameType),
    };
    let leaf_der = CertificateDer::from(leaf.der());
    EndEntityCert::try_from(&leaf_der)?.verify_is_valid_for_subject_name(&server_name)
}
