//! The JSON of `google.cloud.security.privateca.v1`, by the names of its published proto.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::authority::{AuthorityError, answer};
use crate::net::{Request, Response};
use crate::pki::{Certificate, pem};
use crate::span::Span;

/// `Certificate`, what is asked of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted<'a> {
    pub pem_csr: String,
    /// `google.protobuf.Duration`: seconds with an `s`.
    pub lifetime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_template: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: &'a BTreeMap<String, String>,
}

/// `Certificate`, what comes of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    pub pem_certificate: String,
    /// Issuer to root.
    #[serde(default)]
    pub pem_certificate_chain: Vec<String>,
}

/// `Certificate` of a `validateOnly` request: without `pemCertificate`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    certificate_description: Option<Description>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    subject_description: Option<SubjectDescription>,
}

#[derive(Deserialize)]
struct SubjectDescription {
    lifetime: Option<String>,
}

impl Validated {
    /// The lifetime that would be granted, where the service describes it.
    pub fn lifetime(&self) -> Option<Span> {
        let description = self.certificate_description.as_ref()?;
        span(
            description
                .subject_description
                .as_ref()?
                .lifetime
                .as_deref()?,
        )
    }
}

/// `CaPool`, as far as it limits what is issued.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    issuance_policy: Option<IssuancePolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IssuancePolicy {
    maximum_lifetime: Option<String>,
}

impl Pool {
    pub fn maximum_lifetime(&self) -> Option<Span> {
        span(self.issuance_policy.as_ref()?.maximum_lifetime.as_deref()?)
    }
}

/// `FetchCaCertsResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaCertificates {
    #[serde(default)]
    pub ca_certs: Vec<CertChain>,
}

#[derive(Deserialize)]
pub struct CertChain {
    /// PEM, leaf to root.
    #[serde(default)]
    pub certificates: Vec<String>,
}

/// `ListCertificatesResponse`.
#[derive(Deserialize)]
pub struct Found {
    #[serde(default)]
    pub certificates: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    pub name: String,
    #[serde(default)]
    pem_certificate: String,
    /// Present if and only if it is revoked.
    pub revocation_details: Option<Value>,
}

impl Resource {
    /// The filter of a list may find others too: `:` asks whether a text has another in it.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        pem::certificates(self.pem_certificate.as_bytes())
            .is_ok_and(|found| found.first().is_some_and(|der| der == certificate.der()))
    }
}

/// `RevokeCertificateRequest`; the name is in the path.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoke<'a> {
    pub reason: &'static str,
    pub request_id: &'a str,
}

/// `86400s`, perhaps with a fraction.
fn span(duration: &str) -> Option<Span> {
    let seconds = duration.strip_suffix('s')?.split('.').next()?;
    seconds.parse().ok().map(Span::seconds)
}

/// `{"error": google.rpc.Status}`.
#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    error: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Value>,
}

impl Status {
    /// `reason` of `google.rpc.ErrorInfo`, `permission` of its metadata.
    fn info(&self) -> (&str, Option<&str>) {
        self.details
            .iter()
            .find_map(|detail| {
                let reason = detail.get("reason")?.as_str()?;
                let metadata = detail.get("metadata");
                let permission = metadata.and_then(|all| all.get("permission")?.as_str());
                Some((reason, permission))
            })
            .unwrap_or_default()
    }

    /// `google.rpc.BadRequest`: which field, and why.
    fn violations(&self) -> Vec<String> {
        self.details
            .iter()
            .filter_map(|detail| detail.get("fieldViolations")?.as_array())
            .flatten()
            .filter_map(|violation| {
                let field = violation.get("field")?.as_str()?;
                let why = violation.get("description")?.as_str()?;
                crate::line::sanitized(format!("{field}: {why}").as_bytes(), 200)
            })
            .collect()
    }
}

/// Any answer that is no success, in the service's words and with what to do about it.
pub fn turned_down(
    what: &str,
    request: &Request,
    response: &Response,
    who: &str,
    pool: &str,
) -> AuthorityError {
    let error = answer::turned_down(what, request, response, who);
    let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
    let (reason, permission) = failure.error.info();
    let hint = match (failure.error.status.as_str(), reason) {
        (_, "SERVICE_DISABLED") => {
            "have the Certificate Authority API enabled: gcloud services enable \
             privateca.googleapis.com"
                .to_owned()
        }
        (_, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => format!(
            "certbake presented {who}, whose token does not cover this: give the machine the scope \
             cloud-platform"
        ),
        ("UNAUTHENTICATED", _) => format!("certbake presented {who}, which Google does not accept"),
        ("PERMISSION_DENIED", _) => format!(
            "certbake presented {who}: grant it {} on {pool}, as roles/privateca.certificateRequester does",
            permission.unwrap_or("privateca.certificates.create")
        ),
        ("NOT_FOUND", _) => format!("check that {pool} exists, and the template and CA in the settings"),
        ("ALREADY_EXISTS", _) => {
            "a certificate of this name already exists: run again, which uses a new name".to_owned()
        }
        ("FAILED_PRECONDITION", _) => {
            "check that the pool has an enabled CA, and that its issuance policy allows this request".to_owned()
        }
        ("INVALID_ARGUMENT", _) => {
            "the issuance policy of the pool, or the template, does not accept this request as it is"
                .to_owned()
        }
        _ => return error,
    };
    answer::told(error, |finding| {
        let finding = finding.fact("google_status", failure.error.status.clone());
        match failure.error.violations() {
            violations if violations.is_empty() => finding,
            violations => finding.fact("violations", violations),
        }
        .hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_with_or_without_a_fraction() {
        assert_eq!(span("86400s"), Some(Span::seconds(86_400)));
        assert_eq!(span("1.5s"), Some(Span::seconds(1)));
        assert_eq!(span("1d"), None);
    }
}
