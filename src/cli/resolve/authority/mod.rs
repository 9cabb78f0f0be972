//! From `[ca.<name>]` and the `--ca-…` flags to an authority that is ready to be asked.

mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use toml::Value;

use super::draft::{Draft, origin_of};
use super::inputs::{self, Input};
use super::{Outside, relative_to};
use crate::authority::{CATALOGUE, Entry, Settings};
use crate::choice::advice;
use crate::cli::args::provision::CaArgs;
use crate::cli::file;
use crate::cli::source::Source;
use crate::cli::usage::UsageError;
use crate::command::provision::Candidate;
use crate::os_error;
use crate::pki::{Anchors, pem};
use crate::secret_source::SecretSource;

/// Flags that set a key of an authority's table, and which.
pub const FLAGS: [(&str, &str); 8] = [
    ("ca_url", "url"),
    ("ca_trust", "trust"),
    ("ca_user", "username"),
    ("ca_password", "password"),
    ("ca_cert", "client_certificate"),
    ("ca_key", "client_key"),
    ("ca_label", "label"),
    ("ca_dir", "dir"),
];

/// Whether the CAs are described by flags alone: `--ca KIND --ca-url …`.
pub fn by_flags(args: &CaArgs) -> bool {
    !args.ca.is_empty() && args.ca.iter().all(|name| find(name).is_some())
}

/// Authorities by name; each is opened once, so that identities share its connections.
pub struct Authorities<'a> {
    args: &'a CaArgs,
    matches: &'a ArgMatches,
    source: Option<&'a Source>,
    outside: &'a Outside<'a>,
    opened: BTreeMap<String, Candidate>,
    /// What those that are open read.
    inputs: Vec<Input>,
}

/// One `[ca.<name>]` with the flags laid over it.
struct Words {
    name: String,
    kind: String,
    anchors: Option<PathBuf>,
    table: toml::Table,
    /// Settings that a flag or variable set, by which.
    origins: BTreeMap<String, String>,
}

impl<'a> Authorities<'a> {
    pub fn new(
        args: &'a CaArgs,
        matches: &'a ArgMatches,
        source: Option<&'a Source>,
        outside: &'a Outside<'a>,
    ) -> Self {
        Self {
            args,
            matches,
            source,
            outside,
            opened: BTreeMap::new(),
            inputs: Vec::new(),
        }
    }

    /// The files that those opened so far read.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The authorities that an identity names, in their order, with the anchors pinned for each.
    ///
    /// # Errors
    /// A name or kind that is not there, or settings that cannot be used.
    pub fn open(&mut self, draft: &Draft<'_>) -> Result<Vec<Candidate>, UsageError> {
        let names = self.names(draft)?;
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(self
                    .about_names(draft, format!("`{name}` is given twice"))
                    .hint("remove one: each CA is tried once, in the given order"));
            }
        }
        self.one_by_flags(&names)?;
        names
            .iter()
            .map(|name| {
                if self.is_known(name) {
                    self.named(name)
                } else {
                    Err(self.unknown(name, |reason| self.about_names(draft, reason)))
                }
            })
            .collect()
    }

    pub fn is_known(&self, name: &str) -> bool {
        let described = self
            .source
            .is_some_and(|source| source.file.ca.contains_key(name));
        described || find(name).is_some()
    }

    /// The authority of this name, or of this kind.
    ///
    /// # Errors
    /// When it is neither, or its settings cannot be used.
    pub fn named(&mut self, name: &str) -> Result<Candidate, UsageError> {
        if let Some(opened) = self.opened.get(name) {
            return Ok(opened.clone());
        }
        let words = self.words(name)?;
        let opened = self.open_words(&words)?;
        self.inputs.extend(self.inputs_of(&words, &opened));
        self.opened.insert(words.name, opened.clone());
        Ok(opened)
    }

    fn inputs_of(&self, words: &Words, candidate: &Candidate) -> Vec<Input> {
        let named_by = |keys: &[&str]| match (words.origins.get(keys[0]), self.source) {
            (Some(origin), _) => origin.clone(),
            (None, Some(source)) => source.named(&[&["ca", &words.name], keys].concat()),
            (None, None) => keys.join("."),
        };
        let directory = self.source.map_or(Path::new("."), Source::directory);
        let mut inputs = inputs::of_table((&words.name, &words.table), directory, named_by);
        let anchors = words.anchors.as_ref();
        inputs.extend(anchors.map(|path| Input::file(path, named_by(&["anchors"]))));
        inputs::of_opened(&candidate.opened, &words.name, &mut inputs);
        inputs
    }

    /// What a flag says of an authority cannot be meant for several, of one identity or of all.
    fn one_by_flags(&self, names: &[String]) -> Result<(), UsageError> {
        let all: BTreeSet<_> = names.iter().chain(self.opened.keys()).collect();
        if all.len() < 2 {
            return Ok(());
        }
        let single = FLAGS.iter().map(|(id, _)| *id);
        let given = single
            .chain(["ca_anchors", "ca_set"])
            .find_map(|id| origin_of(self.matches, id));
        match given {
            Some(origin) => {
                let all: Vec<_> = all.iter().map(|name| format!("`{name}`")).collect();
                let all = all.join(", ");
                Err(UsageError::new(
                    origin,
                    format!("describes one CA, but several are used: {all}"),
                )
                .hint("describe each as [ca.NAME] in the configuration file"))
            }
            None => Ok(()),
        }
    }

    fn names(&self, draft: &Draft<'_>) -> Result<Vec<String>, UsageError> {
        for names in [&self.args.ca, &draft.identity.ca.0] {
            if !names.is_empty() {
                return Ok(names.clone());
            }
        }
        let names: Vec<&String> = self
            .source
            .iter()
            .flat_map(|source| source.file.ca.keys())
            .collect();
        match names.as_slice() {
            [one] => Ok(vec![(*one).clone()]),
            [] => Err(draft
                .error("ca", "no CA is configured")
                .hint("add a [ca.NAME] table, or give --ca")),
            several => {
                let several: Vec<_> = several.iter().map(|name| name.as_str()).collect();
                Err(draft
                    .error("ca", "there are several CAs, and none is chosen")
                    .hint(format!("set ca = \"…\" to one of: {}", several.join(", "))))
            }
        }
    }

    /// An error about the names themselves, wherever they were written.
    fn about_names(&self, draft: &Draft<'_>, reason: String) -> UsageError {
        match origin_of(self.matches, "ca") {
            Some(origin) => UsageError::new(origin, reason),
            None => draft.error("ca", reason),
        }
    }

    fn words(&self, name: &str) -> Result<Words, UsageError> {
        let mut words = match self.source.and_then(|source| source.file.ca.get(name)) {
            Some(file::Ca {
                kind,
                anchors,
                settings,
            }) => Words {
                kind: kind.clone(),
                anchors: anchors.as_ref().map(|path| {
                    relative_to(self.source.map_or(Path::new("."), Source::directory), path)
                }),
                table: settings.clone(),
                origins: BTreeMap::new(),
                name: name.to_owned(),
            },
            None if find(name).is_some() => Words {
                kind: name.to_owned(),
                name: name.to_owned(),
                anchors: None,
                table: toml::Table::new(),
                origins: BTreeMap::new(),
            },
            None => return Err(self.unknown(name, |reason| UsageError::new("--ca", reason))),
        };
        self.lay_flags_over(&mut words)?;
        Ok(words)
    }

    pub fn unknown(&self, name: &str, wrong: impl Fn(String) -> UsageError) -> UsageError {
        let described = self
            .source
            .iter()
            .flat_map(|source| source.file.ca.keys().map(String::as_str));
        let all = described.chain(CATALOGUE.iter().map(|entry| entry.kind));
        wrong(format!(
            "`{name}` is neither a [ca.{name}] table nor a kind of authority"
        ))
        .hint(advice(name, "there are", all))
    }

    fn lay_flags_over(&self, words: &mut Words) -> Result<(), UsageError> {
        let path = |path: &PathBuf| {
            std::path::absolute(path)
                .unwrap_or_else(|_| path.clone())
                .display()
                .to_string()
        };
        let args = self.args;
        let values = [
            args.ca_url.clone(),
            args.ca_trust
                .as_deref()
                .map(|text| self.seen_from_here(text)),
            args.ca_user.clone(),
            args.ca_password
                .as_deref()
                .map(|text| self.seen_from_here(text)),
            args.ca_cert.as_ref().map(path),
            args.ca_key.as_ref().map(path),
            args.ca_label.clone(),
            args.ca_dir.as_ref().map(path),
        ];
        for ((id, key), value) in FLAGS.iter().zip(values) {
            if let Some(value) = value {
                words.table.insert((*key).to_owned(), Value::String(value));
                words.origins.insert(
                    (*key).to_owned(),
                    origin_of(self.matches, id).unwrap_or_default(),
                );
            }
        }
        for setting in &args.ca_set {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                UsageError::new("--ca-set", "a setting is KEY=VALUE")
                    .hint("for example --ca-set label=devices")
            })?;
            let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
                .ok()
                .and_then(|mut table| table.remove("v"))
                .unwrap_or_else(|| Value::String(value.to_owned()));
            words.table.insert(key.to_owned(), value);
            words
                .origins
                .insert(key.to_owned(), format!("--ca-set {key}"));
        }
        if let Some(anchors) = &args.ca_anchors {
            words.anchors = Some(anchors.clone());
            words.origins.insert(
                "anchors".to_owned(),
                origin_of(self.matches, "ca_anchors").unwrap_or_default(),
            );
        }
        Ok(())
    }

    /// A place on the command line, in a table whose paths start at the file's directory.
    fn seen_from_here(&self, text: &str) -> String {
        let directory = self.source.map_or(Path::new("."), Source::directory);
        let here = std::path::absolute(".").unwrap_or_default();
        match text.parse::<SecretSource>() {
            Ok(place) if directory != Path::new(".") => place.relative_to(&here).written(),
            _ => text.to_owned(),
        }
    }

    fn open_words(&self, words: &Words) -> Result<Candidate, UsageError> {
        let entry = find(&words.kind).ok_or_else(|| {
            let kinds = CATALOGUE.iter().map(|entry| entry.kind);
            self.error(
                words,
                "kind",
                format!("`{}` is not a kind of authority", words.kind),
            )
            .hint(advice(&words.kind, "there are", kinds))
        })?;
        let anchors = words
            .anchors
            .as_deref()
            .map(read_anchors)
            .transpose()
            .map_err(|reason| {
                self.error(words, "anchors", reason)
                    .hint(if words.kind == "embedded" {
                        "leave anchors out until the CA exists: it supplies its own root"
                    } else {
                        "give a PEM file, readable by this user, of the roots to which its certificates must chain"
                    })
            })?;
        let ders: Vec<Vec<u8>> = anchors
            .iter()
            .flat_map(Anchors::certificates)
            .map(|anchor| anchor.der().to_vec())
            .collect();
        let settings = Settings {
            name: &words.name,
            table: words.table.clone(),
            anchors: &ders,
            directory: self.source.map_or(Path::new("."), Source::directory),
            now: self.outside.now,
            environment: self.outside.environment,
            on_wait: self.outside.on_wait.clone(),
        };
        let opened = (entry.open)(&settings).map_err(|error| self.unusable(words, error))?;
        Ok(Candidate { opened, anchors })
    }
}

fn find(kind: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.kind == kind)
}

fn read_anchors(path: &Path) -> Result<Anchors, String> {
    let reading = |reason| format!("reading {}: {reason}", path.display());
    let text = std::fs::read(path).map_err(|error| reading(os_error::in_words(&error)))?;
    let roots = pem::required_parsed(&text).map_err(reading)?;
    Ok(Anchors::new(roots))
}
