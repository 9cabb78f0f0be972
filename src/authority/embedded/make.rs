//! The two certificates of a new CA: a root, and the intermediate that signs in its name.

use std::str::FromStr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::error::CaError;
use super::issue::{BACKDATED, serial};
use crate::pki::digest::sha256_hex;
use crate::pki::{Certificate, KeyAlgorithm, PrivateKey};
use crate::span::Span;

/// The lifetime of a root for which none is asked.
pub const ROOT_LIFETIME: Span = Span::seconds(3650 * 86_400);
/// The lifetime of an intermediate for which none is asked.
pub const INTERMEDIATE_LIFETIME: Span = Span::seconds(1825 * 86_400);

/// What is asked of a CA that is to be made; `None` leaves it to us.
#[derive(Clone, Debug, Default)]
pub struct NewCa {
    /// Without one, it is made from the root's key, so that two CAs never share a subject.
    pub name: Option<CaName>,
    pub key_algorithm: Option<KeyAlgorithm>,
    pub root_lifetime: Option<Span>,
    /// Cut to the root's own end.
    pub intermediate_lifetime: Option<Span>,
}

impl NewCa {
    fn name(&self, root_spki: &[u8]) -> String {
        match &self.name {
            Some(CaName(name)) => name.clone(),
            None => format!("certbake {}", &sha256_hex(root_spki)[..8]),
        }
    }
}

/// The CA's name by one of its certificates, whose own name ends so.
pub(super) fn named<'a>(certificate: Option<&'a Certificate>, end: &str) -> Option<&'a str> {
    let common_name = certificate?.facts().common_name.as_deref()?;
    common_name.strip_suffix(end)
}

/// What the common names of a CA's certificates begin with: `Lab`, for `Lab root`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaName(String);

impl CaName {
    /// What is left of the 64 characters of a common name (RFC 5280 appendix A.1).
    const LONGEST: usize = 64 - " intermediate".len();

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CaName {
    type Err = CaNameError;

    fn from_str(text: &str) -> Result<Self, CaNameError> {
        let length = text.chars().count();
        if length == 0 || length > Self::LONGEST || text.chars().any(char::is_control) {
            return Err(CaNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

pub(super) fn root(
    new: &NewCa,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<Certificate, CaError> {
    let name = format!("{} root", new.name(key.spki()));
    let mut params = params(&name, 1, now)?;
    params.not_after = now + new.root_lifetime.unwrap_or(ROOT_LIFETIME).duration();
    let made = params.self_signed(key).map_err(|error| signing(&error))?;
    Certificate::from_der(made.der().to_vec()).map_err(|error| signing(&error))
}

pub(super) fn intermediate(
    new: &NewCa,
    root: &Certificate,
    root_key: PrivateKey,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Result<Certificate, CaError> {
    // The root's own name, so that a renewed intermediate is called as the one before.
    let name =
        named(Some(root), " root").map_or_else(|| new.name(&root.facts().spki), str::to_owned);
    let name = format!("{name} intermediate");
    let mut params = params(&name, 0, now)?;
    let lifetime = new.intermediate_lifetime.unwrap_or(INTERMEDIATE_LIFETIME);
    params.not_after = (now + lifetime.duration()).min(root.window().not_after);
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(root.der()), root_key)
        .map_err(|error| signing(&error))?;
    let made = params
        .signed_by(key, &issuer)
        .map_err(|error| signing(&error))?;
    Certificate::from_der(made.der().to_vec()).map_err(|error| signing(&error))
}

/// What both share (RFC 5280 sections 4.2.1.3 and 4.2.1.9).
fn params(common_name: &str, below: u8, now: OffsetDateTime) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(
        &serial().ok_or(CaError::Key(crate::pki::key::KeyError::Generation))?,
    ));
    params.not_before = now - BACKDATED;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn signing(error: &dyn std::fmt::Display) -> CaError {
    CaError::Signing(error.to_string())
}

/// A name that cannot begin a common name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a CA's name must have 1 to {} characters, without control characters",
    CaName::LONGEST
)]
pub struct CaNameError;
