//! Revocation: a line in `revoked.jsonl`, then a new list of all that are revoked, `ca.crl`
//! (RFC 5280 section 5), both under the CA's lock. A run that was killed in between leaves a list
//! that the next revocation completes.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::directory::CaDirectory;
use super::error::{CaError, RevokeError};
use super::issue::BACKDATED;
use super::log;
use crate::authority::Reason;
use crate::authority::revocation::PASSIVE;
use crate::finding::{Finding, rfc3339};
use crate::image::{self, Mode};
use crate::pki::Certificate;

pub(super) const LOG: &str = "revoked.jsonl";
pub(super) const LIST: &str = "ca.crl";

/// How long another revocation may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One revoked certificate. Times are RFC 3339 UTC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RevokedEntry {
    /// When it was revoked.
    pub at: String,
    /// Hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// `key-compromise`, `superseded`, `cessation-of-operation`, `unspecified`.
    pub reason: String,
}

impl CaDirectory {
    /// Every revocation, the oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn revoked(&self) -> Result<Vec<RevokedEntry>, CaError> {
        Ok(log::lines(&self.revocations())?.entries)
    }

    /// Revokes a certificate of this CA; one that is revoked already stays so. A warning says where
    /// peers do not take the list for this certificate.
    ///
    /// # Errors
    /// When this CA did not issue it, or it cannot be written down.
    pub fn revoke(
        &self,
        certificate: &Certificate,
        reason: Reason,
        now: OffsetDateTime,
    ) -> Result<Option<Finding>, RevokeError> {
        let facts = certificate.facts();
        let fingerprint = certificate.fingerprint();
        let ours = facts.issuer_der == self.intermediate().facts().subject_der;
        let issued = self.log().read()?.entries;
        if !ours || !issued.iter().any(|entry| entry.fingerprint == fingerprint) {
            return Err(RevokeError::NotOurs {
                serial: facts.serial.clone(),
            });
        }
        let _lock = image::lock_dir(self.path(), PATIENCE).map_err(CaError::Io)?;
        let mut revoked = self.revoked()?;
        if !revoked.iter().any(|entry| entry.fingerprint == fingerprint) {
            let entry = RevokedEntry {
                at: rfc3339(now),
                serial: facts.serial.clone(),
                fingerprint,
                reason: reason.as_str().to_owned(),
            };
            let line = serde_json::to_string(&entry).unwrap_or_default();
            image::append_line(&self.revocations(), Mode::new(0o600), &line)
                .map_err(CaError::Io)?;
            revoked.push(entry);
        }
        let list = self.list(&revoked, now)?;
        image::place_file(self.path(), LIST, Mode::new(0o644), list.as_bytes())
            .map_err(CaError::Io)?;
        let by_another_key = !certificate.is_issued_by(self.intermediate());
        Ok(by_another_key.then(|| signed_by_an_older_key(&facts.issuer)))
    }

    fn revocations(&self) -> PathBuf {
        self.path().join(LOG)
    }

    /// PEM. It holds until the intermediate ends: a new one is written with each revocation and at
    /// no other time, so none is ever out of date.
    fn list(&self, revoked: &[RevokedEntry], now: OffsetDateTime) -> Result<String, CaError> {
        let signing = |error: rcgen::Error| CaError::Signing(error.to_string());
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: self.intermediate().window().not_after,
            crl_number: SerialNumber::from(u64::try_from(revoked.len()).unwrap_or(u64::MAX)),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().filter_map(listed).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer)
            .map_err(signing)?
            .pem()
            .map_err(signing)
    }
}

/// RFC 5280 section 6.3.3 (f): the key that signed the certificate has to have signed the list.
fn signed_by_an_older_key(issuer: &str) -> Finding {
    Finding::warning(
        PASSIVE,
        format!(
            "the CA's intermediate has had a new key since it signed the certificate: peers do not accept {LIST}, \
             which the new key signs, as a list about it"
        ),
    )
    .fact("issuer", issuer)
    .hint("have services refuse the fingerprint, and replace the certificate")
}

fn listed(entry: &RevokedEntry) -> Option<RevokedCertParams> {
    let serial = data_encoding::HEXLOWER
        .decode(entry.serial.as_bytes())
        .ok()?;
    Some(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: OffsetDateTime::parse(&entry.at, &Rfc3339).ok()?,
        reason_code: match entry.reason.as_str() {
            "key-compromise" => Some(RevocationReason::KeyCompromise),
            "superseded" => Some(RevocationReason::Superseded),
            "cessation-of-operation" => Some(RevocationReason::CessationOfOperation),
            // RFC 5280 section 5.3.1: absent instead of unspecified.
            _ => None,
        },
        invalidity_date: None,
    })
}
