//! The kinds of authorities as people and programs see them: what each is, can do and takes.

use schemars::JsonSchema;
use serde::Serialize;

/// What `certbake authorities` says. `schema` is 1; fields are added, never renamed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Listing {
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    pub command: &'static str,
    pub certbake: &'static str,
    pub authorities: Vec<Kind>,
}

/// A kind of authority.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Kind {
    /// As in `kind = "est"` and `--ca est`.
    pub kind: &'static str,
    pub summary: &'static str,
    /// What it can do beside issuing: `renew`, `preflight`, `revoke`.
    pub abilities: Vec<&'static str>,
    /// Where its documentation is.
    pub page: String,
    /// A configuration to begin with.
    pub example: String,
    pub settings: Vec<Setting>,
}

/// A key of `[ca.NAME]`.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Setting {
    pub key: String,
    /// In words: `text`, `duration`, `secret source`, `` `a` or `b` ``.
    #[serde(rename = "type")]
    pub of: String,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The flag that sets it; every other is set by `--ca-set KEY=VALUE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// It is about the connection, and the same for every kind that is asked over HTTP.
    pub connection: bool,
    pub meaning: String,
}
