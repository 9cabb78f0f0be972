//! The account: a key in a file, and the URL that the CA knows it by. Made on first use, the key before
//! the account.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use instant_acme::{Error, Key};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::directory::Directory;
use super::post::{Author, UNREADABLE, post};
use super::problem::{EXTERNAL_ACCOUNT, EXTERNAL_HINT};
use super::session::Reached;
use super::settings::Checked;
use super::wire::{Speaker, Trouble, What, Wire, at_once};
use crate::authority::connection::read_secret;
use crate::authority::jws::Signer;
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::image::{self, Mode};
use crate::net::Repeat;
use crate::pki::{KeyAlgorithm, PrivateKey};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

pub const UNUSABLE: Code = Code::new("acme-account-unusable");
pub const TERMS: Code = Code::new("acme-terms-not-agreed");

/// How long another run may take to make the account.
const PATIENCE: Duration = Duration::from_secs(30);

/// The key and the URL that the CA gave it.
pub struct Account {
    pub id: String,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// The file: what instant-acme calls account credentials, without `id` until the CA has answered.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    key_pkcs8: String,
    directory: String,
}

/// What the file holds.
pub enum Kept {
    /// There is no file yet.
    Nothing,
    /// A key that the CA may or may not know: whoever wrote it has had no answer.
    Key(Zeroizing<Vec<u8>>),
    Account(Account),
}

impl Kept {
    /// # Errors
    /// [`AuthorityError::Settings`]: a file that is no account, of another CA, or open to others.
    pub fn read(path: &Path, directory: &Url) -> Result<Self, AuthorityError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Nothing),
            _ => {}
        }
        // As a secret: refused when others may read it.
        let text = read_secret(&SecretSource::File(path.to_owned()))?;
        let unreadable = || unusable(path, "it is not an ACME account file written by certbake");
        let mut file: File = serde_json::from_slice(text.expose()).map_err(|_| unreadable())?;
        // A key alone is of no CA: the one that was to know it may have been a mistake.
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        if file.id.is_some() && bare(&file.directory) != bare(directory.as_str()) {
            let other = crate::line::sanitized(file.directory.as_bytes(), 300).unwrap_or_default();
            return Err(unusable(path, &format!("it is for another CA, {other}")));
        }
        let pkcs8 = BASE64URL_NOPAD
            .decode(file.key_pkcs8.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| unreadable())?;
        Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(pkcs8.as_slice()))
            .map_err(|_| unreadable())?;
        Ok(match file.id.take() {
            Some(id) => Self::Account(Account { id, pkcs8 }),
            None => Self::Key(pkcs8),
        })
    }
}

impl Account {
    /// The account of the file, made by the first who needs it; others wait for that.
    /// With it the key of the external account binding, where that was used.
    pub fn read_or_make(
        settings: &Checked,
        reached: &Reached,
        deadline: Instant,
    ) -> Result<(Self, Option<Secret>), AuthorityError> {
        let (file, url) = (&settings.account, &settings.connection.url);
        if let Kept::Account(account) = Kept::read(file, url)? {
            return Ok((account, None));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let unwritable = |error: &image::ImageError| unusable(file, &error.to_string());
        let above = file.parent().unwrap_or(Path::new(""));
        image::can_write(above).map_err(|error| unwritable(&error))?;
        let _lock =
            image::lock_dir(above, left.min(PATIENCE)).map_err(|error| unwritable(&error))?;
        let key = match Kept::read(file, url)? {
            Kept::Account(account) => return Ok((account, None)),
            Kept::Key(key) => Some(key),
            Kept::Nothing => None,
        };
        if let Some(obstacle) = obstacle(settings, &reached.directory) {
            return Err(AuthorityError::Settings(Box::new(obstacle)));
        }
        let hmac = match &settings.external {
            None => None,
            Some((_, source)) => Some(read_secret(source)?),
        };
        let external = match (&settings.external, &hmac) {
            (Some((id, _)), Some(hmac)) => Some((id.as_str(), external_key(hmac)?)),
            _ => None,
        };
        let wire = Wire::new(reached, deadline, hmac.iter().cloned().collect());
        let pkcs8 = key.map_or_else(|| new_key(settings), Ok)?;
        let id = make(settings, external.as_ref(), &pkcs8, &wire)?;
        write(settings, Some(&id), &pkcs8)?;
        Ok((Self { id, pkcs8 }, hmac))
    }

    /// Asks the CA whether it knows the account (RFC 8555 section 7.3.1).
    pub fn confirm(&self, wire: &Arc<Wire>) -> Result<(), Trouble> {
        wire.ask(
            What::of("looking up the account"),
            Repeat::Safe,
            async || {
                let key = (self.library_key()?, self.key_der());
                let url = wire.directory().url.to_string();
                instant_acme::Account::builder_with_http(Box::new(Speaker(Arc::clone(wire))))
                    .from_key(key, url)
                    .await
                    .map(drop)
            },
        )
    }

    /// As instant-acme's, which asks over this conversation.
    pub fn speaking(&self, wire: &Arc<Wire>) -> Result<instant_acme::Account, AuthorityError> {
        let speaker = Box::new(Speaker(Arc::clone(wire)));
        let url = wire.directory().url.to_string();
        at_once(
            instant_acme::Account::builder_with_http(speaker).from_parts(
                self.id.clone(),
                PrivatePkcs8KeyDer::from(self.pkcs8.as_slice()),
                url,
            ),
        )
        .map_err(|error| {
            let what = What::of("reading the account");
            super::problem::internal(what, &error).error
        })
    }

    /// As certbake's own key, for what instant-acme has no way to ask.
    pub fn key(&self) -> Result<PrivateKey, AuthorityError> {
        PrivateKey::from_pkcs8(self.pkcs8.clone())
            .map_err(|_| unusable(Path::new(&self.id), "its key cannot be read"))
    }

    fn library_key(&self) -> Result<Key, instant_acme::Error> {
        Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice()))
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()))
    }
}

/// What speaks against making an account, as far as settings and directory tell.
pub fn obstacle(settings: &Checked, directory: &Directory) -> Option<Finding> {
    let meta = &directory.meta;
    if meta.external_account_required && settings.external.is_none() {
        let words = "the CA requires an external account binding";
        return Some(Finding::error(EXTERNAL_ACCOUNT, words).hint(EXTERNAL_HINT));
    }
    match &meta.terms_of_service {
        Some(terms) if !settings.terms_agreed => {
            let terms = crate::line::sanitized(terms.as_bytes(), 300).unwrap_or_default();
            Some(
                Finding::error(
                    TERMS,
                    "the CA has terms of service, and they are not agreed to",
                )
                .fact("terms_of_service", terms.clone())
                .hint(format!(
                    "read {terms}, and set terms_of_service_agreed = true"
                )),
            )
        }
        _ => None,
    }
}

/// A key that is kept before the CA hears of it: were the run killed before it keeps the CA's answer,
/// the next one would be told of the same account (RFC 8555 section 7.3.1).
fn new_key(settings: &Checked) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)
        .map_err(|error| unusable(&settings.account, &error.to_string()))?;
    let pkcs8 = Zeroizing::new(key.expose_pkcs8().to_vec());
    write(settings, None, &pkcs8)?;
    Ok(pkcs8)
}

fn write(settings: &Checked, id: Option<&str>, pkcs8: &[u8]) -> Result<(), AuthorityError> {
    let path = &settings.account;
    let damaged = || unusable(path, "it cannot be written as JSON");
    let file = File {
        id: id.map(str::to_owned),
        key_pkcs8: BASE64URL_NOPAD.encode(pkcs8),
        directory: settings.connection.url.to_string(),
    };
    let text = Zeroizing::new(serde_json::to_vec(&file).map_err(|_| damaged())?);
    let name = path.file_name().and_then(|name| name.to_str());
    let above = path.parent().unwrap_or(Path::new(""));
    image::place_file(above, name.ok_or_else(damaged)?, Mode::new(0o600), &text)
        .map_err(|error| unusable(path, &error.to_string()))
}

/// The URL of the account of this key (RFC 8555 section 7.3). Asking twice is the same as asking once:
/// a key that the CA knows has its account already.
fn make(
    settings: &Checked,
    external: Option<&(&str, Signer)>,
    pkcs8: &Zeroizing<Vec<u8>>,
    wire: &Wire,
) -> Result<String, AuthorityError> {
    let key = PrivateKey::from_pkcs8(pkcs8.clone())
        .map_err(|_| unusable(&settings.account, "its key cannot be read"))?;
    let url = &wire.directory().new_account;
    let mut payload = json!({ "termsOfServiceAgreed": settings.terms_agreed });
    if !settings.contact.is_empty() {
        payload["contact"] = json!(settings.contact);
    }
    let what = What::of("making an account");
    let id = wire.ask(what, Repeat::Safe, async || {
        if let Some((id, hmac)) = external {
            payload["externalAccountBinding"] = bound(id, hmac, &key, url)?;
        }
        let response = post(wire, Author::Key(&key), url, &payload)?;
        let id = response.header("location").map(str::to_owned);
        id.ok_or(Error::Str("the URL of the account"))
    });
    id.map_err(|trouble| not_made(trouble, external.is_some()))
}

/// What a CA says of a binding has no type of its own (RFC 8555 section 7.3.4).
fn not_made(trouble: Trouble, is_bound: bool) -> AuthorityError {
    let is_about_us = trouble.is("unauthorized") || is_bound && trouble.is("malformed");
    if !is_about_us {
        return trouble.error;
    }
    if !is_bound {
        let hint = "the CA does not create an account: its message and its log say why";
        return answer::hinted(trouble.error, hint);
    }
    answer::told(trouble.error, |finding| {
        Finding {
            code: answer::LOGIN_REFUSED,
            ..finding
        }
        .hint(
            "the CA does not accept the external account binding: compare eab_key_id and eab_hmac_key \
             with what it issued; many are valid for one account only, or for a limited time",
        )
    })
}

/// The account's public key, signed by the key of the other account (RFC 8555 section 7.3.4).
fn bound(id: &str, hmac: &Signer, key: &PrivateKey, url: &Url) -> Result<Value, Error> {
    let public = Signer::from_private_key(key).map_err(|_| UNREADABLE)?.jwk();
    let header = [("kid", json!(id)), ("url", json!(url.as_str()))];
    hmac.flattened(&header, &public).map_err(|_| UNREADABLE)
}

/// Whether the binding's key could be used, for a preflight.
pub fn rehearse(settings: &Checked) -> Result<(), AuthorityError> {
    match &settings.external {
        Some((_, source)) => external_key(&read_secret(source)?).map(drop),
        None => Ok(()),
    }
}

/// base64url by RFC 8555 section 7.3.4; some CAs hand it out padded, or in the other alphabet.
fn external_key(hmac: &Secret) -> Result<Signer, AuthorityError> {
    let text = hmac.expose();
    let bare = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"="));
    let decoded = BASE64URL_NOPAD
        .decode(bare.unwrap_or(text))
        .or_else(|_| BASE64.decode(text))
        .map(Zeroizing::new)
        .map_err(|_| {
            let words = "the HMAC key of the external account binding is not base64url";
            AuthorityError::Settings(Box::new(
                Finding::error(UNUSABLE, words)
                    .hint("give eab_hmac_key exactly as the CA issued it"),
            ))
        })?;
    Ok(Signer::from_hmac(&decoded))
}

/// There is none, where one that is made now would be of no use.
pub fn missing(path: &Path) -> AuthorityError {
    unusable(
        path,
        "it does not exist, and without the certificate's key only the account that ordered it may revoke it",
    )
}

fn unusable(path: &Path, reason: &str) -> AuthorityError {
    let shown = path.display().to_string();
    AuthorityError::Settings(Box::new(
        Finding::error(UNUSABLE, format!("the ACME account in {shown}: {reason}"))
            .in_file(shown)
            .hint("give another file as account, in a writable directory; certbake creates a file that does not exist"),
    ))
}
