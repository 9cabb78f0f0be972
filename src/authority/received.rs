//! Certificates in whatever wrapping an authority hands them over, and the one that is ours.

use data_encoding::BASE64;

use super::Issued;
use crate::pki::{Certificate, Chain, ber, pkcs7};

/// A certs-only CMS message as DER, base64 or PEM, or certificates themselves.
///
/// # Errors
/// When there is none, or what stands there is none.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let ders = match bare(bytes) {
        Some(der) => vec![der],
        None => pkcs7::from_any(bytes).map_err(|error| error.to_string())?,
    };
    if ders.is_empty() {
        return Err("it contains no certificate".to_owned());
    }
    ders.into_iter()
        .map(|der| Certificate::from_der(der).map_err(|error| error.to_string()))
        .collect()
}

/// The leaf first, since an answer may hold its predecessor for the same key; roots apart.
///
/// # Errors
/// When none of them is for the key (DER `SubjectPublicKeyInfo`).
pub fn issued(certificates: Vec<Certificate>, spki: &[u8]) -> Result<Issued, String> {
    let chain = Chain::arrange(certificates, spki).map_err(|error| error.to_string())?;
    let der = |certificate: &Certificate| certificate.der().to_vec();
    Ok(Issued {
        certificates: chain.certificates().map(der).collect(),
        anchors: chain.roots.iter().map(der).collect(),
        ..Issued::default()
    })
}

/// The leaf first, since an answer may hold its predecessor for the same key; then all the others, in
/// their order.
///
/// # Errors
/// When none of them is for the key (DER `SubjectPublicKeyInfo`).
pub fn leaf_first(
    mut certificates: Vec<Certificate>,
    spki: &[u8],
) -> Result<Vec<Certificate>, String> {
    let chain = Chain::arrange(certificates.clone(), spki).map_err(|error| error.to_string())?;
    certificates.retain(|other| *other != chain.leaf);
    certificates.insert(0, chain.leaf);
    Ok(certificates)
}

/// The DER of an answer, from DER or base64 in one line or many; `None` when it is neither.
pub fn der(body: &[u8]) -> Option<Vec<u8>> {
    if body.first() == Some(&ber::SEQUENCE) {
        return Some(body.to_vec());
    }
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(&text).ok()
}

/// A structure that is no CMS message, so a certificate if anything; without what follows it.
fn bare(body: &[u8]) -> Option<Vec<u8>> {
    let der = der(body).filter(|der| !pkcs7::is_message(der))?;
    let (element, _) = ber::read(&der).ok()?;
    (element.tag == ber::SEQUENCE).then(|| element.encoded.to_vec())
}
