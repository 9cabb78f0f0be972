//! From `[ca.<name>]` and the `--ca-…` flags to an authority that is ready to be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use toml::Value;

use super::draft::{Draft, origin_of};
use super::{Outside, relative_to};
use crate::authority::{CATALOGUE, Entry, Opened, Settings, SettingsError};
use crate::cli::args::provision::{Args, CaArgs};
use crate::cli::file;
use crate::cli::source::{Source, in_words};
use crate::cli::usage::{UsageError, did_you_mean};
use crate::pki::{Anchors, Certificate, pem};

/// Authorities by name; each is opened once, so that identities share its connections.
pub struct Authorities<'a> {
    args: &'a CaArgs,
    matches: &'a ArgMatches,
    source: Option<&'a Source>,
    outside: &'a Outside<'a>,
    opened: BTreeMap<String, (Opened, Option<Anchors>)>,
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
        args: &'a Args,
        matches: &'a ArgMatches,
        source: Option<&'a Source>,
        outside: &'a Outside<'a>,
    ) -> Self {
        Self {
            args: &args.ca,
            matches,
            source,
            outside,
            opened: BTreeMap::new(),
        }
    }

    /// The authority that an identity names, with the anchors pinned for it.
    ///
    /// # Errors
    /// A name or kind that is not there, or settings that cannot be used.
    pub fn open(&mut self, draft: &Draft<'_>) -> Result<(Opened, Option<Anchors>), UsageError> {
        let name = self.name(draft)?;
        if let Some(opened) = self.opened.get(&name) {
            return Ok(opened.clone());
        }
        let words = self.words(name)?;
        let opened = self.open_words(&words)?;
        self.opened.insert(words.name, opened.clone());
        Ok(opened)
    }

    fn name(&self, draft: &Draft<'_>) -> Result<String, UsageError> {
        if let Some(name) = self.args.ca.as_ref().or(draft.identity.ca.as_ref()) {
            return Ok(name.clone());
        }
        let names: Vec<&String> = self
            .source
            .iter()
            .flat_map(|source| source.file.ca.keys())
            .collect();
        match names.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(draft
                .error("ca", "no authority is described")
                .hint("add a [ca.NAME] table, or give --ca")),
            several => {
                let several: Vec<_> = several.iter().map(|name| name.as_str()).collect();
                Err(draft
                    .error("ca", "which authority is meant is not said")
                    .hint(format!("set ca = \"…\" to one of: {}", several.join(", "))))
            }
        }
    }

    fn words(&self, name: String) -> Result<Words, UsageError> {
        let mut words = match self.source.and_then(|source| source.file.ca.get(&name)) {
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
                name,
            },
            None if find(&name).is_some() => Words {
                kind: name.clone(),
                name,
                anchors: None,
                table: toml::Table::new(),
                origins: BTreeMap::new(),
            },
            None => return Err(self.unknown(&name)),
        };
        self.lay_flags_over(&mut words)?;
        Ok(words)
    }

    fn unknown(&self, name: &str) -> UsageError {
        let described = self
            .source
            .iter()
            .flat_map(|source| source.file.ca.keys().map(String::as_str));
        let all: Vec<&str> = described
            .chain(CATALOGUE.iter().map(|entry| entry.kind))
            .collect();
        let meant = did_you_mean(name, all.iter().copied())
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        UsageError::new(
            origin_of(self.matches, "ca").unwrap_or_else(|| "ca".to_owned()),
            format!("`{name}` is neither a [ca.{name}] table nor a kind of authority"),
        )
        .hint(format!("{meant}there are: {}", all.join(", ")))
    }

    fn lay_flags_over(&self, words: &mut Words) -> Result<(), UsageError> {
        let path = |path: &PathBuf| {
            std::path::absolute(path)
                .unwrap_or_else(|_| path.clone())
                .display()
                .to_string()
        };
        let args = self.args;
        for (id, key, value) in [
            ("ca_url", "url", args.ca_url.clone()),
            ("ca_trust", "trust", args.ca_trust.clone()),
            ("ca_user", "username", args.ca_user.clone()),
            ("ca_password", "password", args.ca_password.clone()),
            (
                "ca_cert",
                "client_certificate",
                args.ca_cert.as_ref().map(path),
            ),
            ("ca_key", "client_key", args.ca_key.as_ref().map(path)),
            ("ca_label", "label", args.ca_label.clone()),
            ("ca_dir", "dir", args.ca_dir.as_ref().map(path)),
        ] {
            if let Some(value) = value {
                words.table.insert(key.to_owned(), Value::String(value));
                words.origins.insert(
                    key.to_owned(),
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

    fn open_words(&self, words: &Words) -> Result<(Opened, Option<Anchors>), UsageError> {
        let entry = find(&words.kind).ok_or_else(|| {
            let kinds: Vec<_> = CATALOGUE.iter().map(|entry| entry.kind).collect();
            let meant = did_you_mean(&words.kind, kinds.iter().copied())
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default();
            self.error(
                words,
                "kind",
                format!("`{}` is not a kind of authority", words.kind),
            )
            .hint(format!("{meant}there are: {}", kinds.join(", ")))
        })?;
        let anchors = words
            .anchors
            .as_deref()
            .map(read_anchors)
            .transpose()
            .map_err(|reason| self.error(words, "anchors", reason))?;
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
        let opened = (entry.open)(&settings).map_err(|SettingsError { key, reason }| {
            let unknown = reason
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next());
            let key = match unknown {
                Some(unknown) if key.is_empty() => unknown.to_owned(),
                Some(unknown) => format!("{key}.{unknown}"),
                None => key,
            };
            let (reason, hint) = in_words(&reason);
            self.error(words, &key, reason).hint(hint)
        })?;
        Ok((opened, anchors))
    }

    fn error(&self, words: &Words, key: &str, reason: impl Into<String>) -> UsageError {
        if let Some(origin) = words.origins.get(key) {
            return UsageError::new(origin.clone(), reason);
        }
        match self.source {
            Some(source) if source.file.ca.contains_key(&words.name) => {
                let mut keys = vec!["ca", words.name.as_str()];
                keys.extend(key.split('.').filter(|part| !part.is_empty()));
                source.error(&keys, reason)
            }
            _ => UsageError::new(format!("--ca {}", words.kind), reason),
        }
    }
}

fn find(kind: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.kind == kind)
}

fn read_anchors(path: &Path) -> Result<Anchors, String> {
    let text =
        std::fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    let certificates = pem::certificates(&text)
        .map_err(|error| format!("reading {}: {error}", path.display()))?
        .into_iter()
        .map(Certificate::from_der)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("reading {}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{} holds no PEM certificate", path.display()));
    }
    Ok(Anchors::new(certificates))
}
