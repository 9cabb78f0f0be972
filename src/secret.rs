//! A value that must never be seen: no `Display`, a `Debug` that prints `***`, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that must not reach a log, an error, a report or a record.
///
/// There is no way to print one; [`Secret::expose`] is the only way in, so `grep expose` lists
/// every place where a secret is used.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Call it where the secret is consumed, never to store a copy.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as UTF-8, for protocols whose credentials are text.
    ///
    /// # Errors
    /// The error carries no part of the secret.
    pub fn expose_str(&self) -> Result<&str, NotText> {
        std::str::from_utf8(&self.0).map_err(|_| NotText)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

/// A secret that was to be used as text is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the secret is not UTF-8 text")]
pub struct NotText;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_a_secret() {
        let secret = Secret::from("xyzzy-canary".to_owned());
        assert_eq!(
            format!("{secret:?} {:#?}", Some(&secret)),
            "*** Some(\n    ***,\n)"
        );
    }
}
