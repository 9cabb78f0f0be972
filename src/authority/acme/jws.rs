//! What instant-acme has no way to ask: an order with a lifetime, and a revocation signed by the
//! certificate's own key. Flattened JSON Web Signatures (RFC 7515, RFC 8555 section 6.2).

use data_encoding::BASE64URL_NOPAD;
use instant_acme::Error;
use rcgen::SigningKey;
use serde_json::{Value, json};
use url::Url;

use super::problem::Document;
use super::wire::Wire;
use crate::net::{Repeat, Request, Response};
use crate::pki::{PrivateKey, ber};
use std::sync::Arc;

const UNREADABLE: Error = Error::Str("a key that can sign for ACME");

/// How often a nonce may be turned down.
const NONCES: u32 = 5;

/// As whom a request is signed.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// The URL of an account, and its key.
    Account(&'a str, &'a PrivateKey),
    /// A key that speaks for itself.
    Key(&'a PrivateKey),
}

/// Signs and sends, again with a fresh nonce where one is turned down (RFC 8555 section 6.5).
///
/// # Errors
/// For an answer that is no success: [`Wire::ask`] makes its own of what was kept.
pub fn post(
    wire: &Wire,
    signer: Signer<'_>,
    url: &Url,
    payload: &Value,
) -> Result<Arc<Response>, Error> {
    let mut nonce = wire.nonce()?;
    for _ in 0..NONCES {
        let body = signed(signer, &nonce, url, payload)?;
        let request = Request::post(url.clone(), Repeat::Never, body)
            .header("content-type", "application/jose+json");
        let response = wire.exchange(request)?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        let turned_down = Document::read(&response.body, &|text| Some(text.to_owned()))
            .is_some_and(|document| document.is("badNonce"));
        nonce = match response.header("replay-nonce") {
            Some(nonce) if turned_down => nonce.to_owned(),
            _ => break,
        };
    }
    Err(Error::Str("a success"))
}

fn signed(signer: Signer<'_>, nonce: &str, url: &Url, payload: &Value) -> Result<Vec<u8>, Error> {
    let (Signer::Account(_, key) | Signer::Key(key)) = signer;
    let public = Public::of(key).ok_or(UNREADABLE)?;
    let mut header = json!({ "alg": public.algorithm(), "nonce": nonce, "url": url.as_str() });
    match signer {
        Signer::Account(id, _) => header["kid"] = json!(id),
        Signer::Key(_) => header["jwk"] = public.jwk(),
    }
    let [protected, payload] = [&header, payload].map(|part| base64(part.to_string().as_bytes()));
    let signature = key
        .sign(format!("{protected}.{payload}").as_bytes())
        .ok()
        .and_then(|signature| public.signature(signature))
        .ok_or(UNREADABLE)?;
    let body = json!({
        "protected": protected,
        "payload": payload,
        "signature": base64(&signature),
    });
    Ok(body.to_string().into_bytes())
}

fn base64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// A public key as RFC 7518 and RFC 8037 see it.
enum Public {
    /// Both coordinates of the point.
    Ec(Vec<u8>, Vec<u8>),
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Public {
    fn of(key: &PrivateKey) -> Option<Self> {
        let (outer, _) = ber::read(key.spki()).ok()?;
        let (_, rest) = ber::read(outer.content).ok()?;
        let (bits, _) = ber::read(rest).ok()?;
        // Without the count of unused bits.
        let bytes = bits.content.get(1..)?;
        match bytes {
            [0x04, point @ ..] if matches!(point.len(), 64 | 96 | 132) => {
                let (x, y) = point.split_at(point.len() / 2);
                Some(Self::Ec(x.to_vec(), y.to_vec()))
            }
            _ if bytes.len() == 32 => Some(Self::Ed25519(bytes.to_vec())),
            _ => {
                let [modulus, exponent] = integers(bytes)?;
                Some(Self::Rsa(modulus, exponent))
            }
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(x, _) => match x.len() {
                32 => "ES256",
                48 => "ES384",
                _ => "ES512",
            },
            Self::Rsa(..) => "RS256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Ec(x, y) => {
                let curve = match x.len() {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({ "kty": "EC", "crv": curve, "x": base64(x), "y": base64(y) })
            }
            Self::Rsa(n, e) => json!({ "kty": "RSA", "n": base64(n), "e": base64(e) }),
            Self::Ed25519(x) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(x) }),
        }
    }

    /// ECDSA as both numbers at their full length (RFC 7518 section 3.4), where X.509 has DER.
    fn signature(&self, signature: Vec<u8>) -> Option<Vec<u8>> {
        let Self::Ec(x, _) = self else {
            return Some(signature);
        };
        let mut fixed = Vec::with_capacity(2 * x.len());
        for number in integers(&signature)? {
            fixed.resize(fixed.len() + x.len().checked_sub(number.len())?, 0);
            fixed.extend(number);
        }
        Some(fixed)
    }
}

/// The two INTEGERs of a SEQUENCE, without leading zeros.
fn integers(der: &[u8]) -> Option<[Vec<u8>; 2]> {
    let (sequence, _) = ber::read(der).ok()?;
    let (first, rest) = ber::read(sequence.content).ok()?;
    let (second, _) = ber::read(rest).ok()?;
    Some([first, second].map(|integer| {
        let zeros = integer
            .content
            .iter()
            .take_while(|byte| **byte == 0)
            .count();
        integer.content[zeros..].to_vec()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::KeyAlgorithm;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey,
    };

    /// Verified by what the header alone says, as a server does it.
    fn verify(body: &[u8]) -> Value {
        let body: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| BASE64URL_NOPAD.decode(body[name].as_str().unwrap().as_bytes());
        let header: Value = serde_json::from_slice(&part("protected").unwrap()).unwrap();
        let text = format!(
            "{}.{}",
            body["protected"].as_str().unwrap(),
            body["payload"].as_str().unwrap()
        );
        let (text, signature) = (text.as_bytes(), part("signature").unwrap());
        let number = |name: &str| {
            let text = header["jwk"][name].as_str().unwrap();
            BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
        };
        let point = || [vec![4], number("x"), number("y")].concat();
        match header["alg"].as_str().unwrap() {
            "ES256" => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point()).verify(text, &signature)
            }
            "ES384" => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point()).verify(text, &signature)
            }
            "EdDSA" => UnparsedPublicKey::new(&ED25519, number("x")).verify(text, &signature),
            "RS256" => RsaPublicKeyComponents {
                n: number("n"),
                e: number("e"),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, text, &signature),
            other => panic!("{other}"),
        }
        .unwrap();
        header
    }

    #[test]
    fn every_kind_of_key_signs_so_that_its_header_verifies_it() {
        let url = Url::parse("https://ca.lab/revoke").unwrap();
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Rsa2048,
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            // ECDSA's numbers are shorter than their field in one of 128 signatures.
            for _ in 0..if algorithm == KeyAlgorithm::EcdsaP256 {
                400
            } else {
                2
            } {
                let body = signed(Signer::Key(&key), "n", &url, &json!({ "reason": 1 })).unwrap();
                let header = verify(&body);
                assert_eq!(
                    (&header["nonce"], &header["url"]),
                    (&json!("n"), &json!(url.as_str()))
                );
            }
        }
    }
}
