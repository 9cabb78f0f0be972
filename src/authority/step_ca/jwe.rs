//! JSON Web Encryption (RFC 7516) under a password, as `step` locks the keys of provisioners:
//! PBES2 (RFC 7518 section 4.8), AES key wrap, then AES-GCM or AES-CBC with HMAC.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap};
use aws_lc_rs::{hmac, pbkdf2};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::pki::encrypted::MOST_ITERATIONS;
use crate::secret::Secret;

/// The five parts (RFC 7516 section 3), decoded, and the header as it was protected.
struct Parts {
    protected: String,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

/// RFC 7516 section 7.2.2, flattened.
#[derive(Deserialize)]
struct Flattened {
    protected: String,
    encrypted_key: String,
    iv: String,
    ciphertext: String,
    tag: String,
}

/// RFC 7518 section 4.8.1.
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    p2s: Option<String>,
    p2c: Option<u32>,
}

/// Decrypts the compact or the flattened JSON form.
///
/// # Errors
/// When the password does not fit, or the form, the algorithms or the cost are not what `step` writes.
/// Carries nothing of plaintext or password.
pub fn open(text: &str, password: &Secret) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let parts = Parts::read(text.trim()).ok_or(JweError::Malformed)?;
    let header = base64(&parts.protected).ok_or(JweError::Malformed)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| JweError::Malformed)?;
    let key = content_key(&header, &parts.encrypted_key, password)?;
    match header.enc.as_str() {
        "A128GCM" => gcm(&aead::AES_128_GCM, &key, &parts),
        "A256GCM" => gcm(&aead::AES_256_GCM, &key, &parts),
        "A128CBC-HS256" => cbc(&key, &parts),
        other => Err(JweError::Algorithm(other.to_owned())),
    }
}

/// Whether this looks like something that [`open`] takes.
pub fn is_encrypted(text: &str) -> bool {
    Parts::read(text.trim()).is_some()
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let pieces: Vec<String> = if text.starts_with('{') {
            let json: Flattened = serde_json::from_str(text).ok()?;
            vec![
                json.protected,
                json.encrypted_key,
                json.iv,
                json.ciphertext,
                json.tag,
            ]
        } else {
            text.split('.').map(str::to_owned).collect()
        };
        let [protected, encrypted_key, iv, ciphertext, tag] =
            <[String; 5]>::try_from(pieces).ok()?;
        Some(Self {
            encrypted_key: base64(&encrypted_key)?,
            iv: base64(&iv)?,
            ciphertext: base64(&ciphertext)?,
            tag: base64(&tag)?,
            protected,
        })
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// RFC 7518 section 4.8: a key is derived from the password, and unwraps the content's key.
fn content_key(
    header: &Header,
    wrapped: &[u8],
    password: &Secret,
) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let (prf, kek, octets) = match header.alg.as_str() {
        "PBES2-HS256+A128KW" => (pbkdf2::PBKDF2_HMAC_SHA256, &key_wrap::AES_128, 16),
        "PBES2-HS512+A256KW" => (pbkdf2::PBKDF2_HMAC_SHA512, &key_wrap::AES_256, 32),
        other => return Err(JweError::Algorithm(other.to_owned())),
    };
    let (Some(salt), Some(iterations)) = (header.p2s.as_deref().and_then(base64), header.p2c)
    else {
        return Err(JweError::Malformed);
    };
    let iterations = NonZeroU32::new(iterations).ok_or(JweError::Malformed)?;
    if iterations.get() > MOST_ITERATIONS {
        return Err(JweError::TooCostly);
    }
    let salt = [header.alg.as_bytes(), &[0], &salt].concat();
    let mut derived = Zeroizing::new(vec![0; octets]);
    pbkdf2::derive(prf, iterations, &salt, password.expose(), &mut derived);
    let kek = AesKek::new(kek, &derived).map_err(|_| JweError::Malformed)?;
    let mut key = Zeroizing::new(vec![0; wrapped.len().saturating_sub(8)]);
    // RFC 3394 checks itself: what another password derives unwraps to nothing.
    kek.unwrap(wrapped, &mut key)
        .map_err(|_| JweError::WrongPassword)?;
    Ok(key)
}

/// RFC 7518 section 5.3. The protected header, as it was encoded, is the additional data.
fn gcm(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    parts: &Parts,
) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let key = UnboundKey::new(algorithm, key).map_err(|_| JweError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(&parts.iv).map_err(|_| JweError::Malformed)?;
    let mut plain = Zeroizing::new(vec![0; parts.ciphertext.len()]);
    LessSafeKey::new(key)
        .open_separate_gather(
            nonce,
            Aad::from(parts.protected.as_bytes()),
            &parts.ciphertext,
            &parts.tag,
            &mut plain,
        )
        .map_err(|_| JweError::Altered)?;
    Ok(plain)
}

/// RFC 7518 section 5.2.3: first half for HMAC-SHA-256, cut to 16 octets, second half for AES-128-CBC.
fn cbc(key: &[u8], parts: &Parts) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let (mac_key, cipher_key) = key.split_at_checked(16).ok_or(JweError::Malformed)?;
    let bits = 8 * parts.protected.len() as u64;
    let authenticated = [
        parts.protected.as_bytes(),
        &parts.iv,
        &parts.ciphertext,
        &bits.to_be_bytes(),
    ]
    .concat();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac_key), &authenticated);
    aws_lc_rs::constant_time::verify_slices_are_equal(&mac.as_ref()[..16], &parts.tag)
        .map_err(|_| JweError::Altered)?;
    let malformed = |_| JweError::Malformed;
    let key = UnboundCipherKey::new(&cipher::AES_128, cipher_key).map_err(malformed)?;
    let iv: [u8; 16] = parts.iv[..].try_into().map_err(|_| JweError::Malformed)?;
    let mut plain = Zeroizing::new(parts.ciphertext.clone());
    let length = PaddedBlockDecryptingKey::cbc_pkcs7(key)
        .and_then(|key| key.decrypt(&mut plain, DecryptionContext::Iv128(FixedLength::from(iv))))
        .map_err(|_| JweError::Altered)?
        .len();
    plain.truncate(length);
    Ok(plain)
}

/// A locked key that could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JweError {
    #[error("it is not a password-encrypted JWE")]
    Malformed,
    #[error(
        "it is encrypted with {0}, which certbake does not support (supported: PBES2 with A128GCM, A256GCM and A128CBC-HS256)"
    )]
    Algorithm(String),
    #[error("its key derivation asks for more than ten million rounds")]
    TooCostly,
    #[error("the password does not open it")]
    WrongPassword,
    #[error("the password opens it, but it has been altered")]
    Altered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::jws::Signer;

    /// RFC 7517 appendix C: a key under a passphrase, with its own test vector.
    const APPENDIX_C: &str = include_str!("../../../tests/vectors/jose/rfc7517-appendix-c.jwe");
    const PASSPHRASE: &str = "Thus from my lips, by yours, my sin is purged.";

    fn password(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn the_example_of_the_standard_is_opened() {
        let key = open(APPENDIX_C, &password(PASSPHRASE)).unwrap();
        let key: serde_json::Value = serde_json::from_slice(&key).unwrap();
        assert_eq!(key["kid"], "juliet@capulet.lit");
        assert_eq!(key["kty"], "RSA");
    }

    /// RFC 7638 section 3.1 has the modulus of this key.
    #[test]
    fn the_key_of_the_example_signs() {
        let key = open(APPENDIX_C, &password(PASSPHRASE)).unwrap();
        let signer = Signer::from_jwk(&key).unwrap();
        let token = signer.token(&[], &serde_json::json!({})).unwrap();
        let signature = token.expose_str().unwrap().rsplit('.').next().unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        assert_eq!((signer.alg(), signature.len()), ("RS256", 256));
        let public = signer.jwk();
        let n = "t6Q8PWSi1dkJj9hTP8hNYFlvadM7DflW9mWepOJhJ66w7nyoK1gPNqFMSQRyO125";
        assert!(public["n"].as_str().unwrap().starts_with(n), "{public}");
        assert_eq!(public["e"], "AQAB");
    }

    #[test]
    fn another_password_and_an_altered_text_are_told_apart() {
        let wrong = open(APPENDIX_C, &password("Thus from my lips")).unwrap_err();
        assert_eq!(wrong, JweError::WrongPassword);
        let altered = APPENDIX_C.replacen(".AwhB8", ".BwhB8", 1);
        assert_eq!(
            open(&altered, &password(PASSPHRASE)).unwrap_err(),
            JweError::Altered
        );
    }

    #[test]
    fn the_flattened_form_is_the_same() {
        let parts: Vec<&str> = APPENDIX_C.trim().split('.').collect();
        let json = serde_json::json!({
            "protected": parts[0], "encrypted_key": parts[1], "iv": parts[2],
            "ciphertext": parts[3], "tag": parts[4],
        });
        assert!(open(&json.to_string(), &password(PASSPHRASE)).is_ok());
    }

    /// RFC 7518 appendix B.1.
    #[test]
    fn the_example_of_aes_cbc_with_hmac_is_opened() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let plain = "A cipher system must not be required to be secret, and it must be able to fall \
                     into the hands of the enemy without inconvenience";
        let parts = Parts {
            protected: "The second principle of Auguste Kerckhoffs".to_owned(),
            encrypted_key: Vec::new(),
            iv: hex("1af38c2dc2b96ffdd86694092341bc04"),
            ciphertext: hex(concat!(
                "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9",
                "a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c7032336",
                "09d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b",
                "384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade5",
                "4b8851ffb598f7f80074b9473c82e2db",
            )),
            tag: hex("652c3fa36b0a7c5b3219fab3a30bc1c4"),
        };
        assert_eq!(cbc(&key, &parts).unwrap().as_slice(), plain.as_bytes());
    }

    #[test]
    fn what_is_no_jwe_or_too_costly_is_refused() {
        for text in ["", "a.b.c", "{}", "....", "e30.e30.e30.e30.e30"] {
            let error = open(text, &password("x")).unwrap_err();
            assert_eq!(error, JweError::Malformed, "{text}");
        }
        let header = BASE64URL_NOPAD.encode(
            br#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"AAAA","p2c":4000000000}"#,
        );
        let error = open(&format!("{header}.AA.AA.AA.AA"), &password("x")).unwrap_err();
        assert_eq!(error, JweError::TooCostly);
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"dir","enc":"A256GCM"}"#);
        let error = open(&format!("{header}.AA.AA.AA.AA"), &password("x")).unwrap_err();
        assert_eq!(error, JweError::Algorithm("dir".to_owned()));
    }
}
