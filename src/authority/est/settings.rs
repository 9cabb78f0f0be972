//! The settings of `kind = "est"`, checked: a place that can be asked, a login that is whole.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::authority::connection::{Connection, login, wrong};
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

/// `[ca.<name>]` with `kind = "est"`, beside the keys of the connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The additional path segment that selects one of the server's profiles or CAs.
    pub label: Option<String>,
    /// The user name for HTTP Basic.
    pub username: Option<String>,
    /// Where its password comes from.
    pub password: Option<SecretSource>,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    /// Up to and with `/.well-known/est` and the label, without a slash at its end.
    pub base: Url,
    pub basic: Option<(String, SecretSource)>,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        let connection = Connection::read(settings, None)?;
        Ok(Self {
            name: settings.name.to_owned(),
            base: base(&connection.url, words.label.as_deref())?,
            connection,
            basic: login(
                settings,
                words.username,
                words.password,
                ["username", "password"],
            )?,
        })
    }

    /// Where the passwords come from.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.basic.iter().map(|(_, source)| source.clone()));
        secrets
    }
}

/// RFC 7030 section 3.2.2: `/.well-known/est`, then perhaps one label.
fn base(url: &Url, label: Option<&str>) -> Result<Url, SettingsError> {
    let mut url = url.clone();
    let mut path = url.path().trim_end_matches('/').to_owned();
    if !path.contains("/.well-known/est") {
        path += "/.well-known/est";
    }
    if let Some(label) = label {
        // What a URL would take for something else, or leave out.
        let special = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '%') || c.is_control();
        if matches!(label, "" | "." | "..") || label.contains(special) {
            return Err(wrong(
                "label",
                "it must be one path segment, without / \\ ? # %",
            ));
        }
        path = format!("{path}/{label}");
    }
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(table: &str) -> Result<Checked, SettingsError> {
        Checked::read(&Settings {
            name: "lab",
            table: table.parse().unwrap(),
            anchors: &[vec![1]],
            directory: Path::new("/etc/certbake"),
            now: time::OffsetDateTime::UNIX_EPOCH,
            environment: &|_| None,
            on_wait: None,
        })
    }

    fn fault(table: &str) -> SettingsError {
        read(table).err().unwrap()
    }

    #[test]
    fn the_well_known_path_and_the_label_are_added_once() {
        for (url, label, expected) in [
            (
                "https://ca.lab:8443",
                "",
                "https://ca.lab:8443/.well-known/est",
            ),
            ("https://ca.lab/", "", "https://ca.lab/.well-known/est"),
            (
                "https://ca.lab/.well-known/est/",
                "dev",
                "https://ca.lab/.well-known/est/dev",
            ),
            (
                "https://lab/proxied",
                "a b",
                "https://lab/proxied/.well-known/est/a%20b",
            ),
        ] {
            let label = (!label.is_empty()).then_some(label);
            let url = Url::parse(url).unwrap();
            assert_eq!(base(&url, label).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_label_that_would_change_the_path_is_refused() {
        let url = Url::parse("https://ca.lab").unwrap();
        for label in [
            "", ".", "..", "a/b", "a\\b", "..\\x", "a?b", "a#b", "%2e", "a\tb",
        ] {
            let error = base(&url, Some(label)).unwrap_err();
            assert_eq!(error.key, "label", "{label:?}");
        }
    }

    #[test]
    fn a_login_is_whole_and_its_password_is_never_written_out() {
        let url = "url = 'https://ca.lab'\n";
        assert_eq!(fault(&format!("{url}username = 'bob'")).key, "password");
        assert_eq!(fault(&format!("{url}password = 'env:P'")).key, "username");
        let error = fault(&format!("{url}username = 'bob'\npassword = 'xyzzy-canary'"));
        assert!(!error.to_string().contains("xyzzy"), "{error}");
        assert!(error.reason.contains("env:NAME"), "{error}");
    }

    #[test]
    fn a_relative_password_file_starts_where_the_configuration_stands() {
        let checked =
            read("url = 'https://ca.lab'\nusername = 'bob'\npassword = 'file:pw'").unwrap();
        assert_eq!(
            checked.basic.unwrap().1.to_string(),
            "file:/etc/certbake/pw"
        );
    }

    #[test]
    fn an_unknown_key_is_told_with_all_that_are_allowed() {
        let error = fault("url = 'https://ca.lab'\nlabl = 'x'");
        assert!(error.reason.contains("`label`"), "{error}");
        assert!(error.reason.contains("`url`"), "{error}");
    }
}
