//! Private keys under a password: PKCS#8 `EncryptedPrivateKeyInfo` (RFC 5958 section 3).

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use zeroize::Zeroizing;

use super::ber;
use crate::finding::Code;
use crate::secret::Secret;

/// Of whatever a password does not open: a key, a store, a provisioner's key.
pub const PASSWORD_WRONG: Code = Code::new("password-wrong");

/// More rounds than this are an attack on the reader's time, not a protection.
pub const MOST_ITERATIONS: u32 = 10_000_000;
/// scrypt takes 128 × N × r octets (RFC 7914 section 2).
const MOST_SCRYPT_MEMORY: u64 = 1 << 30;
const MOST_SCRYPT_PARALLELISM: u16 = 16;

/// Decrypts a DER `EncryptedPrivateKeyInfo`; gives unencrypted PKCS#8.
///
/// # Errors
/// When the password does not fit, the encryption is not PBES2 (AES or 3DES; PBKDF2 or scrypt), or
/// its cost is beyond reason. Carries nothing of key or password.
pub fn open(der: &[u8], password: &Secret) -> Result<Zeroizing<Vec<u8>>, EncryptedKeyError> {
    if !is_encrypted_key(der) {
        return Err(EncryptedKeyError::Malformed);
    }
    let key =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| EncryptedKeyError::Algorithm)?;
    let EncryptionScheme::Pbes2(parameters) = &key.encryption_algorithm else {
        return Err(EncryptedKeyError::Algorithm);
    };
    if !is_affordable(&parameters.kdf) {
        return Err(EncryptedKeyError::TooCostly);
    }
    key.decrypt(password.expose())
        .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
                | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. },
            ) => EncryptedKeyError::Algorithm,
            // A wrong password shows in the padding or in what comes out.
            _ => EncryptedKeyError::WrongPassword,
        })
}

/// Whether these bytes begin like an `EncryptedPrivateKeyInfo`: an algorithm, then octets.
pub fn is_encrypted_key(bytes: &[u8]) -> bool {
    let Ok((key, _)) = ber::read(bytes) else {
        return false;
    };
    let tags: Vec<u8> = ber::elements(key.content)
        .map_while(Result::ok)
        .map(|field| field.tag)
        .collect();
    key.tag == ber::SEQUENCE && tags == [ber::SEQUENCE, ber::OCTET_STRING]
}

fn is_affordable(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MOST_ITERATIONS,
        Kdf::Scrypt(scrypt) => {
            scrypt.parallelization <= MOST_SCRYPT_PARALLELISM
                && 128_u64
                    .checked_mul(scrypt.cost_parameter)
                    .and_then(|octets| octets.checked_mul(u64::from(scrypt.block_size)))
                    .is_some_and(|octets| octets <= MOST_SCRYPT_MEMORY)
        }
        _ => false,
    }
}

/// An encrypted key that could not be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncryptedKeyError {
    #[error("it is not an encrypted PKCS#8 key")]
    Malformed,
    #[error(
        "it is encrypted with an algorithm that certbake does not support (supported: PBES2 with AES or 3DES)"
    )]
    Algorithm,
    #[error(
        "its key derivation asks for more than ten million rounds, a gigabyte of memory, or sixteen threads"
    )]
    TooCostly,
    #[error("the password does not open it")]
    WrongPassword,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;
    use crate::pki::key::{KeyAlgorithm, PrivateKey};
    use crate::pki::pem::{self, Block};

    /// Has OpenSSL encrypt a key, so that what is read is what others write.
    fn encrypted(key: &PrivateKey, options: &[&str]) -> Vec<u8> {
        let mut child = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-passout", "env:KEY_PASSWORD"])
            .args(options)
            .env("KEY_PASSWORD", "correct horse")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let plain = pem::encode("PRIVATE KEY", key.expose_pkcs8());
        child
            .stdin
            .take()
            .unwrap()
            .write_all(plain.as_bytes())
            .unwrap();
        let text = child.wait_with_output().unwrap().stdout;
        match &pem::decode(&text).unwrap()[..] {
            [Block::EncryptedPrivateKey(der)] => der.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn password(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn every_encryption_that_openssl_writes_by_pbes2_is_opened() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        for options in [
            &[][..],
            &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
            &[
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA512",
                "-iter",
                "10000",
            ],
            &["-v2", "des3"],
            &["-scrypt"],
        ] {
            let der = encrypted(&key, options);
            let opened = open(&der, &password("correct horse")).unwrap();
            assert_eq!(
                PrivateKey::from_der(&opened).unwrap().spki(),
                key.spki(),
                "{options:?}"
            );
            let wrong = open(&der, &password("correct house")).unwrap_err();
            assert_eq!(wrong, EncryptedKeyError::WrongPassword, "{options:?}");
        }
    }

    #[test]
    fn an_older_encryption_is_named_as_unknown_and_not_as_a_wrong_password() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        for options in [&["-v1", "PBE-SHA1-3DES"][..], &["-v2", "camellia-256-cbc"]] {
            let der = encrypted(&key, options);
            let error = open(&der, &password("correct horse")).unwrap_err();
            assert_eq!(error, EncryptedKeyError::Algorithm, "{options:?}");
        }
    }

    #[test]
    fn a_key_derivation_beyond_reason_is_refused_before_it_begins() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let mut der = encrypted(&key, &["-iter", "2048"]);
        let salt = der.windows(2).position(|two| two == [4, 8]).unwrap();
        // The number of rounds grows by two octets, so the salt before it gives up two.
        assert_eq!(der[salt + 10..salt + 14], [2, 2, 8, 0]);
        der[salt + 1] = 6;
        der.splice(salt + 8..salt + 14, [2, 4, 0, 0xff, 0xff, 0xff]);
        assert_eq!(
            open(&der, &password("x")).unwrap_err(),
            EncryptedKeyError::TooCostly
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&bytes, &password("x")).is_err());
        }
    }
}
