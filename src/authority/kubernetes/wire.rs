//! The JSON of `certificates.k8s.io/v1` and `authorization.k8s.io/v1`, and `metav1.Status` in words.

use data_encoding::{BASE64, DecodeError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authority::{AuthorityError, answer};
use crate::net::{Request, Response};

/// Below the API server's URL.
pub const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
pub const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// `CertificateSigningRequest`, as it is created.
pub struct Wanted<'a> {
    pub name: &'a str,
    /// PEM.
    pub request: &'a str,
    pub signer: &'a str,
    pub expiration_seconds: Option<i64>,
    pub usages: &'a [String],
}

impl Wanted<'_> {
    pub fn json(&self) -> Vec<u8> {
        let mut spec = json!({
            "request": BASE64.encode(self.request.as_bytes()),
            "signerName": self.signer,
            "usages": self.usages,
        });
        if let Some(seconds) = self.expiration_seconds {
            spec["expirationSeconds"] = seconds.into();
        }
        json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": { "name": self.name },
            "spec": spec,
        })
        .to_string()
        .into_bytes()
    }
}

/// `CertificateSigningRequest`, as it stands in the cluster.
#[derive(Deserialize)]
pub struct Standing {
    kind: String,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    request: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
    certificate: Option<String>,
}

#[derive(Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub message: String,
}

impl Standing {
    pub fn is_one(&self) -> bool {
        self.kind == "CertificateSigningRequest"
    }

    /// It holds this request (PEM), and not somebody else's of the same name.
    pub fn is_for(&self, request: &str) -> bool {
        self.spec.request == BASE64.encode(request.as_bytes())
    }

    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        let conditions = &self.status.conditions;
        conditions.iter().find(|condition| condition.kind == kind)
    }

    /// PEM, the leaf first, once the signer has put it there; `Err` when it is not base64.
    pub fn certificates(&self) -> Option<Result<Vec<u8>, DecodeError>> {
        let base64 = self.status.certificate.as_deref();
        let base64 = base64.filter(|base64| !base64.is_empty())?;
        Some(BASE64.decode(base64.as_bytes()))
    }
}

/// `SelfSubjectAccessReview` of one verb on certificate signing requests.
pub fn review(verb: &str) -> Vec<u8> {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": verb,
        }},
    })
    .to_string()
    .into_bytes()
}

#[derive(Deserialize)]
pub struct Reviewed {
    pub status: Verdict,
}

#[derive(Deserialize)]
pub struct Verdict {
    pub allowed: bool,
    #[serde(default)]
    pub reason: String,
}

/// `metav1.Status`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    reason: String,
    message: String,
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Value>,
}

const NO_API: &str =
    "check that the URL is that of an API server with certificates.k8s.io/v1 (1.19 or later)";

/// An answer that is no success, in the server's words and with what to do about it.
pub fn turned_down(
    what: &str,
    request: &Request,
    response: &Response,
    who: &str,
) -> AuthorityError {
    let error = answer::turned_down(what, request, response, who);
    let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
    let hint = match failure.reason.as_str() {
        "Unauthorized" => {
            format!(
                "certbake presented {who}, which the API server does not accept: it may have expired"
            )
        }
        "Forbidden" if failure.message.contains("system:masters") => {
            "Kubernetes signs no certificate for the group system:masters: ask for another organization"
                .to_owned()
        }
        // Either nothing was shown, or what stands in front of the API server kept it.
        "Forbidden" if failure.message.contains("\"system:anonymous\"") => format!(
            "the API server saw no login, and certbake presented {who}: log in by a token or a client \
             certificate; grant nothing to system:anonymous"
        ),
        // The path is nothing of the API, so a rule about paths was asked.
        "Forbidden" if failure.message.contains(" path \"/") => NO_API.to_owned(),
        "Forbidden" => format!(
            "certbake presented {who}: grant the user named above that verb, as in kubectl create clusterrole \
             certbake --verb=create,get --resource=certificatesigningrequests.certificates.k8s.io"
        ),
        "Invalid" | "BadRequest" => {
            "the API server does not accept this request as it is: check signer, usages and lifetime"
                .to_owned()
        }
        // Where no API is, it says so in plain text.
        _ if response.status == 404 => NO_API.to_owned(),
        _ => return error,
    };
    let causes: Vec<String> = failure
        .details
        .causes
        .iter()
        .filter_map(|cause| {
            let field = cause
                .get("field")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let message = cause.get("message")?.as_str()?;
            crate::line::sanitized(format!("{field}: {message}").as_bytes(), 200)
        })
        .collect();
    answer::told(error, |finding| {
        let finding = finding.fact("reason", failure.reason.clone()).hint(hint);
        if causes.is_empty() {
            finding
        } else {
            finding.fact("causes", causes)
        }
    })
}
