//! PKCS#12 key stores (RFC 7292): a key, its chain and the anchors in one file under a password.
//!
//! The library behind this keeps a copy of the key of its own while it writes or reads, and frees
//! that copy without wiping it. Everything that passes through here is wiped.

use p12_keystore::error::Error as Reason;
use p12_keystore::{
    Certificate as StoredCertificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm,
    Pkcs12Archive, PrivateKey as StoredKey, PrivateKeyChain,
};
use zeroize::Zeroizing;

use super::ber;
use super::certificate::Certificate;
use super::chain::Chain;
use super::digest;
use super::key::PrivateKey;
use super::path::Anchors;
use crate::secret::Secret;

/// How a key store is encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// PBES2 with AES-256 and HMAC-SHA-256: OpenSSL 1.1 and later, Java 8u301 and later, Windows 10
    /// 1709 and later.
    #[default]
    Modern,
    /// 3DES and HMAC-SHA-1, for what is older. OpenSSL 3 still reads it without its legacy
    /// provider, because no RC2 is used.
    Legacy,
}

impl Encryption {
    fn algorithms(self) -> (EncryptionAlgorithm, MacAlgorithm) {
        match self {
            Self::Modern => (
                EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
                MacAlgorithm::HmacSha256,
            ),
            Self::Legacy => (
                EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
                MacAlgorithm::HmacSha1,
            ),
        }
    }

    /// Rounds of key derivation. A password is tried against the MAC as easily as against the
    /// encryption, so both take as many; a store is derived three times when it is opened.
    const fn iterations(self) -> u32 {
        match self {
            Self::Modern => 100_000,
            Self::Legacy => 10_000,
        }
    }
}

/// Writes a key store: the key with its chain under `alias`, each anchor as a trusted certificate
/// under its own name.
///
/// # Errors
/// An empty password is refused: such a file protects nothing, and Java opens none. The password
/// must be UTF-8 and, like the alias, of the Basic Multilingual Plane (no emoji), because PKCS#12
/// writes both in two octets a character. It has no control characters: OpenSSL takes the first line of a
/// file for the password. ASCII is read alike by everybody.
pub fn write(
    key: &PrivateKey,
    chain: &Chain,
    anchors: Option<&Anchors>,
    password: &Secret,
    alias: &str,
    encryption: Encryption,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let password = accepts(password, alias)?;
    let mut store = KeyStore::new();
    let certificates = chain
        .certificates()
        .map(stored)
        .collect::<Result<Vec<_>, _>>()?;
    let entry = PrivateKeyChain::new(
        &digest::sha256(chain.leaf.der())[..20],
        StoredKey::from_der(key.expose_pkcs8()).map_err(unwritable)?,
        certificates,
    );
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(entry));
    let mut taken = vec![alias.to_lowercase()];
    for anchor in anchors.map_or(&[][..], Anchors::certificates) {
        let alias = free_alias(&anchor.title(), &mut taken);
        store.add_entry(&alias, KeyStoreEntry::Certificate(stored(anchor)?));
    }

    let (cipher, mac) = encryption.algorithms();
    store
        .writer(password)
        .encryption_algorithm(cipher)
        .encryption_iterations(encryption.iterations())
        .mac_algorithm(mac)
        .mac_iterations(encryption.iterations())
        .write()
        .map(Zeroizing::new)
        .map_err(unwritable)
}

/// Whether a store can be written under this password and alias.
///
/// # Errors
/// As [`write()`], which makes the same check.
pub fn accepts<'a>(password: &'a Secret, alias: &str) -> Result<&'a str, Pkcs12Error> {
    if password.is_empty() {
        return Err(Pkcs12Error::EmptyPassword);
    }
    let password = text(password)?;
    if password.chars().any(char::is_control) {
        return Err(Pkcs12Error::ControlCharacter);
    }
    in_two_octets(alias).map_err(|()| Pkcs12Error::Alias)?;
    Ok(password)
}

fn stored(certificate: &Certificate) -> Result<StoredCertificate, Pkcs12Error> {
    StoredCertificate::from_der(certificate.der()).map_err(unwritable)
}

/// Java compares aliases without regard to case.
fn free_alias(title: &str, taken: &mut Vec<String>) -> String {
    let title: String = title.chars().filter(|c| u32::from(*c) <= 0xffff).collect();
    let alias = std::iter::once(title.clone())
        .chain((2..).map(|number| format!("{title} {number}")))
        .find(|alias| !taken.contains(&alias.to_lowercase()))
        .unwrap_or(title);
    taken.push(alias.to_lowercase());
    alias
}

/// What a key store holds, in its order.
#[derive(Debug, Default)]
pub struct Contents {
    pub keys: Vec<Key>,
    pub certificates: Vec<Entry>,
}

/// A private key in a key store.
pub struct Key {
    pub alias: Option<String>,
    /// Unencrypted PKCS#8.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// Whether the store has it encrypted, be it under an empty password.
    pub encrypted: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?}, ***)", self.alias)
    }
}

/// A certificate in a key store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub alias: Option<String>,
    /// DER.
    pub certificate: Vec<u8>,
    /// Java takes it for an anchor.
    pub trusted: bool,
}

/// Opens a key store. Files without a password are opened with an empty one.
///
/// # Errors
/// When the bytes are not PKCS#12 in DER, the password does not fit, or the encryption is not one
/// of PBES2 (AES, 3DES), PBE-SHA1-3DES and PBE-SHA1-RC2-40.
pub fn read(bytes: &[u8], password: &Secret) -> Result<Contents, Pkcs12Error> {
    if !is_key_store(bytes) {
        return Err(Pkcs12Error::NotAKeyStore);
    }
    // The indefinite lengths of BER, at the top as those who use them have it.
    if bytes[1] == 0x80 {
        return Err(Pkcs12Error::Ber);
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, text(password)?).map_err(unreadable)?;
    Ok(Contents {
        keys: archive
            .keys
            .into_iter()
            .map(|bag| {
                let pkcs8 = bag.key.as_der();
                Key {
                    alias: bag.friendly_name,
                    encrypted: !bytes.windows(pkcs8.len().max(1)).any(|part| part == pkcs8),
                    pkcs8: Zeroizing::new(pkcs8.to_vec()),
                }
            })
            .collect(),
        certificates: archive
            .certs
            .into_iter()
            .map(|bag| Entry {
                alias: bag.friendly_name,
                certificate: bag.cert.as_der().to_vec(),
                trusted: bag.trusted,
            })
            .collect(),
    })
}

/// Whether these bytes begin like a PFX (RFC 7292 section 4): version 3, then a CMS message.
pub fn is_key_store(bytes: &[u8]) -> bool {
    let Ok((pfx, _)) = ber::read(bytes) else {
        return false;
    };
    let mut fields = ber::elements(pfx.content);
    pfx.tag == ber::SEQUENCE
        && matches!(fields.next(), Some(Ok(version)) if version.encoded == [ber::INTEGER, 1, 3])
        && matches!(fields.next(), Some(Ok(safe)) if safe.content.first() == Some(&ber::OBJECT_IDENTIFIER))
}

fn text(password: &Secret) -> Result<&str, Pkcs12Error> {
    let text = password.expose_str().map_err(|_| Pkcs12Error::Password)?;
    in_two_octets(text).map_err(|()| Pkcs12Error::Password)?;
    Ok(text)
}

fn in_two_octets(text: &str) -> Result<(), ()> {
    if text.chars().all(|c| u32::from(c) <= 0xffff) {
        Ok(())
    } else {
        Err(())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(reason: Reason) -> Pkcs12Error {
    Pkcs12Error::Unwritable(reason.to_string())
}

/// The library's reasons, by what they mean to the reader of a file.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(reason: Reason) -> Pkcs12Error {
    match reason {
        // The MAC; without one, what came out of the decryption.
        Reason::MacError(_) | Reason::UnpadError | Reason::Pkcs5Error(_) => {
            Pkcs12Error::WrongPassword
        }
        Reason::UnsupportedEncryptionScheme | Reason::UnsupportedMacAlgorithm => {
            Pkcs12Error::Algorithm
        }
        Reason::InvalidParameters => Pkcs12Error::TooCostly,
        _ => Pkcs12Error::Malformed,
    }
}

/// A key store that could not be written or opened. Carries nothing of key or password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Pkcs12Error {
    #[error("the password is empty: a PKCS#12 file must have one")]
    EmptyPassword,
    #[error(
        "the password is not UTF-8 text, or has a character that PKCS#12 cannot hold, such as an emoji"
    )]
    Password,
    #[error(
        "the password has a line break or another control character: programs that read it from a file or a prompt take the first line alone, and cannot open the store"
    )]
    ControlCharacter,
    #[error("the alias has characters that PKCS#12 does not allow")]
    Alias,
    #[error("writing PKCS#12: {0}")]
    Unwritable(String),
    #[error("it is not a PKCS#12 key store")]
    NotAKeyStore,
    #[error("it is PKCS#12 with indefinite lengths (BER), which certbake does not open")]
    Ber,
    #[error("the password does not open it")]
    WrongPassword,
    #[error("it is encrypted or authenticated with an algorithm that certbake does not support")]
    Algorithm,
    #[error("its key derivation asks for more than a million rounds or a gigabyte")]
    TooCostly,
    #[error("its content is malformed")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::key::KeyAlgorithm;

    fn certificate(name: &str, key: &PrivateKey) -> Certificate {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        Certificate::from_der(params.self_signed(key).unwrap().der().to_vec()).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    /// Legacy, because it takes fewer rounds.
    fn store(password: &str, alias: &str) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let chain = Chain::above(certificate("app.internal", &key), Vec::new());
        let anchors = Anchors::new(vec![chain.leaf.clone(), certificate("app.internal", &key)]);
        write(
            &key,
            &chain,
            Some(&anchors),
            &secret(password),
            alias,
            Encryption::Legacy,
        )
    }

    #[test]
    fn anchors_of_the_same_name_all_stay_under_names_of_their_own() {
        let bytes = store("passw0rd", "DNS:app.internal").unwrap();
        let contents = read(&bytes, &secret("passw0rd")).unwrap();
        let trusted: Vec<_> = contents
            .certificates
            .iter()
            .filter(|entry| entry.trusted)
            .filter_map(|entry| entry.alias.as_deref())
            .collect();
        assert_eq!(trusted.len(), 2);
        assert_ne!(trusted[0].to_lowercase(), trusted[1].to_lowercase());
        assert_eq!(contents.keys[0].alias.as_deref(), Some("DNS:app.internal"));
    }

    #[test]
    fn what_pkcs12_cannot_hold_is_refused_before_anything_is_written() {
        assert_eq!(store("", "app").unwrap_err(), Pkcs12Error::EmptyPassword);
        assert_eq!(store("🔑", "app").unwrap_err(), Pkcs12Error::Password);
        for password in ["a\nb", "a\tb", "\n", "a\u{85}"] {
            let refused = store(password, "app").unwrap_err();
            assert_eq!(refused, Pkcs12Error::ControlCharacter, "{password:?}");
        }
        assert_eq!(store("passw0rd", "🔑").unwrap_err(), Pkcs12Error::Alias);
    }

    #[test]
    fn a_wrong_password_is_told_apart_from_a_broken_file() {
        let bytes = store("passw0rd", "app").unwrap();
        let wrong = read(&bytes, &secret("password")).unwrap_err();
        assert_eq!(wrong, Pkcs12Error::WrongPassword);
        let cut = read(&bytes[..50], &secret("passw0rd")).unwrap_err();
        assert_eq!(cut, Pkcs12Error::NotAKeyStore);
        let ber = [&[0x30, 0x80][..], &bytes[4..], &[0, 0]].concat();
        assert_eq!(
            read(&ber, &secret("passw0rd")).unwrap_err(),
            Pkcs12Error::Ber
        );
    }

    #[test]
    fn a_key_never_shows_itself() {
        let bytes = store("passw0rd", "app").unwrap();
        let contents = read(&bytes, &secret("passw0rd")).unwrap();
        assert_eq!(format!("{:?}", contents.keys), "[Key(Some(\"app\"), ***)]");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_store_is_opened_or_refused(at in 0_usize..2000, octet: u8) {
            let mut bytes = store("passw0rd", "app").unwrap().to_vec();
            let at = at % bytes.len();
            bytes[at] = octet;
            let _ = read(&bytes, &secret("passw0rd"));
        }
    }
}
