//! Whom TLS must lead to: roots that are given, those of the system, or one that has a fingerprint.

use std::path::Path;

use url::Url;

use super::{ServerTrust, wrong};
use crate::authority::{AuthorityError, Settings, SettingsError, answer};
use crate::finding::{Code, Finding};
use crate::net::{Client, ClientSettings, TLS, danger};
use crate::os_error;
use crate::pki::{Certificate, digest, pem};

const PIN_MISMATCH: Code = Code::new("ca-pin-mismatch");

/// Whom TLS must lead to.
#[derive(Debug, Eq, PartialEq)]
pub enum Pinning {
    /// DER, at least one.
    Anchors(Vec<Vec<u8>>),
    System,
    /// Plain `http://` alone: there is nobody to verify.
    Nobody,
    /// SHA-256 of a root that is fetched first.
    Fingerprint([u8; 32]),
}

/// Fetches the candidates for a pinned root, over a client that verifies nothing and sends nothing.
pub type Bootstrap<'a> = &'a dyn Fn(&Client) -> Result<Vec<Certificate>, AuthorityError>;

pub(super) fn pinning(
    trust: Option<ServerTrust>,
    settings: &Settings<'_>,
    url: &Url,
) -> Result<Pinning, SettingsError> {
    let anchors = settings.anchors;
    match trust {
        Some(ServerTrust::System) => Ok(Pinning::System),
        Some(ServerTrust::File(path)) => {
            roots(&settings.directory.join(path)).map(Pinning::Anchors)
        }
        Some(ServerTrust::Fingerprint(_)) if !anchors.is_empty() => Err(wrong(
            "trust",
            "both a fingerprint and anchors are given: give only one",
        )),
        Some(ServerTrust::Fingerprint(pin)) => Ok(Pinning::Fingerprint(pin)),
        None if anchors.is_empty() && url.scheme() == "http" => Ok(Pinning::Nobody),
        None if anchors.is_empty() => Err(wrong(
            "trust",
            "no root to trust is given: give anchors or --ca-anchors (the CA's root as PEM), or trust or \
             --ca-trust: \"system\", \"file:PATH\" or \"sha256:…\" (the fingerprint of its root)",
        )),
        None => Ok(Pinning::Anchors(anchors.to_vec())),
    }
}

fn roots(path: &Path) -> Result<Vec<Vec<u8>>, SettingsError> {
    let unusable = |reason: String| wrong("trust", format!("reading {}: {reason}", path.display()));
    let text = std::fs::read(path).map_err(|error| unusable(os_error::in_words(&error)))?;
    pem::required(&text).map_err(unusable)
}

/// The candidate that has the pinned SHA-256: the pin is the verification.
pub(super) fn pinned_root(
    settings: &ClientSettings,
    pin: &[u8; 32],
    bootstrap: Option<Bootstrap<'_>>,
) -> Result<Vec<u8>, AuthorityError> {
    let Some(bootstrap) = bootstrap else {
        return Err(AuthorityError::Settings(Box::new(
            Finding::error(
                PIN_MISMATCH,
                "this kind of CA does not send its root, so certbake cannot compare a fingerprint",
            )
            .hint("give anchors (the root as PEM) instead of trust = \"sha256:…\""),
        )));
    };
    let mut unverified = settings.clone();
    unverified.trust = danger::trust_any_server_for_pinned_data();
    let client = Client::open(unverified).map_err(|error| answer::unopened(&error))?;
    let candidates = bootstrap(&client).map_err(asked_without_login)?;
    if let Some(root) = candidates
        .iter()
        .find(|certificate| digest::sha256(certificate.der()) == *pin)
    {
        return Ok(root.der().to_vec());
    }
    let came: Vec<String> = candidates.iter().map(Certificate::fingerprint).collect();
    Err(AuthorityError::Settings(Box::new(
        Finding::error(
            PIN_MISMATCH,
            "none of the server's CA certificates has the pinned fingerprint",
        )
        .fact("pinned", data_encoding::HEXLOWER.encode(pin))
        .fact("came", came)
        .hint(
            "compare the fingerprint with the CA's operators, by a channel other than this network: either the pin is out of date, or another server answers",
        ),
    )))
}

/// A server that wants to know first who asks gives no root to compare.
fn asked_without_login(error: AuthorityError) -> AuthorityError {
    match &error {
        AuthorityError::Refused(finding)
            if [answer::LOGIN_REFUSED, TLS].contains(&finding.code) =>
        {
            answer::hinted(
                error,
                "without login or client certificate, the server does not give its root to compare with the fingerprint: give anchors (the root as PEM) instead of trust = \"sha256:…\"",
            )
        }
        _ => error,
    }
}
