//! Settings of an authority that cannot be used: where they were written, and what is allowed there.

use super::{Authorities, FLAGS, Words};
use crate::authority::SettingsError;
use crate::cli::usage::UsageError;
use crate::toml_fault::{About, in_words};

impl Authorities<'_> {
    pub(super) fn unusable(
        &self,
        words: &Words,
        SettingsError { key, reason }: SettingsError,
    ) -> UsageError {
        let about = About::of(&reason);
        let key = match about {
            About::UnknownKey(unknown) if key.is_empty() => unknown.to_owned(),
            About::UnknownKey(unknown) => format!("{key}.{unknown}"),
            _ => key,
        };
        let is_unknown = matches!(about, About::UnknownKey(_));
        let by_flag = is_unknown && words.origins.contains_key(&key);
        // The keys that every kind has are read before, and so are not among those that serde names.
        let (said, hint) = if is_unknown && !by_flag && !key.contains('.') {
            in_words(&format!("{reason}, `kind`, `anchors`"))
        } else {
            in_words(&reason)
        };
        let (said, hint) = match about {
            About::UnknownKey(_) if by_flag => (
                format!("a CA of kind {} has no setting `{key}`", words.kind),
                hint,
            ),
            About::MissingKey(key) => (
                format!("the setting `{key}` is missing"),
                format!(
                    "give {}, or `{key}` in the [ca.NAME] table",
                    flag_of(key, "=…")
                ),
            ),
            _ => (said, hint),
        };
        let hint = match about {
            About::Other => hint,
            _ => format!(
                "{hint}; `certbake authorities {}` explains each",
                words.kind
            ),
        };
        self.error(words, &key, said).hint(hint)
    }

    pub(super) fn error(&self, words: &Words, key: &str, reason: impl Into<String>) -> UsageError {
        if let Some(origin) = words.origins.get(key) {
            return UsageError::new(origin.clone(), reason);
        }
        match self.source {
            Some(source) if source.file.ca.contains_key(&words.name) => {
                let mut keys = vec!["ca", words.name.as_str()];
                keys.extend(key.split('.').filter(|part| !part.is_empty()));
                source.error(&keys, reason)
            }
            _ if key.is_empty() => UsageError::new(format!("--ca {}", words.kind), reason),
            _ => UsageError::new(flag_of(key, ""), reason),
        }
    }
}

/// The flag that gives a key a value; the common one shows the form of a value by its end.
fn flag_of(key: &str, end: &str) -> String {
    let flag = FLAGS.iter().find(|(_, of)| *of == key);
    flag.map_or_else(
        || format!("--ca-set {key}{end}"),
        |(id, _)| format!("--{}", id.replace('_', "-")),
    )
}
