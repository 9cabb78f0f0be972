//! The embedded authority: a CA in a directory, for labs, tests and single machines. It signs in
//! the same process, without a network; [`server`] offers it to others as EST.

mod directory;
mod error;
mod issue;
mod log;
mod make;
mod pinned;
mod revoke;
pub mod server;
mod there;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::Deserialize;

use super::clock::Clock;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Renew, Revocation, Revoke, Settings, SettingsError, foresight,
};
use crate::finding::{Code, Finding};
use crate::image::{self, ImageError};
use crate::outcome::AuthorityPlace;
use crate::pki::ReceivedRequest;
use crate::span::Span;
use pinned::Pins;

pub use directory::CaDirectory;
pub use error::{CaError, IssueError, RevokeError};
pub use issue::{Granted, Terms};
pub use log::{IssuedEntries, IssuedEntry, IssuedLog};
pub use make::{CaName, CaNameError, INTERMEDIATE_LIFETIME, NewCa, ROOT_LIFETIME};
pub use revoke::RevokedEntry;

const MADE: Code = Code::new("embedded-ca-made");

/// The row in the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "embedded",
    summary: "a CA in a directory, made on first use: for labs, tests and single machines",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || schemars::schema_for!(Words),
};

/// The longest lifetime granted where the settings name none.
pub const MAX_TTL: Span = Span::seconds(90 * 86_400);
/// The lifetime granted where the order names none.
pub const TTL: Span = Span::seconds(30 * 86_400);

/// `[ca.<name>]` with `kind = "embedded"`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Words {
    /// The CA's directory; a relative path starts at the configuration file.
    dir: PathBuf,
    /// Longest lifetime granted; a longer requested one is shortened to it [default: 90d].
    #[serde(default = "max_ttl")]
    max_ttl: Span,
    /// Whether to create a CA if the directory has none [default: true].
    #[serde(default = "create")]
    create: bool,
}

const fn max_ttl() -> Span {
    MAX_TTL
}

const fn create() -> bool {
    true
}

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let words: Words = settings.read()?;
    if words.max_ttl.as_seconds() == 0 {
        return Err(SettingsError {
            key: "max_ttl".to_owned(),
            reason: "the lifetime must be longer than 0s".to_owned(),
        });
    }
    let dir = settings.directory.join(words.dir);
    let embedded = Arc::new(Embedded {
        name: settings.name.to_owned(),
        dir: dir.clone(),
        max_ttl: words.max_ttl,
        create: words.create,
        pins: Pins::read(settings),
        clock: Clock::of_run(settings),
        opened: Shared::default(),
        told: AtomicBool::new(false),
    });
    Ok(Opened {
        authority: embedded.clone(),
        renew: Some(embedded.clone()),
        preflight: Some(embedded.clone()),
        revoke: Some(embedded),
        finish: None,
        secrets: Vec::new(),
        keys_in: Some(dir),
    })
}

/// A CA directory as an authority; opened, and made where it is missing, by the first order.
struct Embedded {
    name: String,
    dir: PathBuf,
    max_ttl: Span,
    create: bool,
    pins: Pins,
    clock: Clock,
    opened: Shared<CaDirectory>,
    /// Set once it was told that the CA is new.
    told: AtomicBool,
}

impl Embedded {
    fn ca(&self) -> Result<Arc<CaDirectory>, AuthorityError> {
        self.opened.get(|| {
            if self.create {
                CaDirectory::open_or_make(&self.dir, &NewCa::default(), self.clock.now())
            } else {
                CaDirectory::open(&self.dir)
            }
            .map_err(CaError::into_authority_error)
        })
    }

    /// For the first order alone: one that made the CA may have been meant for another.
    fn told_new(&self, ca: &CaDirectory) -> Option<Finding> {
        let tells = ca.is_new() && !self.told.swap(true, Ordering::Relaxed);
        tells.then(|| {
            let (dir, root) = (shown(&self.dir), shown(&self.dir.join(directory::ROOT)));
            Finding::note(MADE, format!("there was no CA in {dir}: a new one was made"))
                .fact("directory", dir)
                .fact("root", root.as_str())
                .hint(format!(
                    "services must trust its root, {root}; if a CA should have been there, correct the directory (--ca-dir, or dir in the file), and set create = false"
                ))
        })
    }

    fn terms(&self, order: &Order) -> Terms<'static> {
        Terms {
            now: self.clock.now(),
            ttl: order.ttl.unwrap_or(TTL.min(self.max_ttl)),
            max_ttl: self.max_ttl,
            requester: "local",
        }
    }
}

impl Authority for Embedded {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let ca = self.ca()?;
        let terms = self.terms(order);
        let granted = ReceivedRequest::from_der(order.request.der())
            .map_err(IssueError::from)
            .and_then(|request| ca.issue(&request, &terms))
            .map_err(|error| error.into_authority_error(&self.dir))?;
        Ok(Issued {
            certificates: vec![
                granted.certificate.der().to_vec(),
                ca.intermediate().der().to_vec(),
            ],
            anchors: vec![ca.root().der().to_vec()],
            date: None,
            findings: granted
                .findings
                .into_iter()
                .chain(self.told_new(&ca))
                .collect(),
        })
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.name.clone(),
            place: shown(&self.dir),
        }
    }
}

/// Whoever can read the CA's key needs no other login, so renewal is one more order.
impl Renew for Embedded {
    fn renew(&self, order: &Order, _: &Current<'_>) -> Result<Issued, AuthorityError> {
        self.issue(order)
    }
}

fn unwritable(error: ImageError) -> AuthorityError {
    CaError::Io(error).into_authority_error()
}

/// A CA that is not there yet will be made by the order, and has little to tell before.
impl Preflight for Embedded {
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        let (mut findings, answer) = match CaDirectory::open(&self.dir) {
            Ok(ca) => {
                image::can_append(ca.log().path()).map_err(unwritable)?;
                let mut foreseen = ca
                    .foresee(&self.terms(order))
                    .map_err(|error| error.into_authority_error(&self.dir))?;
                foreseen.extend(self.pins.against(&ca));
                let looked_at = "its keys and certificates, its longest lifetime";
                (foreseen, foresight::answers("", None, &[looked_at]))
            }
            Err(CaError::Missing { .. }) if self.create => {
                let there = [Some(&*self.dir), self.dir.parent()];
                let there = there.into_iter().flatten().find(|path| path.exists());
                image::can_write(there.unwrap_or(&self.dir)).map_err(unwritable)?;
                let new = self.pins.against_new(&self.dir);
                let new = new.map_err(CaError::into_authority_error)?;
                let looked_at = "its directory, where the first order makes the CA";
                let mut answer = foresight::answers("", None, &[looked_at]);
                answer.summary = format!(
                    "there is no CA in {}: the first order makes one",
                    shown(&self.dir)
                );
                (new.into_iter().collect(), answer)
            }
            Err(error) => return Err(error.into_authority_error()),
        };
        if depth == Depth::Whole {
            findings.push(answer);
        }
        Ok(findings)
    }
}

impl Revoke for Embedded {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let ca = CaDirectory::open(&self.dir).map_err(CaError::into_revocation_error)?;
        let told = ca
            .revoke(revocation.certificate, revocation.reason, self.clock.now())
            .map_err(|error| error.into_authority_error(&self.dir))?;
        Ok(told.into_iter().collect())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
