//! A value in the settings that is either text or the place of a secret.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::secret_source::SecretSource;

/// `"text"`, `{ text = "…" }`, or `{ secret = "env:NAME", prefix = "…" }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Given {
    Text(String),
    Secret {
        source: SecretSource,
        /// Stands before the secret, such as `Token `.
        prefix: String,
    },
}

impl Given {
    pub const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Text(_) => None,
            Self::Secret { source, .. } => Some(source),
        }
    }

    #[must_use]
    pub fn relative_to(self, directory: &std::path::Path) -> Self {
        match self {
            Self::Secret { source, prefix } => Self::Secret {
                source: source.relative_to(directory),
                prefix,
            },
            text @ Self::Text(_) => text,
        }
    }
}

const EXPECTED: &str = "text, { secret = \"env:NAME\" } or { text = \"…\" }";

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Given, E> {
                // Sent as it stands, it would be a password that is no password.
                if text.parse::<SecretSource>().is_ok() {
                    return Err(E::custom(
                        "a secret belongs here: write { secret = \"…\" }, or, for the \
                         text itself, { text = \"…\" }",
                    ));
                }
                Ok(Given::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Given, A::Error> {
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Table {
                    text: Option<String>,
                    secret: Option<SecretSource>,
                    prefix: Option<String>,
                }
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match (table.text, table.secret, table.prefix) {
                    (Some(text), None, None) => Ok(Given::Text(text)),
                    (None, Some(source), prefix) => Ok(Given::Secret {
                        source,
                        prefix: prefix.unwrap_or_default(),
                    }),
                    _ => Err(de::Error::custom(format!("it is {EXPECTED}"))),
                }
            }
        }

        deserializer.deserialize_any(Words)
    }
}

impl JsonSchema for Given {
    fn schema_name() -> Cow<'static, str> {
        "Given".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let source = generator.subschema_for::<SecretSource>();
        json_schema!({
            "description": "Text, or where a secret comes from.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "text": { "type": "string" } },
                    "required": ["text"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "secret": source,
                        "prefix": { "description": "Text before the secret.", "type": "string" },
                    },
                    "required": ["secret"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Given, String> {
        #[derive(serde::Deserialize)]
        struct Table {
            v: Given,
        }
        toml::from_str::<Table>(&format!("v = {value}"))
            .map(|table| table.v)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn text_and_secrets_are_told_apart() {
        assert_eq!(read("'x y'").unwrap(), Given::Text("x y".to_owned()));
        assert_eq!(
            read("{ text = 'file:x' }").unwrap(),
            Given::Text("file:x".to_owned())
        );
        assert_eq!(
            read("{ secret = 'env:T', prefix = 'Token ' }").unwrap(),
            Given::Secret {
                source: "env:T".parse().unwrap(),
                prefix: "Token ".to_owned()
            }
        );
    }

    #[test]
    fn a_place_written_as_text_is_no_password() {
        let error = read("'env:TOKEN'").unwrap_err();
        assert!(error.contains("{ secret = "), "{error}");
        assert!(read("{ secret = 'xyzzy' }").is_err());
        assert!(read("{ text = 'a', secret = 'env:T' }").is_err());
        assert!(read("7").is_err());
    }
}
