//! JSON Web Signatures (RFC 7515) and the keys that make them: a provisioner's JWK (RFC 7517), or a
//! key in PEM.

use std::borrow::Cow;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
    RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::pki::ber::{self, INTEGER, SEQUENCE};
use crate::pki::{PrivateKey, digest};
use crate::secret::Secret;

/// A private key that signs by the algorithm of RFC 7518 section 3.1 or RFC 8037 that goes with it.
pub enum Signer {
    Ecdsa(EcdsaKeyPair, &'static Curve),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static Rsa),
}

/// RFC 7518 section 3.4.
pub struct Curve {
    crv: &'static str,
    alg: &'static str,
    algorithm: &'static EcdsaSigningAlgorithm,
}

/// RFC 7518 sections 3.3 and 3.5.
pub struct Rsa {
    alg: &'static str,
    padding: &'static dyn RsaEncoding,
}

static CURVES: &[Curve] = &[
    Curve {
        crv: "P-256",
        alg: "ES256",
        algorithm: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        crv: "P-384",
        alg: "ES384",
        algorithm: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        crv: "P-521",
        alg: "ES512",
        algorithm: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

static RSA: &[Rsa] = &[
    Rsa {
        alg: "RS256",
        padding: &signature::RSA_PKCS1_SHA256,
    },
    Rsa {
        alg: "RS384",
        padding: &signature::RSA_PKCS1_SHA384,
    },
    Rsa {
        alg: "RS512",
        padding: &signature::RSA_PKCS1_SHA512,
    },
    Rsa {
        alg: "PS256",
        padding: &signature::RSA_PSS_SHA256,
    },
    Rsa {
        alg: "PS384",
        padding: &signature::RSA_PSS_SHA384,
    },
    Rsa {
        alg: "PS512",
        padding: &signature::RSA_PSS_SHA512,
    },
];

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

    /// # Errors
    /// When it is of a kind that certbake does not sign with.
    pub fn from_private_key(key: &PrivateKey) -> Result<Self, SignerError> {
        let pkcs8 = key.expose_pkcs8();
        for curve in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve.algorithm, pkcs8) {
                return Ok(Self::Ecdsa(pair, curve));
            }
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            return Ok(Self::Ed25519(pair));
        }
        RsaKeyPair::from_pkcs8(pkcs8)
            .map(|pair| Self::Rsa(pair, &RSA[0]))
            .map_err(|_| SignerError::Kind)
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Self::Ecdsa(_, curve) => curve.alg,
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_, rsa) => rsa.alg,
        }
    }

    /// RFC 7638: what `step` names keys by.
    pub fn thumbprint(&self) -> String {
        // Members in lexicographic order, as section 3 of the RFC has them hashed.
        let members = match self {
            Self::Ecdsa(pair, curve) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(point.len() / 2);
                let (crv, x, y) = (
                    curve.crv,
                    BASE64URL_NOPAD.encode(x),
                    BASE64URL_NOPAD.encode(y),
                );
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519(pair) => {
                let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
            }
            Self::Rsa(pair, _) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
        };
        BASE64URL_NOPAD.encode(&digest::sha256(members.as_bytes()))
    }

    /// RFC 7515 section 7.1: `claims` under a header that has `alg`, `typ` and `more`.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn sign(&self, more: &[(&str, Value)], claims: &Value) -> Result<Secret, SignerError> {
        let mut header = json!({ "alg": self.alg(), "typ": "JWT" });
        for (name, value) in more {
            header[*name] = value.clone();
        }
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(Secret::from(token))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let random = SystemRandom::new();
        let fail = |_| SignerError::Signing;
        match self {
            Self::Ecdsa(pair, _) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(fail),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair, rsa) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(rsa.padding, &random, message, &mut out)
                    .map_err(fail)?;
                Ok(out)
            }
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
fn rsa_numbers(der: &[u8]) -> (String, String) {
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

/// A key that cannot sign. Carries nothing of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignerError {
    #[error("it is not a private key as JWK or PEM")]
    Unreadable,
    #[error("it is a public key: the private one is needed")]
    Public,
    #[error("it is not ECDSA P-256/P-384/P-521, Ed25519 or RSA")]
    Kind,
    #[error("the system's random source gave nothing")]
    Signing,
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::UnparsedPublicKey;

    use super::*;
    use crate::pki::KeyAlgorithm;

    /// RFC 7515 appendix A.3: an ES256 key and its coordinates.
    const ES256: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

    /// RFC 8037 appendix A.1, with its thumbprint from A.3.
    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn parts(token: &Secret) -> Vec<Vec<u8>> {
        let text = token.expose_str().unwrap();
        text.split('.')
            .map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap())
            .collect()
    }

    #[test]
    fn the_example_of_eddsa_is_signed_as_the_standard_has_it() {
        let signer = Signer::from_jwk(ED25519.as_bytes()).unwrap();
        // RFC 8037 appendix A.4: its header has no `typ`, so the signing input is given as it stands.
        let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(
            BASE64URL_NOPAD.encode(&signer.signature(input).unwrap()),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        assert_eq!(
            signer.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn an_ecdsa_signature_is_the_two_numbers_and_holds() {
        let signer = Signer::from_jwk(ES256.as_bytes()).unwrap();
        let kid = [("kid", json!("one"))];
        let token = signer.sign(&kid, &json!({ "sub": "app" })).unwrap();
        let text = token.expose_str().unwrap();
        let parts = parts(&token);
        let header: Value = serde_json::from_slice(&parts[0]).unwrap();
        assert_eq!(
            header,
            json!({ "alg": "ES256", "typ": "JWT", "kid": "one" })
        );
        assert_eq!(parts[1], br#"{"sub":"app"}"#);
        let Signer::Ecdsa(pair, _) = &signer else {
            panic!()
        };
        let signed = text.rsplit_once('.').unwrap().0;
        UnparsedPublicKey::new(
            &signature::ECDSA_P256_SHA256_FIXED,
            pair.public_key().as_ref(),
        )
        .verify(signed.as_bytes(), &parts[2])
        .unwrap();
    }

    /// RFC 7638 section 3.1 has the thumbprint of this modulus, RFC 7517 appendix C the private key.
    #[test]
    fn an_rsa_key_becomes_one_that_signs() {
        let vector = include_str!("../../../tests/vectors/jose/rfc7517-appendix-c.jwe");
        let passphrase = "Thus from my lips, by yours, my sin is purged.".to_owned();
        let jwk = super::super::jwe::open(vector, &Secret::from(passphrase)).unwrap();
        let signer = Signer::from_jwk(&jwk).unwrap();
        assert_eq!(signer.alg(), "RS256");
        let token = signer.sign(&[], &json!({})).unwrap();
        assert_eq!(parts(&token)[2].len(), 256);
        let Signer::Rsa(pair, _) = &signer else {
            panic!()
        };
        let (n, e) = rsa_numbers(pair.public_key().as_ref());
        assert!(n.starts_with("t6Q8PWSi1dkJj9hTP8hNYFlvadM7DflW9mWepOJhJ66w7nyoK1gPNqFMSQRyO125"));
        assert_eq!(e, "AQAB");
    }

    #[test]
    fn every_kind_of_key_that_is_made_here_signs_and_keeps_its_thumbprint() {
        for (algorithm, name) in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let signer = Signer::from_private_key(&key).unwrap();
            assert!(signer.sign(&[], &json!({})).is_ok(), "{name}");
            assert_eq!(signer.thumbprint().len(), 43, "{name}");
        }
    }

    #[test]
    fn what_cannot_sign_is_told_apart() {
        for (json, expected) in [
            ("", SignerError::Unreadable),
            (r#"{"kty":"EC","crv":"P-256"}"#, SignerError::Public),
            (r#"{"kty":"oct","d":"AAAA"}"#, SignerError::Kind),
            (
                r#"{"kty":"EC","crv":"P-192","d":"AAAA"}"#,
                SignerError::Kind,
            ),
            (r#"{"kty":"RSA","d":"AAAA"}"#, SignerError::Unreadable),
        ] {
            let error = Signer::from_jwk(json.as_bytes()).err();
            assert_eq!(error, Some(expected), "{json}");
        }
    }
}
