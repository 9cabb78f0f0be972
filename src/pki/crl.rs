//! Certificate revocation lists (RFC 5280 section 5): what they say of themselves, and what path validation
//! asks them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use time::OffsetDateTime;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::Certificate;
use super::facts;
use super::path::PathError;
use super::proof::{self, Proof};

/// What a revocation list says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crl {
    pub issuer: String,
    /// DER of the name.
    pub issuer_der: Vec<u8>,
    /// Decimal; most lists have one.
    pub number: Option<String>,
    /// RFC 5280 section 5.2.3 wants a number, and not marked as critical.
    pub number_is_proper: bool,
    pub this_update: OffsetDateTime,
    /// Verifiers refuse the list after this instant.
    pub next_update: Option<OffsetDateTime>,
    /// How many certificates are on it.
    pub revoked: usize,
    pub signature: String,
}

impl Crl {
    /// Reads one DER list; `None` when it is not one, or its dates are out of range.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = CertificateRevocationList::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let instant = |unix| facts::instant(unix).ok();
        Some(Self {
            issuer: facts::display_name(parsed.issuer()),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            number_is_proper: parsed.extensions().iter().any(|extension| {
                !extension.critical
                    && matches!(extension.parsed_extension(), ParsedExtension::CRLNumber(_))
            }),
            number: parsed.crl_number().map(ToString::to_string),
            this_update: instant(parsed.last_update().timestamp())?,
            next_update: match parsed.next_update() {
                Some(next) => Some(instant(next.timestamp())?),
                None => None,
            },
            revoked: parsed.iter_revoked_certificates().count(),
            signature: super::signature::name(&parsed.signature_algorithm),
        })
    }
}

/// A list that many certificates are held against: what is asked of it more than once is worked out once.
pub struct RevocationList {
    der: Vec<u8>,
    said: OnceLock<Option<Crl>>,
    usable: OnceLock<Result<CertRevocationList<'static>, PathError>>,
    /// By the keys (SPKI) that were asked about: whether they signed it.
    signers: Mutex<BTreeMap<Vec<u8>, bool>>,
}

impl RevocationList {
    pub const fn new(der: Vec<u8>) -> Self {
        Self {
            der,
            said: OnceLock::new(),
            usable: OnceLock::new(),
            signers: Mutex::new(BTreeMap::new()),
        }
    }

    /// `None` when it is not one list, or its dates are out of range.
    pub fn said(&self) -> Option<&Crl> {
        let said = self.said.get_or_init(|| Crl::from_der(&self.der));
        said.as_ref()
    }

    /// As path validation asks it.
    ///
    /// # Errors
    /// Why path validation does not take it.
    pub fn usable(&self) -> Result<&CertRevocationList<'static>, &PathError> {
        let read = || OwnedCertRevocationList::from_der(&self.der).map(CertRevocationList::from);
        self.usable.get_or_init(read).as_ref()
    }

    /// Whether the issuer's key signed it.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let key = &issuer.facts().spki;
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        match signers.get(key) {
            Some(signed) => *signed,
            None => {
                let signed = proof::of(&self.der, key) == Proof::Holds;
                signers.insert(key.clone(), signed);
                signed
            }
        }
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RevocationList").field(&self.said()).finish()
    }
}

/// The lists as path validation, which asks the first of an issuer's alone, is to be given them: the
/// newest first, and after those the ones that begin only after `at`. Last of all comes what none of
/// `issuers` signed: a CA that has a new key may publish a list under the old one still.
pub(super) fn newest_first<'a>(
    lists: &[&'a RevocationList],
    issuers: &[&Certificate],
    at: OffsetDateTime,
) -> Vec<&'a RevocationList> {
    let mut lists = lists.to_vec();
    lists.sort_by_cached_key(|list| {
        let said = list.said();
        let is_signed = said.is_some_and(|said| {
            let mut issuers = issuers.iter();
            issuers.any(|issuer| {
                issuer.facts().subject_der == said.issuer_der && list.is_signed_by(issuer)
            })
        });
        let age = said.map(|said| {
            let number = said.number.clone().unwrap_or_default();
            (said.this_update, number.len(), number)
        });
        let begun = age.as_ref().is_some_and(|(begin, ..)| *begin <= at);
        Reverse((is_signed, begun, age))
    });
    lists
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
        IsCa, KeyIdMethod, RevokedCertParams, SerialNumber,
    };
    use time::macros::datetime;

    use super::*;
    use crate::pki::key::{KeyAlgorithm, PrivateKey};

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let revoked = |serial: u8| RevokedCertParams {
            serial_number: SerialNumber::from(vec![serial]),
            revocation_time: datetime!(2026-01-01 0:00 UTC),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: datetime!(2026-01-01 0:00 UTC),
            next_update: datetime!(2026-01-08 0:00 UTC),
            crl_number: SerialNumber::from(vec![7]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked(1), revoked(2)],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let der = list.signed_by(&issuer).unwrap().der().to_vec();
        let crl = Crl::from_der(&der).unwrap();
        assert_eq!(crl.number.as_deref(), Some("7"));
        assert_eq!(
            (crl.revoked, crl.this_update),
            (2, datetime!(2026-01-01 0:00 UTC))
        );
        assert_eq!(crl.next_update, Some(datetime!(2026-01-08 0:00 UTC)));
        assert_eq!(Crl::from_der(&der[1..]), None);
    }
}
