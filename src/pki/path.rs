//! Path validation: does a leaf lead to an anchor, at a time, for a usage. The one home of `webpki`.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::Certificate;

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

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// PEM of every anchor.
    pub fn pem(&self) -> String {
        self.0.iter().map(Certificate::pem).collect()
    }
}

/// Why a path does not hold, with webpki's own typed reason.
pub use webpki::Error as PathError;

/// Builds and checks a path from `leaf` to one of `anchors` at `at`.
///
/// The usage must be allowed by the leaf and by every intermediate that names usages.
///
/// # Errors
/// webpki's reason; `UnknownIssuer` when no path could be built at all.
pub fn validate(
    leaf: &Certificate,
    intermediates: &[Certificate],
    anchors: &Anchors,
    at: OffsetDateTime,
    usage: Usage,
) -> Result<(), PathError> {
    let leaf_der = CertificateDer::from(leaf.der());
    let end_entity = EndEntityCert::try_from(&leaf_der)?;
    let anchor_ders: Vec<CertificateDer<'_>> = anchors
        .0
        .iter()
        .map(|anchor| CertificateDer::from(anchor.der()))
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = anchor_ders
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<_, _>>()?;
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der()))
        .collect();
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or(0);
    let purpose = match usage {
        Usage::Client => KeyUsage::client_auth(),
        Usage::Server => KeyUsage::server_auth(),
    };
    end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            purpose,
            None,
            None,
        )
        .map(|_| ())
}
