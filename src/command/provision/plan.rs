//! What `provision` is to do: every path, name, duration and secret source already read.

use std::path::PathBuf;

use crate::authority::Opened;
use crate::finding::Finding;
use crate::image::{ImagePath, Mode, Owner};
use crate::outcome::AuthorityPlace;
use crate::pki::pkcs12::Encryption;
use crate::pki::{AltName, Anchors, KeyAlgorithm, Subject, Usage};
use crate::secret_source::SecretSource;
use crate::span::Span;
use crate::verify::Policy;

pub struct Plan {
    /// The image root, on the host.
    pub root: PathBuf,
    pub identities: Vec<Identity>,
    /// Everything but asking and writing.
    pub dry_run: bool,
    /// Certificates that a failed run does not land are taken back.
    pub revoke_on_failure: bool,
}

impl Plan {
    /// Where every secret of this run comes from.
    pub fn secrets(&self) -> Vec<&SecretSource> {
        self.identities.iter().flat_map(Identity::secrets).collect()
    }
}

/// One named certificate that the image is to carry.
pub struct Identity {
    pub name: String,
    pub subject: Subject,
    pub names: Vec<AltName>,
    pub usage: Usage,
    pub key_algorithm: KeyAlgorithm,
    /// The lifetime to ask for; `None` leaves it to the authority.
    pub ttl: Option<Span>,
    /// Where it was written, for messages: `certbake.toml:12`, `--ttl`.
    pub ttl_origin: String,
    pub policy: Policy,
    /// At least one. The next is asked where those before cannot be reached.
    pub candidates: Vec<Candidate>,
    /// How long the whole order may take.
    pub deadline: Span,
    pub placements: Vec<Placement>,
    /// A copy of the record outside the image.
    pub record: Option<PathBuf>,
}

impl Identity {
    /// Ends what was opened at its authorities; the second time, nothing is left to end.
    pub fn finish(&self) -> Vec<Finding> {
        let open = self.candidates.iter();
        open.filter_map(|candidate| candidate.opened.finish.as_ref())
            .flat_map(|open| open.finish())
            .collect()
    }

    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let of_authorities = self.candidates.iter();
        of_authorities
            .flat_map(|candidate| &candidate.opened.secrets)
            .chain(self.passwords())
    }

    /// Of its key stores.
    pub fn passwords(&self) -> impl Iterator<Item = &SecretSource> {
        self.placements
            .iter()
            .filter_map(|placement| match &placement.content {
                Content::Pkcs12(store) => Some(&store.password),
                _ => None,
            })
    }
}

/// An authority that an identity may be ordered from.
#[derive(Clone)]
pub struct Candidate {
    pub opened: Opened,
    /// The roots pinned for it by the configuration.
    pub anchors: Option<Anchors>,
}

impl Candidate {
    pub fn place(&self) -> AuthorityPlace {
        self.opened.authority.place()
    }
}

/// One file in the image.
pub struct Placement {
    pub content: Content,
    pub path: ImagePath,
    pub mode: Mode,
    /// Whether somebody chose the mode, or it is the usual one of such files.
    pub mode_is_stated: bool,
    pub owner: Owner,
    pub group: Owner,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Content {
    Anchors,
    Certificate,
    Combined,
    FullChain,
    Issuers,
    Pkcs12(Pkcs12),
    PrivateKey,
}

impl Content {
    /// As it is called in reports, records and the configuration file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Anchors => "anchors",
            Self::Certificate => "certificate",
            Self::Combined => "combined",
            Self::FullChain => "full-chain",
            Self::Issuers => "issuers",
            Self::Pkcs12(_) => "pkcs12",
            Self::PrivateKey => "private-key",
        }
    }

    pub const fn holds_key(&self) -> bool {
        matches!(self, Self::Combined | Self::Pkcs12(_) | Self::PrivateKey)
    }

    /// Whether the certificate itself is in it.
    pub const fn holds_certificate(&self) -> bool {
        matches!(
            self,
            Self::Certificate | Self::Combined | Self::FullChain | Self::Pkcs12(_)
        )
    }

    /// Whether a TLS stack that is given this file can send the intermediates along.
    pub const fn holds_intermediates(&self) -> bool {
        matches!(
            self,
            Self::Combined | Self::FullChain | Self::Issuers | Self::Pkcs12(_)
        )
    }
}

/// How a PKCS#12 key store is written.
#[derive(Clone, Debug)]
pub struct Pkcs12 {
    pub password: SecretSource,
    pub encryption: Encryption,
    pub alias: String,
}
