//! A client certificate from its files.

use std::path::Path;

use super::read_secret;
use crate::authority::AuthorityError;
use crate::finding::{Code, Finding};
use crate::net::ClientCertificate;
use crate::os_error;
use crate::pki::{Certificate, Chain, PrivateKey, pem};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const CLIENT_CERTIFICATE: Code = Code::new("ca-client-certificate");

/// The chain from one PEM file and its key from another, or both from one.
///
/// # Errors
/// [`AuthorityError::Settings`]: a file that cannot be read, or a key that others may read.
pub fn client_certificate(
    certificate: &Path,
    key: &Path,
) -> Result<ClientCertificate, AuthorityError> {
    let unusable = |path: &Path, reason: String| {
        AuthorityError::Settings(Box::new(
            Finding::error(
                CLIENT_CERTIFICATE,
                format!("reading the client certificate from {}: {reason}", path.display()),
            )
            .in_file(path.display().to_string())
            .hint("give PEM files: client_certificate with the chain, client_key with its key, unencrypted"),
        ))
    };
    let text =
        std::fs::read(certificate).map_err(|e| unusable(certificate, os_error::in_words(&e)))?;
    let chain = chain(&text).map_err(|reason| unusable(certificate, reason))?;
    if key == certificate && !pem::decode(&text).is_ok_and(|blocks| blocks.iter().any(is_key)) {
        let reason = "it contains no private key, and client_key (--ca-key) is not given";
        return Err(unusable(certificate, reason.to_owned()));
    }
    // As a secret: refused when others may read it.
    let text = read_secret(&SecretSource::File(key.to_owned()))?;
    with_key(chain, &text).map_err(|reason| unusable(key, reason))
}

/// The certificates of a PEM text, or why there are none.
pub fn chain(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let chain = pem::certificates(text).map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("it contains no certificate".to_owned());
    }
    Ok(chain)
}

/// A chain with the key of a PEM text, or why that is none.
pub fn with_key(chain: Vec<Vec<u8>>, text: &Secret) -> Result<ClientCertificate, String> {
    let der = pem::private_key(text.expose())
        .map_err(|error| error.to_string())?
        .ok_or("it contains no unencrypted private key")?;
    let key = PrivateKey::from_der(&der).map_err(|error| error.to_string())?;
    Ok(ClientCertificate {
        chain: leaf_first(chain, key.spki()),
        key: Secret::new(key.expose_pkcs8().to_vec()),
    })
}

/// As `openssl pkcs12` writes them, certificates may begin with a root. What begins with the key's, and what
/// has none, stays as it is.
fn leaf_first(chain: Vec<Vec<u8>>, spki: &[u8]) -> Vec<Vec<u8>> {
    let parsed: Result<Vec<_>, _> = chain.iter().cloned().map(Certificate::from_der).collect();
    let Ok(certificates) = parsed else {
        return chain;
    };
    if certificates[0].facts().spki == spki {
        return chain;
    }
    Chain::arrange(certificates, spki).map_or(chain, |chain| {
        let certificates = chain.certificates();
        certificates.map(|it| it.der().to_vec()).collect()
    })
}

/// Whether a block is a private key, in whatever form.
const fn is_key(block: &pem::Block) -> bool {
    use pem::Block::{EncryptedPrivateKey, HeaderEncryptedKey, PrivateKey, Unknown};
    matches!(
        block,
        PrivateKey(_) | EncryptedPrivateKey(_) | HeaderEncryptedKey(_) | Unknown(_)
    )
}
