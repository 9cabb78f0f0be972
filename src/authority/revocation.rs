//! Taking back: what of, and why.

use std::time::Instant;

use super::AuthorityError;
use crate::finding::{Code, Finding};
use crate::pki::{Certificate, PrivateKey};

/// The authority has it revoked, and those who should refuse it may never learn of that.
pub const PASSIVE: Code = Code::new("revocation-passive");

/// A further ability: a certificate is taken back.
pub trait Revoke: Send + Sync {
    /// Has the certificate revoked; one that is revoked already is no error. The findings are what
    /// the authority said beside it.
    ///
    /// # Errors
    /// As [`super::Authority::issue`].
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError>;
}

/// What is to be taken back, and why.
pub struct Revocation<'a> {
    pub certificate: &'a Certificate,
    /// Its key, where it is at hand: some protocols take that as the login.
    pub key: Option<&'a PrivateKey>,
    pub reason: Reason,
    /// When the whole revocation must have ended.
    pub deadline: Instant,
}

/// RFC 5280 section 5.3.1, those that a client has reason to give.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reason {
    #[default]
    Unspecified,
    KeyCompromise,
    Superseded,
    CessationOfOperation,
}

impl Reason {
    pub const ALL: [Self; 4] = [
        Self::KeyCompromise,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::Unspecified,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }

    /// The number in `CRLReason`.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }

    /// The name in `CRLReason`.
    pub const fn crl_name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
        }
    }
}
