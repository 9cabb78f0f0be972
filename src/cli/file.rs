//! `certbake.toml` as it is written: one struct per table, unknown keys refused. The JSON Schema for
//! editors is made from these structs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer};
use serde_json::json;

use crate::pki::key::KeyAlgorithm;
use crate::pki::path::Usage;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// The whole file.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The certificate authorities, each under a name of your choice.
    #[serde(default)]
    pub ca: BTreeMap<String, Ca>,
    /// The identities that the image carries, each under its name.
    #[serde(default)]
    pub identity: BTreeMap<String, Identity>,
}

/// `[ca.<name>]`: an authority. Which further keys it takes depends on `kind`; see
/// `docs/authorities/`.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
pub struct Ca {
    /// Which authority this is: `certbake authorities` lists the kinds.
    pub kind: String,
    /// PEM file of the roots to which this CA's certificates must chain.
    pub anchors: Option<PathBuf>,
    /// The authority's own settings.
    #[serde(flatten)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub settings: toml::Table,
}

/// `[identity.<name>]`: one named certificate.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name of a `[ca.<name>]` table, or several that are tried in this order when one cannot be
    /// reached; may be left out when there is only one table.
    #[serde(default)]
    pub ca: CaNames,
    pub common_name: Option<String>,
    pub organization: Option<String>,
    pub organizational_unit: Option<String>,
    /// Two letters (ISO 3166).
    pub country: Option<String>,
    pub state: Option<String>,
    pub locality: Option<String>,
    /// DNS subject alternative names.
    #[serde(default)]
    pub dns: Vec<String>,
    /// IP address subject alternative names.
    #[serde(default)]
    pub ip: Vec<String>,
    /// URI subject alternative names, `spiffe://…` among them.
    #[serde(default)]
    pub uri: Vec<String>,
    /// Email subject alternative names.
    #[serde(default)]
    pub email: Vec<String>,
    /// Default `ecdsa-p256`.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// What the certificate is for; default `client`.
    pub usage: Option<Usage>,
    /// The lifetime to ask for: `30d`. Left out, the authority decides.
    pub ttl: Option<Span>,
    /// The floor: the least validity that the build accepts, `21d` or `66%` of the lifetime.
    #[schemars(extend("pattern" = r"^(([0-9]+[wdhms])+|0*([1-9][0-9]?|100)%)$"))]
    pub min_validity: Option<String>,
    /// The floor derived from stated facts, instead of `min_validity`.
    pub use_by: Option<BTreeMap<String, Span>>,
    /// A certificate that is valid for longer than this is refused.
    pub max_validity: Option<Span>,
    /// What to do when the authority grants less than `ttl`; default `fail`.
    pub on_shortened: Option<OnShortened>,
    /// The maximum difference from the CA's clock; default `5m`.
    pub max_clock_offset: Option<Span>,
    /// How long the whole order may take, waits for approval included; default `2m`.
    pub deadline: Option<Span>,
    /// A copy of the record outside the image.
    pub record: Option<PathBuf>,
    #[serde(default)]
    pub placements: Placements,
}

/// `"lab"`, or `["vault-eu", "vault-us"]`.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(
    inline,
    with = "String",
    transform = one_or_several
)]
pub struct CaNames(pub Vec<String>);

fn one_or_several(schema: &mut schemars::Schema) {
    let names = serde_json::json!({ "anyOf": [
        { "type": "string" },
        { "type": "array", "items": { "type": "string" }, "minItems": 1, "uniqueItems": true },
    ]});
    *schema = schemars::Schema::try_from(names).unwrap_or_default();
}

impl<'de> Deserialize<'de> for CaNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CaNamesVisitor)
    }
}

struct CaNamesVisitor;

impl<'de> de::Visitor<'de> for CaNamesVisitor {
    type Value = CaNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a [ca.NAME] table, or a list of such names")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<CaNames, E> {
        Ok(CaNames(vec![name.to_owned()]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<CaNames, A::Error> {
        let names: Vec<String> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        if names.is_empty() {
            return Err(de::Error::custom("the list of CAs is empty"));
        }
        Ok(CaNames(names))
    }
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnShortened {
    #[default]
    Fail,
    Warn,
}

/// `[identity.<name>.placements]`: what goes where. Each is a path, a table
/// (`{ path, mode, owner, group }`), or a list of them.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placements {
    /// The certificate followed by its intermediates, PEM: what most TLS stacks want to be given.
    #[serde(default)]
    pub full_chain: OneOrMany<Placement>,
    /// The certificate alone, PEM.
    #[serde(default)]
    pub certificate: OneOrMany<Placement>,
    /// The intermediates alone, PEM.
    #[serde(default)]
    pub issuers: OneOrMany<Placement>,
    /// The roots, PEM.
    #[serde(default)]
    pub anchors: OneOrMany<Placement>,
    /// The private key, PKCS#8 PEM; mode 0600 unless stated.
    #[serde(default)]
    pub private_key: OneOrMany<Placement>,
    /// Private key, certificate and intermediates in one PEM file; mode 0600 unless stated.
    #[serde(default)]
    pub combined: OneOrMany<Placement>,
    /// A PKCS#12 key store; mode 0600 unless stated.
    #[serde(default)]
    pub pkcs12: OneOrMany<Pkcs12Placement>,
}

/// One file in the image.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Absolute, inside the image.
    pub path: String,
    /// Octal: `0640`.
    pub mode: Option<String>,
    /// A name in the image's own `/etc/passwd`, or a number.
    pub owner: Option<String>,
    /// A name in the image's own `/etc/group`, or a number.
    pub group: Option<String>,
    /// Allows a private key that is readable by others than its owner and group.
    #[serde(default)]
    pub danger_readable_key: bool,
}

/// A PKCS#12 key store in the image.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pkcs12Placement {
    pub path: String,
    pub mode: Option<String>,
    pub owner: Option<String>,
    pub group: Option<String>,
    #[serde(default)]
    pub danger_readable_key: bool,
    /// Where its password comes from: `env:NAME`, `file:PATH`, `fd:N` or `cmd:…`.
    #[schemars(with = "SecretSource")]
    pub password: String,
    /// `modern` (AES-256, the default) or `legacy` (3DES, for old Java and Windows).
    pub encryption: Option<Pkcs12Encryption>,
    /// The friendly name of the entry; default the identity's name.
    pub alias: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pkcs12Encryption {
    #[default]
    Modern,
    Legacy,
}

/// One or several of something, in the order they are written; one may stand without brackets.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromPath + JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let mut forms = vec![json!(one), json!({ "type": "array", "items": one })];
        if T::MAY_BE_A_PATH {
            forms.insert(0, json!({ "type": "string" }));
        }
        json_schema!({
            "description": "One or several; one may stand without brackets.",
            "anyOf": forms,
        })
    }
}

/// What may stand as a bare path.
pub trait FromPath: Sized {
    const MAY_BE_A_PATH: bool;

    fn from_path(path: String) -> Option<Self>;
}

impl FromPath for Placement {
    const MAY_BE_A_PATH: bool = true;

    fn from_path(path: String) -> Option<Self> {
        Some(Self {
            path,
            ..Self::default()
        })
    }
}

impl FromPath for Pkcs12Placement {
    /// A key store needs a password source.
    const MAY_BE_A_PATH: bool = false;

    fn from_path(_: String) -> Option<Self> {
        None
    }
}

impl<'de, T: FromPath + Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(OneOrManyVisitor(std::marker::PhantomData))
            .map(Self)
    }
}

struct OneOrManyVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: FromPath + Deserialize<'de>> de::Visitor<'de> for OneOrManyVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, a table with `path`, or a list of them")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<Vec<T>, E> {
        T::from_path(path.to_owned())
            .map(|one| vec![one])
            .ok_or_else(|| {
                E::custom("a PKCS#12 file needs a table: { path = …, password = \"env:NAME\" }")
            })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        let lists: Vec<OneOrMany<T>> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(lists.into_iter().flat_map(|list| list.0).collect())
    }
}
