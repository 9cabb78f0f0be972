//! Private keys: made here, wiped when dropped, never received from an authority.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The kinds of key that can be asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum KeyAlgorithm {
    #[default]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl KeyAlgorithm {
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::EcdsaP256, "ecdsa-p256"),
        (Self::EcdsaP384, "ecdsa-p384"),
        (Self::Ed25519, "ed25519"),
        (Self::Rsa2048, "rsa-2048"),
        (Self::Rsa3072, "rsa-3072"),
        (Self::Rsa4096, "rsa-4096"),
    ];
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL
            .iter()
            .find(|(algorithm, _)| algorithm == self)
            .map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownKeyAlgorithm> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(algorithm, _)| *algorithm)
            .ok_or_else(|| UnknownKeyAlgorithm {
                text: text.to_owned(),
            })
    }
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "\"{text}\" is not a key algorithm: {}",
    KeyAlgorithm::ALL.map(|(_, name)| name).join(", ")
)]
pub struct UnknownKeyAlgorithm {
    pub text: String,
}

/// A private key as PKCS#8 (RFC 5958), beside its public key.
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    /// DER `SubjectPublicKeyInfo`.
    spki: Vec<u8>,
    signer: Signer,
}

enum Signer {
    Ecdsa(EcdsaKeyPair, &'static rcgen::SignatureAlgorithm),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// An ECDSA curve with the digest of its size.
type Curve = (
    &'static EcdsaSigningAlgorithm,
    &'static rcgen::SignatureAlgorithm,
);

const P256: Curve = (
    &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
    &rcgen::PKCS_ECDSA_P256_SHA256,
);
const P384: Curve = (
    &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
    &rcgen::PKCS_ECDSA_P384_SHA384,
);
/// Read, but not made.
const P521: Curve = (
    &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    &rcgen::PKCS_ECDSA_P521_SHA512,
);

impl PrivateKey {
    /// A fresh key from the system's random source.
    ///
    /// # Errors
    /// Only when the system's random number generator failed.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let fail = |_| KeyError::Generation;
        match algorithm {
            KeyAlgorithm::EcdsaP256 => Self::generate_ecdsa(P256),
            KeyAlgorithm::EcdsaP384 => Self::generate_ecdsa(P384),
            KeyAlgorithm::Ed25519 => Self::from_ed25519(Ed25519KeyPair::generate().map_err(fail)?),
            KeyAlgorithm::Rsa2048 => Self::generate_rsa(KeySize::Rsa2048),
            KeyAlgorithm::Rsa3072 => Self::generate_rsa(KeySize::Rsa3072),
            KeyAlgorithm::Rsa4096 => Self::generate_rsa(KeySize::Rsa4096),
        }
    }

    fn generate_ecdsa((algorithm, name): Curve) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| KeyError::Generation)?;
        Self::from_ecdsa(pair, name)
    }

    fn generate_rsa(size: KeySize) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Generation)?;
        Self::from_rsa(pair)
    }

    /// A key that was written earlier as unencrypted PKCS#8.
    ///
    /// # Errors
    /// When it is not PKCS#8, or of a kind that certbake does not support.
    pub fn from_pkcs8(der: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        Self::from_der(&der)
    }

    /// A key in any of the three usual forms: PKCS#8, SEC 1 (RFC 5915) or PKCS#1 (RFC 8017).
    ///
    /// # Errors
    /// When it is none of them, or of a kind that certbake does not support.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        for (algorithm, name) in [P256, P384, P521] {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
                return Self::from_ecdsa(pair, name);
            }
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::from_ed25519(pair);
        }
        RsaKeyPair::from_pkcs8(der)
            .or_else(|_| RsaKeyPair::from_der(der))
            .map_err(|_| KeyError::Unreadable)
            .and_then(Self::from_rsa)
    }

    fn from_ecdsa(
        pair: EcdsaKeyPair,
        name: &'static rcgen::SignatureAlgorithm,
    ) -> Result<Self, KeyError> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()),
            spki: spki(pair.public_key())?,
            signer: Signer::Ecdsa(pair, name),
        })
    }

    /// Version 1 whatever it was read from: OpenSSL before 3.2, and what stands on it, cannot read
    /// version 2, which has the public key too.
    fn from_ed25519(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()),
            spki: spki(pair.public_key())?,
            signer: Signer::Ed25519(pair),
        })
    }

    fn from_rsa(pair: RsaKeyPair) -> Result<Self, KeyError> {
        let pkcs8 = AsDer::<Pkcs8V1Der>::as_der(&pair).map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()),
            spki: spki(pair.public_key())?,
            signer: Signer::Rsa(pair),
        })
    }

    /// The DER `SubjectPublicKeyInfo`, as it stands in a certificate for this key.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Unencrypted PKCS#8 DER. Call it where the key is written or used, never to keep a copy.
    pub fn expose_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

fn spki<'a>(public: &impl AsDer<PublicKeyX509Der<'a>>) -> Result<Vec<u8>, KeyError> {
    let spki = public.as_der().map_err(|_| KeyError::Unreadable)?;
    Ok(spki.as_ref().to_vec())
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

impl rcgen::PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.signer {
            Signer::Ecdsa(pair, _) => pair.public_key().as_ref(),
            Signer::Ed25519(pair) => pair.public_key().as_ref(),
            Signer::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match &self.signer {
            Signer::Ecdsa(_, name) => name,
            Signer::Ed25519(_) => &rcgen::PKCS_ED25519,
            Signer::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Ecdsa(pair, _) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| rcgen::Error::RingUnspecified),
            Signer::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Signer::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out)
                    .map_err(|_| rcgen::Error::RingUnspecified)?;
                Ok(out)
            }
        }
    }
}

/// A key that could not be made or read. Carries nothing of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    #[error("making a private key: the system's random number generator failed")]
    Generation,
    #[error(
        "the private key is not PKCS#8, SEC 1 or PKCS#1, or not ECDSA P-256/P-384/P-521, Ed25519 or RSA of 2048 bits and more"
    )]
    Unreadable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_has_one_name() {
        for (algorithm, name) in KeyAlgorithm::ALL {
            assert_eq!(serde_json::to_value(algorithm).unwrap(), name);
            assert_eq!(name.parse(), Ok(algorithm));
        }
        let error = "dsa".parse::<KeyAlgorithm>().unwrap_err().to_string();
        assert!(
            error.ends_with("ed25519, rsa-2048, rsa-3072, rsa-4096"),
            "{error}"
        );
    }

    #[test]
    fn every_algorithm_makes_a_key_that_reads_back_as_itself() {
        for (algorithm, name) in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let again = PrivateKey::from_der(key.expose_pkcs8()).unwrap();
            assert_eq!(key.spki(), again.spki(), "{name}");
            assert_eq!(name.parse::<KeyAlgorithm>().unwrap(), algorithm);
        }
    }

    #[test]
    fn an_ed25519_key_with_its_public_key_is_read_and_written_without_it() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let second = pair.to_pkcs8().unwrap();
        let first = pair.to_pkcs8v1().unwrap();
        for der in [second.as_ref(), first.as_ref()] {
            let key = PrivateKey::from_der(der).unwrap();
            assert_eq!(key.expose_pkcs8(), first.as_ref());
        }
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(***)");
    }
}
