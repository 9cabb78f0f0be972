//! The account: a key in a file, and the URL that the CA knows it by. Made on first use.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use instant_acme::{ExternalAccountKey, Key, NewAccount};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::directory::Directory;
use super::problem::{EXTERNAL_ACCOUNT, EXTERNAL_HINT};
use super::session::Reached;
use super::settings::Checked;
use super::wire::{Speaker, Trouble, What, Wire, at_once};
use crate::authority::AuthorityError;
use crate::authority::connection::read_secret;
use crate::finding::{Code, Finding};
use crate::image::{self, Mode};
use crate::net::Repeat;
use crate::pki::PrivateKey;
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

/// The file: what instant-acme calls account credentials.
#[derive(Deserialize)]
struct File {
    id: String,
    key_pkcs8: String,
    directory: String,
}

impl Account {
    /// The account of the file; `None` when there is no file yet.
    pub fn read(path: &Path, directory: &Url) -> Result<Option<Self>, AuthorityError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        // As a secret: refused when others may read it.
        let text = read_secret(&SecretSource::File(path.to_owned()))?;
        let unreadable = || unusable(path, "it is not an ACME account as certbake writes it");
        let file: File = serde_json::from_slice(text.expose()).map_err(|_| unreadable())?;
        let text = Zeroizing::new(file.key_pkcs8);
        if file.directory != directory.as_str() {
            let other = crate::line::harmless(file.directory.as_bytes(), 300).unwrap_or_default();
            return Err(unusable(path, &format!("it is for another CA, {other}")));
        }
        let pkcs8 = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| unreadable())?;
        let account = Self { id: file.id, pkcs8 };
        account.library_key().map_err(|_| unreadable())?;
        Ok(Some(account))
    }

    /// The account of the file, made by the first who needs it; others wait for that.
    /// With it the key of the external account binding, where that was used.
    pub fn read_or_make(
        settings: &Checked,
        reached: &Reached,
        deadline: Instant,
    ) -> Result<(Self, Option<Secret>), AuthorityError> {
        let url = &settings.connection.url;
        if let Some(account) = Self::read(&settings.account, url)? {
            return Ok((account, None));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let unwritable =
            |error: &image::ImageError| unusable(&settings.account, &error.to_string());
        let above = settings.account.parent().unwrap_or(Path::new(""));
        image::can_write(above).map_err(|error| unwritable(&error))?;
        let _lock =
            image::lock_dir(above, left.min(PATIENCE)).map_err(|error| unwritable(&error))?;
        if let Some(account) = Self::read(&settings.account, url)? {
            return Ok((account, None));
        }
        if let Some(obstacle) = obstacle(settings, &reached.directory) {
            return Err(AuthorityError::Settings(Box::new(obstacle)));
        }
        let hmac = match &settings.external {
            None => None,
            Some((_, source)) => Some(read_secret(source)?),
        };
        let wire = Wire::new(reached, deadline, hmac.iter().cloned().collect());
        let account = make(settings, hmac.as_ref(), &wire, above)?;
        Ok((account, hmac))
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
        let words = "the CA's directory says that an account needs an external account binding";
        return Some(Finding::error(EXTERNAL_ACCOUNT, words).hint(EXTERNAL_HINT));
    }
    match &meta.terms_of_service {
        Some(terms) if !settings.terms_agreed => {
            let terms = crate::line::harmless(terms.as_bytes(), 300).unwrap_or_default();
            Some(
                Finding::error(
                    TERMS,
                    "the CA has terms of service, which are not agreed to",
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

fn make(
    settings: &Checked,
    hmac: Option<&Secret>,
    wire: &Arc<Wire>,
    above: &Path,
) -> Result<Account, AuthorityError> {
    let external = match (&settings.external, hmac) {
        (Some((id, _)), Some(hmac)) => Some(external_key(id, hmac)?),
        _ => None,
    };
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: settings.terms_agreed,
        only_return_existing: false,
    };
    let what = What::of("making an account");
    let (_, credentials) = wire.ask(what, Repeat::IfTurnedAway, async || {
        let url = wire.directory().url.to_string();
        instant_acme::Account::builder_with_http(Box::new(Speaker(Arc::clone(wire))))
            .create(&new, url, external.as_ref())
            .await
    })?;
    let damaged = || unusable(&settings.account, "it cannot be written as JSON");
    let text = Zeroizing::new(serde_json::to_vec(&credentials).map_err(|_| damaged())?);
    let name = settings.account.file_name().and_then(|name| name.to_str());
    image::place_file(above, name.ok_or_else(damaged)?, Mode::new(0o600), &text)
        .map_err(|error| unusable(&settings.account, &error.to_string()))?;
    Account::read(&settings.account, &settings.connection.url)?.ok_or_else(damaged)
}

/// base64url by RFC 8555 section 7.3.4; some CAs hand it out padded, or in the other alphabet.
fn external_key(id: &str, hmac: &Secret) -> Result<ExternalAccountKey, AuthorityError> {
    let text = hmac.expose();
    let bare = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"="));
    let decoded = BASE64URL_NOPAD
        .decode(bare.unwrap_or(text))
        .or_else(|_| BASE64.decode(text))
        .map(Zeroizing::new)
        .map_err(|_| {
            let words = "the HMAC key of the external account binding is not base64url";
            AuthorityError::Settings(Box::new(
                Finding::error(UNUSABLE, words).hint("give eab_hmac_key as the CA handed it out"),
            ))
        })?;
    Ok(ExternalAccountKey::new(id.to_owned(), &decoded))
}

/// There is none, where one that is made now would be of no use.
pub fn missing(path: &Path) -> AuthorityError {
    unusable(
        path,
        "there is no such file, and only the account that ordered a certificate may revoke it without its key",
    )
}

fn unusable(path: &Path, reason: &str) -> AuthorityError {
    let shown = path.display().to_string();
    AuthorityError::Settings(Box::new(
        Finding::error(UNUSABLE, format!("the ACME account in {shown}: {reason}"))
            .in_file(shown)
            .hint("give another file as account, in a directory that can be written; one that does not exist is made"),
    ))
}
