//! What an exception of AWS Private CA means, in words
//! (<https://docs.aws.amazon.com/privateca/latest/APIReference/CommonErrors.html>).

use std::error::Error;

use aws_sdk_acmpca::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::session;
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::line;
use crate::net::{CLIENT_SETTINGS, NetError};

pub const CREDENTIALS: Code = Code::new("aws-credentials");

/// How often an answer that speaks of a fault is asked for again, as Amazon's own retries do.
const FAULTS: u32 = 2;

const NOT_ITS: &str = "it is not what AWS Private CA sends";

/// How an exception is answered.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Login,
    Refused,
    Busy,
}

/// A change of the CA, or another revocation, is not through yet.
const CONCURRENT: &str = "ConcurrentModificationException";

/// Of a call about one certificate, what [`EXCEPTIONS`] would say of the CA.
const NO_SUCH_CERTIFICATE: &str = "this CA has no certificate with that serial number, or this account and region have no such CA: check certificate_authority";

/// Exception, kind, what to do.
const EXCEPTIONS: &[(&str, Kind, &str)] = &[
    (
        "AccessDeniedException",
        Kind::Login,
        "grant acm-pca:IssueCertificate and acm-pca:GetCertificate (and acm-pca:DescribeCertificateAuthority, or set signing_algorithm) on this CA; a condition on acm-pca:TemplateArn may forbid the template",
    ),
    (
        "UnrecognizedClientException",
        Kind::Login,
        "AWS does not know this access key: it was deleted, or belongs to another partition",
    ),
    (
        "InvalidClientTokenId",
        Kind::Login,
        "AWS does not know this access key: it was deleted, or belongs to another partition",
    ),
    (
        "InvalidSignatureException",
        Kind::Login,
        "the secret access key does not belong to this access key id, or this machine's clock is more than 5 minutes off",
    ),
    (
        "SignatureDoesNotMatch",
        Kind::Login,
        "the secret access key does not belong to this access key id, or this machine's clock is more than 5 minutes off",
    ),
    (
        "RequestExpired",
        Kind::Login,
        "this machine's clock is more than 5 minutes off: correct it",
    ),
    (
        "ExpiredTokenException",
        Kind::Login,
        "the session token has expired: log in again (aws sso login), or assume the role again",
    ),
    (
        "MissingAuthenticationTokenException",
        Kind::Login,
        "no credentials reached AWS: a proxy may have removed the header",
    ),
    (
        "OptInRequired",
        Kind::Login,
        "this account has not subscribed to the service or the region",
    ),
    (
        "ResourceNotFoundException",
        Kind::Refused,
        "there is no such CA in this account and region: check certificate_authority",
    ),
    (
        "InvalidArnException",
        Kind::Refused,
        "check certificate_authority and template",
    ),
    (
        "InvalidStateException",
        Kind::Refused,
        "the CA cannot sign now: it is disabled, expired, or its certificate was never installed",
    ),
    (
        "LimitExceededException",
        Kind::Refused,
        "a quota of AWS Private CA is exhausted: have it raised",
    ),
    (
        "MalformedCSRException",
        Kind::Refused,
        "AWS does not accept this request: it needs a subject or an alternative name, and a key that the CA's template permits",
    ),
    (
        "InvalidArgsException",
        Kind::Refused,
        "one of ttl, template and signing_algorithm does not fit this CA: its message says which",
    ),
    (
        "ValidationException",
        Kind::Refused,
        "one of ttl, template and signing_algorithm does not fit this CA: its message says which",
    ),
    (
        "RequestFailedException",
        Kind::Refused,
        "the CA accepted the order but could not sign: order again with another ttl or key, and look in CloudTrail",
    ),
    (
        CONCURRENT,
        Kind::Busy,
        "the CA is being changed, or is revoking another certificate: retry in a minute",
    ),
    (
        "ThrottlingException",
        Kind::Busy,
        "AWS limits this account's request rate: retry later, or have the quota raised",
    ),
    (
        "TooManyRequestsException",
        Kind::Busy,
        "AWS limits this account's request rate: retry later, or have the quota raised",
    ),
];

/// A failed call of `what`, with the facts that AWS gave.
pub fn failed<E>(what: &str, error: &SdkError<E, HttpResponse>) -> AuthorityError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(error) = inside::<NetError>(error) {
        return answer::failed(error);
    }
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            if status < 400 {
                return session::unusable(what, NOT_ITS);
            }
            let message = service.err().message().map(str::as_bytes);
            let said = message.or_else(|| service.raw().body().bytes());
            turned_down(what, status, service.err().code(), said)
        }
        SdkError::TimeoutError(_) => AuthorityError::Unreachable(Box::new(
            Finding::error(answer::BUSY, format!("{what} was not answered in time"))
                .hint("retry later, or give the order a longer deadline"),
        )),
        SdkError::ResponseError(response) => match response.raw().status().as_u16() {
            status if status < 400 => session::unusable(what, NOT_ITS),
            status => turned_down(what, status, None, response.raw().body().bytes()),
        },
        // Nothing was sent, and the credentials were found before.
        _ => unsendable(what, &innermost(error)),
    }
}

/// What may pass, and a status of 400 or 500 does not tell our network client; faults not for ever.
pub fn passes<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
    faults: &mut u32,
) -> Option<&'static str> {
    let SdkError::ServiceError(service) = error else {
        return None;
    };
    match service.err().code() {
        Some("ThrottlingException" | "TooManyRequestsException") => {
            return Some("it limits the request rate");
        }
        Some(CONCURRENT) => return Some("the CA is being changed"),
        _ => {}
    }
    *faults += 1;
    let is_fault = service.raw().status().as_u16() == 500;
    (is_fault && *faults <= FAULTS).then_some("it has an error")
}

/// Amazon's client could not make the request of what its own configuration says.
fn unsendable(what: &str, reason: &str) -> AuthorityError {
    let reason = line::sanitized(reason.as_bytes(), 300).unwrap_or_default();
    AuthorityError::Settings(Box::new(
        Finding::error(
            CLIENT_SETTINGS,
            format!("{what} could not be sent: {reason}"),
        )
        .hint(
            "check url, and what overrides it in AWS's own configuration: AWS_ENDPOINT_URL, \
             AWS_ENDPOINT_URL_ACM_PCA, endpoint_url of the profile",
        ),
    ))
}

/// The chain's own calls, to STS or SSO, may not have been answered: later they may.
pub fn without_credentials(error: &(dyn Error + 'static)) -> AuthorityError {
    let finding = no_credentials(&innermost(error)).into_finding();
    let later = inside::<NetError>(error)
        .is_some_and(|error| matches!(answer::failed(error), AuthorityError::Unreachable(_)));
    if later {
        AuthorityError::Unreachable(Box::new(finding))
    } else {
        AuthorityError::Settings(Box::new(finding))
    }
}

/// The chain found nothing, or what it found could not be used.
pub fn no_credentials(reason: &str) -> AuthorityError {
    let reason = line::sanitized(reason.as_bytes(), 300).unwrap_or_default();
    AuthorityError::Settings(Box::new(
        Finding::error(
            CREDENTIALS,
            format!("no AWS credentials could be found: {reason}"),
        )
        .hint(
            "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a web identity token \
             (AWS_WEB_IDENTITY_TOKEN_FILE) or an instance role; `aws sts get-caller-identity` looks \
             in the same places",
        ),
    ))
}

/// The chain was still looking when the deadline passed.
pub fn credentials_too_late() -> AuthorityError {
    AuthorityError::Unreachable(Box::new(
        Finding::error(CREDENTIALS, "no AWS credentials were found before the deadline").hint(
            "run the profile's credential_process by hand, or `aws sts get-caller-identity`, and see \
             what does not answer; or give the order a longer deadline",
        ),
    ))
}

fn turned_down(what: &str, status: u16, code: Option<&str>, said: Option<&[u8]>) -> AuthorityError {
    let said = said.and_then(|text| line::sanitized(text, 300));
    let row = EXCEPTIONS
        .iter()
        .find(|(name, ..)| code.is_some_and(|code| code == *name));
    let kind = match (row, status) {
        (Some((_, kind, _)), _) => *kind,
        (None, 401 | 403) => Kind::Login,
        (None, 408 | 429 | 500..) => Kind::Busy,
        (None, _) => Kind::Refused,
    };
    let hint = match (row, kind) {
        (Some(("ResourceNotFoundException", ..)), _) if what == "RevokeCertificate" => {
            NO_SUCH_CERTIFICATE
        }
        (Some((.., hint)), _) => *hint,
        (None, Kind::Login) => "ask the account's owner whether this login may use this CA",
        (None, Kind::Busy) => "AWS has an error or is busy: retry later",
        (None, Kind::Refused) => "AWS does not accept this order as it is: its message says why",
    };
    let name = match kind {
        Kind::Login => answer::LOGIN_REFUSED,
        Kind::Refused => answer::REFUSED,
        Kind::Busy => answer::BUSY,
    };
    let mut summary = format!("{what} was answered with {status}");
    if let Some(code) = code {
        summary += &format!(" {code}");
    }
    if let Some(said) = &said {
        summary += &format!(": {said}");
    }
    let mut finding = Finding::error(name, summary)
        .fact("status", status)
        .hint(hint);
    if let Some(code) = code {
        finding = finding.fact("exception", code);
    }
    if let Some(said) = said {
        finding = finding.fact("said", said);
    }
    let finding = Box::new(finding);
    if kind == Kind::Busy {
        AuthorityError::Unreachable(finding)
    } else {
        AuthorityError::Refused(finding)
    }
}

/// An error of this type among the causes.
fn inside<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref())
}

pub fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn Error + 'static)| {
        error.source()
    })
}

/// The exception's name, where there is one.
pub fn exception<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}
