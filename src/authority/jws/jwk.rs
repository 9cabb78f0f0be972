//! Keys as JSON (RFC 7517): a private one is read, a public one is written and named.

use std::borrow::Cow;

use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{CURVES, RSA, Signer, SignerError};
use crate::pki::ber::{self, INTEGER, SEQUENCE};
use crate::pki::digest;

/// RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    alg: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    d: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    p: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    dp: String,
    #[serde(default)]
    dq: String,
    #[serde(default)]
    qi: String,
}

impl Signer {
    /// # Errors
    /// When it is no private JWK, or of a kind that certbake does not sign with.
    pub fn from_jwk(json: &[u8]) -> Result<Self, SignerError> {
        let jwk: Jwk = serde_json::from_slice(json).map_err(|_| SignerError::Unreadable)?;
        if jwk.d.is_empty() {
            return Err(SignerError::Public);
        }
        let (d, x, y) = (octets(&jwk.d)?, octets(&jwk.x)?, octets(&jwk.y)?);
        match (jwk.kty.as_str(), jwk.crv.as_str()) {
            ("EC", crv) => {
                let curve = CURVES.iter().find(|curve| curve.crv == crv);
                let curve = curve.ok_or(SignerError::Kind)?;
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm, &d, &point)
                    .map(|pair| Self::Ecdsa(pair, curve))
                    .map_err(|_| SignerError::Unreadable)
            }
            ("OKP", "Ed25519") => Ed25519KeyPair::from_seed_and_public_key(&d, &x)
                .map(Self::Ed25519)
                .map_err(|_| SignerError::Unreadable),
            ("RSA", _) => {
                let rsa = RSA.iter().find(|rsa| rsa.alg == jwk.alg).unwrap_or(&RSA[0]);
                RsaKeyPair::from_der(&pkcs1(&jwk)?)
                    .map(|pair| Self::Rsa(pair, rsa))
                    .map_err(|_| SignerError::Unreadable)
            }
            _ => Err(SignerError::Kind),
        }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let members = self.members().into_iter();
        members
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect()
    }

    /// RFC 7638: what `step` names keys by.
    pub fn thumbprint(&self) -> String {
        let members: Vec<String> = self
            .members()
            .iter()
            .map(|(name, value)| format!(r#""{name}":"{value}""#))
            .collect();
        let hashed = digest::sha256(format!("{{{}}}", members.join(",")).as_bytes());
        BASE64URL_NOPAD.encode(&hashed)
    }

    /// What makes a public key, in lexicographic order, as RFC 7638 section 3 has it hashed. No text
    /// here needs an escape.
    fn members(&self) -> Vec<(&'static str, String)> {
        let text = str::to_owned;
        match self {
            Self::Ecdsa(pair, curve) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(point.len() / 2);
                vec![
                    ("crv", text(curve.crv)),
                    ("kty", text("EC")),
                    ("x", BASE64URL_NOPAD.encode(x)),
                    ("y", BASE64URL_NOPAD.encode(y)),
                ]
            }
            Self::Ed25519(pair) => vec![
                ("crv", text("Ed25519")),
                ("kty", text("OKP")),
                ("x", BASE64URL_NOPAD.encode(pair.public_key().as_ref())),
            ],
            Self::Rsa(pair, _) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                vec![("e", e), ("kty", text("RSA")), ("n", n)]
            }
            // It has no public half.
            Self::Hmac(_) => vec![("kty", text("oct"))],
        }
    }
}

fn octets(text: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| SignerError::Unreadable)
}

/// `RSAPrivateKey` of RFC 8017 appendix A.1.2.
fn pkcs1(jwk: &Jwk) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    let mut numbers = Zeroizing::new(ber::write(INTEGER, &[0]));
    for member in [
        &jwk.n, &jwk.e, &jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi,
    ] {
        let number = octets(member)?;
        let sign: &[u8] = if number.first().is_none_or(|first| *first >= 0x80) {
            &[0]
        } else {
            &[]
        };
        let content = Zeroizing::new([sign, number.as_slice()].concat());
        numbers.extend_from_slice(&ber::write(INTEGER, &content));
    }
    Ok(Zeroizing::new(ber::write(SEQUENCE, &numbers)))
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1), base64url without sign octets.
pub(super) fn rsa_numbers(der: &[u8]) -> (String, String) {
    let numbers: Vec<Cow<'_, [u8]>> = ber::read(der)
        .into_iter()
        .flat_map(|(key, _)| ber::elements(key.content).flatten().collect::<Vec<_>>())
        .map(|number| match number.content {
            [0, rest @ ..] => Cow::Borrowed(rest),
            all => Cow::Borrowed(all),
        })
        .collect();
    let number = |at: usize| BASE64URL_NOPAD.encode(numbers.get(at).map_or(&[], |n| n));
    (number(0), number(1))
}
