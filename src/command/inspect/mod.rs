//! `certbake inspect`: reads files of every kind that OpenSSL, Java and Windows write, and says what is
//! in them and how it belongs together. Judges nothing: that is `certbake check`.

mod contents;
mod error;
mod foreign;
mod item;
mod relate;

use std::fs::File as OpenFile;
use std::io::{self, Read};
use std::path::PathBuf;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::Context;
use crate::inspection::{File, Inspection, Item};
use crate::outcome::Outcome;
use crate::secret::Secret;
use crate::secret_source::SecretSource;
use error::InspectError;
use item::Piece;
use relate::Seen;

/// The largest file that is read, in bytes; the largest revocation lists are about this size.
const LARGEST: u64 = 128 * 1024 * 1024;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Plan {
    pub inputs: Vec<Input>,
    /// Opens encrypted keys and key stores.
    pub password: Option<SecretSource>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// Standard input, written `-`.
    Stdin,
    File(PathBuf),
}

/// Looks at every input; one that cannot be read does not keep the others from being shown.
pub fn run(plan: &Plan, context: &Context<'_>) -> Inspection {
    let mut inspection = Inspection::new(context.now);
    let password = match plan.password.as_ref().map(SecretSource::read).transpose() {
        Ok(password) => password,
        Err(error) => {
            inspection.conclude(Outcome::Usage);
            inspection.findings.push(error.finding());
            return inspection;
        }
    };
    let mut seen = Vec::new();
    for input in &plan.inputs {
        let name = input.name();
        context.progress.step(&format!("reading {name}"));
        let bytes = input.read();
        include(&mut inspection, &mut seen, name, bytes, password.as_ref());
    }
    related(inspection, &seen)
}

/// What is in bytes that somebody has already, as `run` would say it of a file.
pub fn look(bytes: Zeroizing<Vec<u8>>, now: OffsetDateTime) -> Inspection {
    let mut inspection = Inspection::new(now);
    let mut seen = Vec::new();
    include(
        &mut inspection,
        &mut seen,
        Input::Stdin.name(),
        Ok(bytes),
        None,
    );
    related(inspection, &seen)
}

fn include(
    inspection: &mut Inspection,
    seen: &mut Vec<Seen>,
    name: String,
    bytes: io::Result<Zeroizing<Vec<u8>>>,
    password: Option<&Secret>,
) {
    let mut file = File::unread(name);
    let errors = match bytes {
        Ok(bytes) => {
            let contents = contents::of(&bytes, password, inspection.at);
            let at = inspection.files.len();
            seen.extend(enter(&mut file, at, contents.format, contents.pieces));
            contents.errors
        }
        Err(error) => vec![InspectError::Unopened(error)],
    };
    for error in errors {
        inspection.conclude(error.outcome());
        let finding = error.finding().in_file(&file.file);
        inspection.findings.push(finding);
    }
    inspection.files.push(file);
}

fn related(mut inspection: Inspection, seen: &[Seen]) -> Inspection {
    let relations = relate::relate(&mut inspection.files, seen);
    inspection.findings.extend(relations);
    inspection
}

/// Numbers the items of a file; its certificates are kept for what relates them.
fn enter(
    file: &mut File,
    at: usize,
    format: Option<&'static str>,
    pieces: Vec<Piece>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    file.format = format;
    for piece in pieces {
        seen.extend(piece.certificate.map(|certificate| Seen {
            file: at,
            item: file.items.len(),
            certificate,
        }));
        file.items.push(Item {
            item: file.items.len() + 1,
            alias: piece.alias,
            content: piece.content,
        });
    }
    seen
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The bytes, wiped when dropped: there may be a key among them.
    fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Stdin => bounded(io::stdin().lock(), 0),
            Self::File(path) => {
                let file = OpenFile::open(path)?;
                let size = file.metadata()?.len();
                bounded(file, size)
            }
        }
    }
}

fn bounded(source: impl Read, size: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let room = usize::try_from(size.min(LARGEST)).unwrap_or(0) + 64 * 1024;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB",
            LARGEST >> 20
        )));
    }
    Ok(bytes)
}
