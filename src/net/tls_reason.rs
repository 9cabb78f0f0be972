//! Why TLS failed, read from rustls's typed errors, in words and with the values that decide.

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, InvalidMessage, PeerIncompatible};
use time::OffsetDateTime;

use super::alert::{self, Alert};
use crate::finding::rfc3339;
use crate::pki::Certificate;
use crate::pki::path::PathError;

/// Why no TLS connection came about, or why the server ended it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TlsReason {
    #[error("its certificate{} expired at {}, and it is {} here", named(.certificate), rfc3339(*.not_after), rfc3339(*.now))]
    Expired {
        /// Which link of the chain, by its common name.
        certificate: Option<String>,
        not_after: OffsetDateTime,
        now: OffsetDateTime,
    },
    #[error("its certificate{} is valid from {}, and it is {} here", named(.certificate), rfc3339(*.not_before), rfc3339(*.now))]
    NotYetValid {
        certificate: Option<String>,
        not_before: OffsetDateTime,
        now: OffsetDateTime,
    },
    #[error("its certificate is for {}, not for {expected}", list(.presented))]
    WrongName {
        expected: String,
        presented: Vec<String>,
    },
    #[error("its certificate does not chain to a trusted root{}", ends(.ends_in))]
    UnknownIssuer {
        /// The issuer of the last certificate that the server sent.
        ends_in: Option<String>,
    },
    #[error("a signature in its certificate chain does not verify")]
    BadSignature,
    #[error("its certificate is not for servers (it has {})", list(.presented))]
    WrongUsage { presented: Vec<String> },
    #[error("its certificate was revoked")]
    Revoked,
    #[error("its certificate is a CA certificate, which cannot identify a server")]
    CaAsServer,
    #[error("its certificate cannot be used: {0}")]
    Certificate(String),
    #[error("it ended TLS with alert {} ({}): {}", .0.number, .0.name, .0.usually)]
    Alert(Alert),
    #[error("it and certbake share no TLS version or cipher suite: {0}")]
    NothingShared(&'static str),
    #[error("it and certbake cannot speak TLS with each other: {0}")]
    Incompatible(&'static str),
    #[error("it does not speak TLS on this port (perhaps plain HTTP)")]
    NotTls,
    #[error("it closed the connection during the TLS handshake")]
    Closed,
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsReason {
    pub fn is_transient(&self) -> bool {
        // A server going down, or a balancer without one behind it.
        matches!(self, Self::Closed)
    }

    /// Whether the server and our trust in it do not fit together, so that neither another moment nor a
    /// mended clock helps: other settings do, here or there.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::WrongName { .. }
            | Self::UnknownIssuer { .. }
            | Self::BadSignature
            | Self::WrongUsage { .. }
            | Self::CaAsServer
            | Self::Certificate(_)
            | Self::NothingShared(_)
            | Self::Incompatible(_)
            | Self::NotTls => true,
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Revoked
            | Self::Alert(_)
            | Self::Closed
            | Self::Other(_) => false,
        }
    }

    /// From rustls's error and the chain that was turned down, if it was the chain.
    pub(super) fn of(error: &rustls::Error, presented: &[CertificateDer<'_>]) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error, presented),
            rustls::Error::AlertReceived(received) => Self::Alert(alert::of(u8::from(*received))),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::PeerIncompatible(reason) => Self::of_incompatible(reason),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_incompatible(reason: &PeerIncompatible) -> Self {
        match reason {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
                Self::NothingShared("it speaks neither TLS 1.2 nor 1.3")
            }
            PeerIncompatible::NoCipherSuitesInCommon => {
                Self::NothingShared("they have no cipher suite in common")
            }
            PeerIncompatible::NoKxGroupsInCommon => {
                Self::Incompatible("they have no group for the key exchange in common")
            }
            PeerIncompatible::NoSignatureSchemesInCommon => {
                Self::Incompatible("they have no signature scheme in common")
            }
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => Self::Incompatible(
                "it accepts no signature that the client certificate's key can make",
            ),
            _ => Self::Incompatible("its handshake lacks what certbake needs"),
        }
    }

    fn of_certificate(error: &CertificateError, presented: &[CertificateDer<'_>]) -> Self {
        let chain = || {
            presented
                .iter()
                .filter_map(|der| Certificate::from_der(der.as_ref()).ok())
        };
        match error {
            CertificateError::ExpiredContext { time, not_after } => {
                let not_after = instant(*not_after);
                Self::Expired {
                    certificate: chain()
                        .find(|link| link.window().not_after == not_after)
                        .map(|link| link.title()),
                    not_after,
                    now: instant(*time),
                }
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                let not_before = instant(*not_before);
                Self::NotYetValid {
                    certificate: chain()
                        .find(|link| link.window().not_before == not_before)
                        .map(|link| link.title()),
                    not_before,
                    now: instant(*time),
                }
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: presented.iter().map(|name| plain_name(name)).collect(),
            },
            CertificateError::UnknownIssuer => Self::UnknownIssuer {
                ends_in: chain().next_back().map(|link| link.facts().issuer.clone()),
            },
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::InvalidPurposeContext { presented, .. } => Self::WrongUsage {
                presented: presented.iter().map(ToString::to_string).collect(),
            },
            CertificateError::Revoked => Self::Revoked,
            // webpki's own error, wrapped without a variant of rustls's.
            CertificateError::Other(other)
                if other.0.downcast_ref() == Some(&PathError::CaUsedAsEndEntity) =>
            {
                Self::CaAsServer
            }
            other => Self::Certificate(other.to_string()),
        }
    }
}

/// webpki lists names as `DnsName("ca.lab")` and `IpAddress(127.0.0.1)`.
fn plain_name(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(name);
    let inner = inner.trim_matches('"');
    // An address of 16 octets comes in a spelling of its own.
    inner
        .parse::<IpAddr>()
        .map_or_else(|_| inner.to_owned(), |address| address.to_string())
}

fn instant(at: UnixTime) -> OffsetDateTime {
    i64::try_from(at.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn named(certificate: &Option<String>) -> String {
    certificate
        .as_ref()
        .map_or_else(String::new, |name| format!(" \"{name}\""))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "no name at all".to_owned()
    } else {
        names.join(", ")
    }
}

fn ends(issuer: &Option<String>) -> String {
    issuer.as_ref().map_or_else(String::new, |issuer| {
        format!(": the chain it sent ends at {issuer}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_and_cipher_suites_are_called_so_and_nothing_by_its_name_in_the_code() {
        for (reason, words) in [
            (
                PeerIncompatible::NoCipherSuitesInCommon,
                "it and certbake share no TLS version or cipher suite: they have no cipher suite in common",
            ),
            (
                PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
                "it and certbake cannot speak TLS with each other: it accepts no signature that the client certificate's key can make",
            ),
            (
                PeerIncompatible::ExtendedMasterSecretExtensionRequired,
                "it and certbake cannot speak TLS with each other: its handshake lacks what certbake needs",
            ),
        ] {
            let reason = TlsReason::of(&rustls::Error::PeerIncompatible(reason), &[]);
            assert_eq!(reason.to_string(), words);
            assert!(reason.is_lasting());
        }
    }
}
