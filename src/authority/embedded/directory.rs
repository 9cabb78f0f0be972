//! The CA's directory: which file is what, and how it is opened or made. Each file is made from
//! those before it and never overwritten, so a run that was killed half-way is completed by the next.
//!
//! ```text
//! keys/root.key           0600, in a directory 0700; may be moved offline once the rest exists
//! root.pem                the anchor that services and clients pin
//! keys/intermediate.key   0600
//! issued.jsonl            0600; one JSON object for each certificate
//! intermediate.pem        made last: with it the CA is complete
//! revoked.jsonl           0600; one JSON object for each revocation, with the first of them
//! ca.crl                  the revocation list, PEM, written with each
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::Issuer;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::error::CaError;
use super::log::IssuedLog;
use super::make::{self, NewCa};
use super::revoke;
use super::there::There;
use crate::image::{self, Mode};
use crate::pki::certificate::KeyFacts;
use crate::pki::pem;
use crate::pki::{Certificate, PrivateKey};

const KEYS: &str = "keys";
const ROOT_KEY: &str = "root.key";
pub(super) const ROOT: &str = "root.pem";
const INTERMEDIATE_KEY: &str = "intermediate.key";
const INTERMEDIATE: &str = "intermediate.pem";
pub(super) const LOG: &str = "issued.jsonl";

/// How long another process may take to make the CA: longer than an RSA 4096 key does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A complete CA, its intermediate's key in memory.
pub struct CaDirectory {
    dir: PathBuf,
    root: Certificate,
    intermediate: Certificate,
    pub(super) issuer: Issuer<'static, PrivateKey>,
    pub(super) log: IssuedLog,
    is_new: bool,
}

impl CaDirectory {
    /// Opens a CA that exists.
    ///
    /// # Errors
    /// [`CaError::Missing`] when there is none, or the reason why it cannot be used.
    pub fn open(dir: &Path) -> Result<Self, CaError> {
        let Some(intermediate) = read_certificate(dir, INTERMEDIATE)? else {
            return Err(CaError::Missing {
                dir: dir.to_owned(),
            });
        };
        let root = read_certificate(dir, ROOT)?.ok_or_else(|| damaged(dir, "has no root.pem"))?;
        // Not needed here: only its mode is looked at.
        private_key(dir, ROOT_KEY)?;
        let key = read_key(dir, INTERMEDIATE_KEY)?
            .ok_or_else(|| damaged(dir, "has no keys/intermediate.key"))?;
        if key.spki() != intermediate.facts().spki {
            return Err(damaged(
                dir,
                "has an intermediate.key that is not the key of its intermediate.pem",
            ));
        }
        if intermediate.facts().issuer_der != root.facts().subject_der {
            return Err(damaged(
                dir,
                "has an intermediate.pem that its root.pem did not issue",
            ));
        }
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(intermediate.der()), key)
            .map_err(|error| damaged(dir, &format!("has an unusable intermediate.pem: {error}")))?;
        Ok(Self {
            log: IssuedLog::at(dir.join(LOG)),
            dir: dir.to_owned(),
            root,
            intermediate,
            issuer,
            is_new: false,
        })
    }

    /// Opens the CA, or makes it as `new` says where there is none or a half-made one. Two processes
    /// that do this at once make one CA.
    ///
    /// # Errors
    /// When the directory cannot be used, or another run keeps it locked.
    pub fn open_or_make(dir: &Path, new: &NewCa, now: OffsetDateTime) -> Result<Self, CaError> {
        match Self::open(dir) {
            Err(CaError::Missing { .. }) => {
                let is_new = Self::make(dir, new, now)?;
                let made = Self::open(dir)?;
                Ok(Self { is_new, ..made })
            }
            opened => opened,
        }
    }

    /// Makes the files that are missing. Returns whether there were any.
    ///
    /// # Errors
    /// As [`CaDirectory::open_or_make`], and when what is there is not as asked.
    pub fn make(dir: &Path, new: &NewCa, now: OffsetDateTime) -> Result<bool, CaError> {
        image::make_dir(dir, Mode::new(0o700)).map_err(CaError::Io)?;
        let _lock = image::lock_dir(dir, PATIENCE).map_err(CaError::Io)?;
        let intermediate = read_certificate(dir, INTERMEDIATE)?;
        let is_complete = intermediate.is_some();
        let root = read_certificate(dir, ROOT)?;
        if !is_complete {
            refuse_foreign(dir)?;
        }
        as_asked(dir, new, root.as_ref(), intermediate)?;
        if is_complete {
            return Ok(false);
        }
        image::make_dir(&dir.join(KEYS), Mode::new(0o700)).map_err(CaError::Io)?;
        if root.is_some() && read_key(dir, ROOT_KEY)?.is_none() {
            return Err(damaged(
                dir,
                "has a root.pem but neither an intermediate.pem nor the keys/root.key to make one",
            ));
        }
        let root_key = key_or_new(dir, ROOT_KEY, new)?;
        let root = match root {
            Some(root) if root.facts().spki == root_key.spki() => root,
            Some(_) => {
                return Err(damaged(
                    dir,
                    "has a root.key that is not the key of its root.pem",
                ));
            }
            None => place_certificate(dir, ROOT, make::root(new, &root_key, now)?)?,
        };
        let root_ends = root.window().not_after;
        if root_ends <= now {
            return Err(CaError::RootEnded {
                dir: dir.to_owned(),
                at: root_ends,
            });
        }
        let key = key_or_new(dir, INTERMEDIATE_KEY, new)?;
        let intermediate = make::intermediate(new, &root, root_key, &key, now)?;
        let log = dir.join(LOG);
        if !log.exists() {
            image::place_file(dir, LOG, Mode::new(0o600), b"").map_err(CaError::Io)?;
        }
        place_certificate(dir, INTERMEDIATE, intermediate)?;
        Ok(true)
    }

    /// Whether there is a root already, an intermediate or not.
    pub fn has_root(dir: &Path) -> bool {
        dir.join(ROOT).exists()
    }

    /// Its root, an intermediate or not; `None` where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root_in(dir: &Path) -> Result<Option<Certificate>, CaError> {
        read_certificate(dir, ROOT)
    }

    /// Whether the root's key is in the directory, a root or not.
    pub fn has_root_key(dir: &Path) -> bool {
        dir.join(KEYS).join(ROOT_KEY).exists()
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The anchor.
    pub fn root(&self) -> &Certificate {
        &self.root
    }

    pub fn intermediate(&self) -> &Certificate {
        &self.intermediate
    }

    /// Whether the root ends no later than the intermediate, so that to renew that is no use.
    pub fn ends_with_root(&self) -> bool {
        self.intermediate.window().not_after >= self.root.window().not_after
    }

    pub fn log(&self) -> &IssuedLog {
        &self.log
    }

    /// Whether it was made when it was opened.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the root's key is still in the directory.
    pub fn root_key_is_here(&self) -> bool {
        Self::has_root_key(&self.dir)
    }
}

/// Whether the parts that are there are as `new` asks; no key is read that it does not ask about.
fn as_asked(
    dir: &Path,
    new: &NewCa,
    root: Option<&Certificate>,
    intermediate: Option<Certificate>,
) -> Result<(), CaError> {
    let wanted = new.key_algorithm.is_some() && intermediate.is_none();
    let key = |name: &str, wanted: bool| -> Result<Option<KeyFacts>, CaError> {
        let key = wanted.then(|| read_key(dir, name)).transpose()?;
        Ok(key.flatten().and_then(|key| KeyFacts::of_spki(key.spki())))
    };
    let there = There {
        root_key: key(ROOT_KEY, wanted && root.is_none())?,
        intermediate_key: key(INTERMEDIATE_KEY, wanted)?,
        root: root.cloned(),
        intermediate,
    };
    let otherwise = there.otherwise(new);
    if otherwise.is_empty() {
        return Ok(());
    }
    Err(CaError::Otherwise {
        dir: dir.to_owned(),
        otherwise,
    })
}

/// A CA is not made among other people's files: a mistyped path would fill `/etc` with keys.
fn refuse_foreign(dir: &Path) -> Result<(), CaError> {
    let reading = |error| CaError::reading(dir, &error);
    for entry in fs::read_dir(dir).map_err(reading)? {
        let name = entry.map_err(reading)?.file_name();
        let name = name.to_string_lossy();
        let ours = [
            ROOT,
            INTERMEDIATE,
            LOG,
            KEYS,
            revoke::LOG,
            revoke::LIST,
            "lost+found",
        ]
        .contains(&name.as_ref());
        if !ours && !name.starts_with('.') {
            return Err(CaError::Foreign {
                dir: dir.to_owned(),
                found: name.into_owned(),
            });
        }
    }
    Ok(())
}

fn key_or_new(dir: &Path, name: &str, new: &NewCa) -> Result<PrivateKey, CaError> {
    if let Some(key) = read_key(dir, name)? {
        return Ok(key);
    }
    let key = PrivateKey::generate(new.key_algorithm.unwrap_or_default()).map_err(CaError::Key)?;
    let text = Zeroizing::new(pem::encode("PRIVATE KEY", key.expose_pkcs8()));
    image::place_file(&dir.join(KEYS), name, Mode::new(0o600), text.as_bytes())
        .map_err(CaError::Io)?;
    Ok(key)
}

fn place_certificate(
    dir: &Path,
    name: &str,
    certificate: Certificate,
) -> Result<Certificate, CaError> {
    image::place_file(dir, name, Mode::new(0o644), certificate.pem().as_bytes())
        .map_err(CaError::Io)?;
    Ok(certificate)
}

/// The one certificate of a PEM file; `None` without the file.
fn read_certificate(dir: &Path, name: &str) -> Result<Option<Certificate>, CaError> {
    let path = dir.join(name);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaError::reading(&path, &error)),
    };
    let unusable = |reason: String| CaError::Damaged {
        dir: dir.to_owned(),
        what: format!("has an unusable {name}: {reason}"),
    };
    let certificates = pem::certificates(&text).map_err(|error| unusable(error.to_string()))?;
    let [der] = certificates.as_slice() else {
        return Err(unusable(format!(
            "it contains {} certificates instead of one",
            certificates.len()
        )));
    };
    Certificate::from_der(der.clone())
        .map(Some)
        .map_err(|error| unusable(error.to_string()))
}

/// Where a key of the CA is; `None` without the file. Refused when others could have read it.
fn private_key(dir: &Path, name: &str) -> Result<Option<PathBuf>, CaError> {
    let path = dir.join(KEYS).join(name);
    let mode = match fs::metadata(&path) {
        Ok(metadata) => metadata.mode(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaError::reading(&path, &error)),
    };
    if mode & 0o077 != 0 {
        return Err(CaError::Exposed {
            path,
            mode: Mode::new(mode),
        });
    }
    Ok(Some(path))
}

/// A key of the CA; `None` without the file. Refused when others could have read it.
fn read_key(dir: &Path, name: &str) -> Result<Option<PrivateKey>, CaError> {
    let Some(path) = private_key(dir, name)? else {
        return Ok(None);
    };
    let text = Zeroizing::new(fs::read(&path).map_err(|error| CaError::reading(&path, &error))?);
    match pem::private_key(&text) {
        Ok(Some(der)) => PrivateKey::from_der(&der).ok(),
        _ => None,
    }
    .map(Some)
    .ok_or_else(|| damaged(dir, &format!("has an unusable keys/{name}")))
}

fn damaged(dir: &Path, what: &str) -> CaError {
    CaError::Damaged {
        dir: dir.to_owned(),
        what: what.to_owned(),
    }
}
