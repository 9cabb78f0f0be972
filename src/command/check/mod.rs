//! `certbake check`: the gate alone, offline. On the files of one credential, on many files and
//! folders at once, or on what an image root carries.

mod configured;
mod credential;
mod files;
mod image;
mod placement;
mod read;
mod successor;

use std::path::PathBuf;

use time::OffsetDateTime;

use super::Context;
use crate::finding::{Code, Finding};
use crate::image::{ImagePath, Mode, Owner};
use crate::outcome::Report;
use crate::pki::{AltName, Floor, KeyAlgorithm, Subject, Usage};
use crate::span::Span;
use crate::verify::{self, Policy};

const NOTHING: Code = Code::new("nothing-to-check");
const TRUST_NOT_CHECKED: Code = Code::new("trust-not-checked");

/// What is to be checked, and against what.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: Target,
    pub policy: Policy,
    /// Instead of now.
    pub at: Option<OffsetDateTime>,
}

#[derive(Clone, Debug)]
pub enum Target {
    Credential(CredentialFiles),
    Files {
        /// Files and folders; in folders, every file that holds certificates.
        paths: Vec<PathBuf>,
        /// PEM or DER, the roots that every chain must lead to.
        anchors: Vec<PathBuf>,
        /// Revocation lists.
        crls: Vec<PathBuf>,
    },
    Image(ImageTarget),
}

/// An image and what it must carry.
#[derive(Clone, Debug, Default)]
pub struct ImageTarget {
    pub root: PathBuf,
    /// The identities that it must carry; those that have a record when empty.
    pub expected: Vec<Expected>,
    /// Instead of the anchors that are pinned or were placed.
    pub anchors: Vec<PathBuf>,
    /// Revocation lists.
    pub crls: Vec<PathBuf>,
}

/// An identity that an image must carry.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    pub name: String,
    /// Instead of the floor that was recorded.
    pub floor: Option<Floor>,
    /// Where that was written.
    pub floor_origin: String,
    /// Instead of the anchors that were placed; of every authority that may have issued it.
    pub anchors: Vec<PathBuf>,
    pub placements: Vec<Wanted>,
    /// Instead of the usage that was recorded.
    pub usage: Option<Usage>,
    pub max_validity: Option<Span>,
    /// The names that it must have, and no others; `None` where only the order said them.
    pub names: Option<(Subject, Vec<AltName>)>,
    /// `None` where none is stated: flags of the build may have.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Any of these may have issued it; empty where only the order said which.
    pub issuers: Vec<Issuer>,
}

/// An authority as the configuration describes it.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub kind: String,
    pub name: String,
    /// A URL or ARN; `None` where none is stated, and for a path, which depends on where it is seen from.
    pub place: Option<String>,
}

/// A file that must have been placed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `private-key`, `full-chain`, …
    pub what: String,
    pub path: ImagePath,
    /// `None` where none is stated: flags of the build may have.
    pub mode: Option<Mode>,
    pub owner: Owner,
    pub group: Owner,
}

impl Expected {
    /// Only by its record.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// The files of one credential, each PEM or DER.
#[derive(Clone, Debug, Default)]
pub struct CredentialFiles {
    /// The certificate, which its chain may follow.
    pub certificate: PathBuf,
    pub intermediates: Vec<PathBuf>,
    pub anchors: Vec<PathBuf>,
    pub key: Option<PathBuf>,
    /// Revocation lists.
    pub crls: Vec<PathBuf>,
}

/// Checks; every fault is a finding of the report.
pub fn run(plan: &Plan, context: &Context<'_>) -> Report {
    let now = plan.at.unwrap_or(context.now);
    let mut report = Report::new("check", now);
    report.began = context.now;
    report.checked = Some(0);
    match &plan.target {
        Target::Credential(files) => credential::check(files, &plan.policy, &mut report),
        Target::Files {
            paths,
            anchors,
            crls,
        } => {
            context.progress.step("checking certificates");
            files::check(paths, anchors, crls, &plan.policy, &mut report);
        }
        Target::Image(target) => image::check(target, &plan.policy, &mut report),
    }
    report.conclude(verify::outcome(&report.findings));
    report
}

/// Without anchors, nothing is known of who vouches for it.
fn trust_not_checked(what: &str) -> Finding {
    Finding::note(
        TRUST_NOT_CHECKED,
        format!("no anchors were given: trust in {what} was not checked"),
    )
    .hint("give the roots that peers trust: --anchors FILE")
}

/// A check that looked at nothing has proved nothing.
fn nothing(at: impl Into<String>, what: &str) -> Finding {
    Finding::error(NOTHING, format!("there is nothing to check: {what}"))
        .in_file(at)
        .hint("check the path or the pattern; a check that finds no certificate fails")
}
