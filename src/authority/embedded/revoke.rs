//! Revocation: a line in `revoked.jsonl`, then a new list of all that are revoked, `ca.crl`
//! (RFC 5280 section 5), both under the CA's lock. A run that was killed in between leaves a list
//! that the next revocation completes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::directory::CaDirectory;
use super::error::{CaError, RevokeError};
use super::issue::BACKDATED;
use super::log::{self, Entries};
use crate::authority::Reason;
use crate::authority::revocation::PASSIVE;
use crate::finding::{Finding, rfc3339};
use crate::image::{self, Mode};
use crate::pki::crl::RevocationList;
use crate::pki::{Certificate, pem};

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
    /// When the log cannot be read, a line of it least of all: whose certificate it revokes is not known.
    /// The beginning of a last line is of a revocation that was not confirmed.
    pub fn revoked(&self) -> Result<Vec<RevokedEntry>, CaError> {
        Ok(self.read_revoked()?.entries)
    }

    fn read_revoked(&self) -> Result<Entries<RevokedEntry>, CaError> {
        let read: Entries<RevokedEntry> = log::lines(&self.revocations())?;
        let unlistable = read.entries.iter().filter(|it| listed(it).is_none());
        let damaged = unlistable.count() + read.unreadable - usize::from(read.is_torn);
        if damaged > 0 {
            return Err(CaError::Revocations {
                path: self.revocations(),
                damaged,
            });
        }
        Ok(read)
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
        let read = self.read_revoked()?;
        let mut revoked = read.entries;
        if read.is_torn {
            // Ended, it would be damage.
            let lines: String = revoked.iter().map(|entry| line(entry) + "\n").collect();
            image::place_file(self.path(), LOG, Mode::new(0o600), lines.as_bytes())
                .map_err(CaError::Io)?;
        }
        if !revoked.iter().any(|entry| entry.fingerprint == fingerprint) {
            let entry = RevokedEntry {
                at: rfc3339(now),
                serial: facts.serial.clone(),
                fingerprint,
                reason: reason.as_str().to_owned(),
            };
            image::append_line(&self.revocations(), Mode::new(0o600), &line(&entry))
                .map_err(CaError::Io)?;
            revoked.push(entry);
        }
        self.publish(&revoked, now)?;
        let by_another_key = !certificate.is_issued_by(self.intermediate());
        Ok(by_another_key.then(|| signed_by_an_older_key(&facts.issuer)))
    }

    fn revocations(&self) -> PathBuf {
        self.path().join(LOG)
    }

    /// Writes a new list where the one that is there is not of these revocations. It holds until the
    /// intermediate ends: a new one is written at no other time, so none is ever out of date.
    fn publish(&self, revoked: &[RevokedEntry], now: OffsetDateTime) -> Result<(), CaError> {
        let next_update = self.intermediate().window().not_after;
        let mut number = u64::try_from(revoked.len()).unwrap_or(u64::MAX);
        let published = self.published();
        if let Some((list, last)) = published
            .as_ref()
            .and_then(|list| Some((list, list.said()?)))
        {
            let is_whole = last.revoked == revoked.len() && last.next_update == Some(next_update);
            if is_whole && list.is_signed_by(self.intermediate()) {
                return Ok(());
            }
            // RFC 5280 section 5.2.3: no number twice.
            let last = last
                .number
                .as_ref()
                .and_then(|number| number.parse::<u64>().ok());
            number = number.max(last.map_or(0, |last| last.saturating_add(1)));
        }
        let signing = |error: rcgen::Error| CaError::Signing(error.to_string());
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().filter_map(listed).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).map_err(signing)?;
        let text = list.pem().map_err(signing)?;
        image::place_file(self.path(), LIST, Mode::new(0o644), text.as_bytes()).map_err(CaError::Io)
    }

    /// The list that is there, if it is one.
    fn published(&self) -> Option<RevocationList> {
        let text = fs::read(self.path().join(LIST)).ok()?;
        match pem::decode(&text).ok()?.into_iter().next()? {
            pem::Block::Crl(der) => Some(RevocationList::new(der)),
            _ => None,
        }
    }
}

fn line(entry: &RevokedEntry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
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

/// `None` for one whose serial or time is none.
fn listed(entry: &RevokedEntry) -> Option<RevokedCertParams> {
    let serial = data_encoding::HEXLOWER
        .decode(entry.serial.as_bytes())
        .ok()
        .filter(|serial| !serial.is_empty())?;
    Some(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: OffsetDateTime::parse(&entry.at, &Rfc3339)
            .ok()?
            .checked_to_offset(UtcOffset::UTC)?,
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
