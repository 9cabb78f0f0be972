//! What a run reads, by the setting that names it: nothing that it writes may take the place of these.

use std::path::{Path, PathBuf};

use toml::Value;

use super::draft::Draft;
use super::outside::CONFIGURATION;
use crate::authority::Opened;
use crate::command::provision::{Content, Identity};
use crate::image::{Named, Target};
use crate::secret_source::SecretSource;

/// A file that is read, or a directory with all that is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Input {
    path: PathBuf,
    named: Named,
    /// `--ca-key`, or `ca.lab.client_key (certbake.toml:7)`.
    named_by: String,
    kind: Kind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Configuration,
    File,
    Directory,
    /// The certificate of the login at this CA, or its key.
    Certificate(String),
    Key(String),
}

impl Input {
    pub fn configuration(path: &Path) -> Self {
        Self::new(path, CONFIGURATION, Kind::Configuration)
    }

    pub fn file(path: impl Into<PathBuf>, named_by: impl Into<String>) -> Self {
        Self::new(path, named_by, Kind::File)
    }

    fn new(path: impl Into<PathBuf>, named_by: impl Into<String>, kind: Kind) -> Self {
        let path = path.into();
        Self {
            named: Named::of(&path),
            path,
            named_by: named_by.into(),
            kind,
        }
    }

    /// What `target` is, where it would take its place.
    pub fn is_hit_by(&self, target: &Target) -> Option<String> {
        let by = &self.named_by;
        if target.is(&self.named) {
            return Some(match self.kind {
                Kind::Configuration => format!("is {by}"),
                _ => format!("is what {by} names, and this run reads it"),
            });
        }
        (self.kind == Kind::Directory && target.is_inside(&self.named))
            .then(|| format!("is in the CA's own directory, which {by} names"))
    }
}

/// Whether `input` belongs to a login whose certificate and key are both replaced by their successors.
pub fn is_renewed(input: &Input, inputs: &[Input], replaced: &[(&Content, &Target)]) -> bool {
    let (Kind::Certificate(ca) | Kind::Key(ca)) = &input.kind else {
        return false;
    };
    let by_like = |named: &Named, like: fn(&Content) -> bool| {
        let mut replaced = replaced.iter();
        replaced.any(|(content, target)| like(content) && target.is(named))
    };
    inputs.iter().all(|input| match &input.kind {
        Kind::Certificate(of) if of == ca => by_like(&input.named, Content::holds_certificate),
        Kind::Key(of) if of == ca => by_like(&input.named, Content::holds_key),
        _ => true,
    })
}

/// Every file that the table of an authority could name: no kind has to say which of its settings are
/// paths, and what is none is where nothing lands.
pub fn of_table(
    (name, table): (&str, &toml::Table),
    directory: &Path,
    named_by: impl Fn(&[&str]) -> String,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (key, value) in table {
        each_text(&mut vec![key.as_str()], value, &mut |keys, text| {
            let path = text.strip_prefix("file:").unwrap_or(text);
            let kind = match keys {
                ["client_certificate"] => Kind::Certificate(name.to_owned()),
                ["client_key"] => Kind::Key(name.to_owned()),
                _ => Kind::File,
            };
            inputs.push(Input::new(directory.join(path), named_by(keys), kind));
        });
    }
    inputs
}

fn each_text<'v>(keys: &mut Vec<&'v str>, value: &'v Value, see: &mut impl FnMut(&[&str], &str)) {
    match value {
        Value::String(text) => see(keys, text),
        Value::Array(values) => values.iter().for_each(|value| each_text(keys, value, see)),
        Value::Table(table) => {
            for (key, value) in table {
                keys.push(key);
                each_text(keys, value, see);
                keys.pop();
            }
        }
        _ => {}
    }
}

/// What is known once it is open: secrets in their usual places, and where its keys are.
pub fn of_opened(opened: &Opened, name: &str, named: &mut Vec<Input>) {
    let by_default = format!("[ca.{name}]");
    let is_named = |path: &PathBuf| named.iter().any(|input| input.path == *path);
    let mut more: Vec<_> = opened
        .secrets
        .iter()
        .filter_map(|source| match source {
            SecretSource::File(path) if !is_named(path) => Some(Input::file(path, &by_default)),
            _ => None,
        })
        .collect();
    if let Some(directory) = &opened.keys_in {
        let setting = named.iter().find(|input| input.path == *directory);
        let named_by = setting.map_or(by_default, |input| input.named_by.clone());
        more.push(Input::new(directory, named_by, Kind::Directory));
    }
    named.extend(more);
}

/// The passwords of an identity's key stores.
pub fn of_identity(draft: &Draft<'_>, identity: &Identity) -> Vec<Input> {
    let named_by = draft.named("placements.pkcs12.password");
    let passwords = identity.passwords().filter_map(|source| match source {
        SecretSource::File(path) => Some(Input::file(path, &named_by)),
        _ => None,
    });
    passwords.collect()
}
