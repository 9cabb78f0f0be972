//! `[ca.<name>]` with `kind = "http"`, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::given::Given;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// Beside the keys of the connection, whose `url` is where every path starts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// For HTTP Basic.
    pub username: Option<String>,
    /// For HTTP Basic, with `username`.
    pub password: Option<SecretSource>,
    /// For `Authorization: Bearer`.
    pub token: Option<SecretSource>,
    /// Sent with every request: text is a template.
    #[serde(default)]
    pub headers: BTreeMap<String, Given>,
    /// Secrets for templates, as `secrets.<name>`, for APIs that need a credential in the body.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The request that has a certificate signed.
    pub request: Call,
    /// Where the certificate is in the answer; without it, the whole answer is the certificate.
    #[serde(default)]
    pub answer: Answer,
    /// When an answer means "later", and where to ask again.
    pub pending: Option<Pending>,
    /// What refusals look like, beyond their status.
    #[serde(default)]
    pub errors: Errors,
    /// The request that renews, with the current certificate as TLS client certificate.
    pub renew: Option<Call>,
    /// The request that revokes a certificate.
    pub revoke: Option<Call>,
    /// A URL whose answer shows that the API is up and accepts the login.
    pub preflight: Option<Look>,
}

/// One request, its values in templates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpCall")]
pub struct Call {
    /// The method [default: POST].
    pub method: Option<String>,
    /// Path and query below `url`; values are percent-encoded.
    #[serde(default)]
    pub path: String,
    /// The type of the body [default: application/json].
    pub content_type: Option<String>,
    /// The body; in JSON a value includes its quotes.
    pub body: Option<String>,
    /// The fields of a form, instead of `body`.
    pub form: Option<BTreeMap<String, String>>,
    /// Statuses that mean success, for `revoke` 204 too [default: [200, 201]].
    pub success: Option<Vec<u16>>,
}

/// JSON pointers (RFC 6901) to PEM, base64 of DER, PKCS#7 of either, or lists of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpAnswer")]
pub struct Answer {
    /// The certificate, or the whole chain.
    pub certificate: Option<String>,
    /// The issuers above it.
    pub chain: Option<String>,
    /// Roots that the API provides, used if no `anchors` are pinned.
    pub anchors: Option<String>,
}

/// A rule, and where to ask again: `location`, else `path`, else the header `Location`, else the
/// place asked before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpPending")]
pub struct Pending {
    /// Statuses that may mean "later".
    #[serde(default)]
    pub status: Vec<u16>,
    /// JSON pointer to a value that is one of `equals`.
    pub pointer: Option<String>,
    /// What that value may be.
    #[serde(default)]
    pub equals: Vec<serde_json::Value>,
    /// JSON pointer to the URL to ask again, absolute or relative.
    pub location: Option<String>,
    /// Template of the path below `url`; `answer` is the answer.
    pub path: Option<String>,
    /// Pause between two polls, if the server sends no `Retry-After` [default: 5s].
    pub interval: Option<Span>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpErrors")]
pub struct Errors {
    /// JSON pointer to the error message.
    pub message: Option<String>,
    /// Answers that mean no, whatever their status.
    pub refused: Option<Rule>,
    /// Answers that mean "try again": certbake retries the request until the deadline.
    pub busy: Option<Rule>,
}

/// Matches when the status is one of `status`, and the value at `pointer` one of `equals`; what is
/// not given is not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpRule")]
pub struct Rule {
    /// Statuses that match.
    pub status: Vec<u16>,
    /// JSON pointer to a value that is one of `equals`.
    pub pointer: Option<String>,
    /// What that value may be.
    pub equals: Vec<serde_json::Value>,
}

/// A GET that must be answered with 2xx.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpLook")]
pub struct Look {
    /// Path and query below `url`.
    pub path: String,
}
