//! JSON Web Signatures (RFC 7515), for every protocol that wants them: a key, the algorithm of RFC
//! 7518 or RFC 8037 that goes with it, and both of the forms that are sent.

mod jwk;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::pki::PrivateKey;
use crate::secret::Secret;

/// A key that signs by the algorithm of RFC 7518 section 3.1 or RFC 8037 that goes with it.
pub enum Signer {
    Ecdsa(EcdsaKeyPair, &'static Curve),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static Rsa),
    /// A key that both sides know: HS256 (RFC 7518 section 3.2).
    Hmac(Box<hmac::Key>),
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

#[rustfmt::skip]
static CURVES: &[Curve] = &[
    Curve { crv: "P-256", alg: "ES256", algorithm: &signature::ECDSA_P256_SHA256_FIXED_SIGNING },
    Curve { crv: "P-384", alg: "ES384", algorithm: &signature::ECDSA_P384_SHA384_FIXED_SIGNING },
    Curve { crv: "P-521", alg: "ES512", algorithm: &signature::ECDSA_P521_SHA512_FIXED_SIGNING },
];

/// The first is what a key that names none is used with.
#[rustfmt::skip]
static RSA: &[Rsa] = &[
    Rsa { alg: "RS256", padding: &signature::RSA_PKCS1_SHA256 },
    Rsa { alg: "RS384", padding: &signature::RSA_PKCS1_SHA384 },
    Rsa { alg: "RS512", padding: &signature::RSA_PKCS1_SHA512 },
    Rsa { alg: "PS256", padding: &signature::RSA_PSS_SHA256 },
    Rsa { alg: "PS384", padding: &signature::RSA_PSS_SHA384 },
    Rsa { alg: "PS512", padding: &signature::RSA_PSS_SHA512 },
];

impl Signer {
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
        Self::from_rsa(pkcs8)
    }

    /// An RSA key, PKCS#8 or PKCS#1, for RS256.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_rsa(der: &[u8]) -> Result<Self, SignerError> {
        RsaKeyPair::from_pkcs8(der)
            .or_else(|_| RsaKeyPair::from_der(der))
            .map(|pair| Self::Rsa(pair, &RSA[0]))
            .map_err(|_| SignerError::Kind)
    }

    pub fn from_hmac(key: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    pub const fn alg(&self) -> &'static str {
        match self {
            Self::Ecdsa(_, curve) => curve.alg,
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_, rsa) => rsa.alg,
            Self::Hmac(_) => "HS256",
        }
    }

    /// RFC 7515 section 7.1, as RFC 7519 has it: `claims` under a header that has `alg`, `typ` and
    /// `more`.
    ///
    /// # Errors
    /// When the system's random number generator failed.
    pub fn token(&self, more: &[(&str, Value)], claims: &Value) -> Result<Secret, SignerError> {
        let mut header = json!({ "alg": self.alg(), "typ": "JWT" });
        for (name, value) in more {
            header[*name] = value.clone();
        }
        let [protected, payload, signature] = self.parts(&header, claims)?;
        Ok(Secret::from(format!("{protected}.{payload}.{signature}")))
    }

    /// RFC 7515 section 7.2.2: `payload` under a header that has `alg` and `more`, as one object.
    ///
    /// # Errors
    /// When the system's random number generator failed.
    pub fn flattened(&self, more: &[(&str, Value)], payload: &Value) -> Result<Value, SignerError> {
        let mut header = json!({ "alg": self.alg() });
        for (name, value) in more {
            header[*name] = value.clone();
        }
        let [protected, payload, signature] = self.parts(&header, payload)?;
        Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
    }

    fn parts(&self, header: &Value, payload: &Value) -> Result<[String; 3], SignerError> {
        let [protected, payload] =
            [header, payload].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let signature = self.signature(format!("{protected}.{payload}").as_bytes())?;
        let signature = BASE64URL_NOPAD.encode(&signature);
        Ok([protected, payload, signature])
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
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
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
    #[error("the system's random number generator failed")]
    Signing,
}

#[cfg(test)]
mod tests;
