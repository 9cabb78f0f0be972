//! What an HTTP status or a network failure means for an order: refused, unreachable or unusable.
//! The same for every authority that is asked over HTTP.

use time::OffsetDateTime;

use crate::authority::{AuthorityError, foresight};
use crate::finding::{Code, Finding};
use crate::net::{Failure, Method, NetError, OpenError, Request, Response, Stage, TlsReason};
use crate::secret_source::SecretSourceError;

/// Of what a CA says beside its answer, in its own words.
pub const SAID: Code = Code::new("ca-said");
pub const REFUSED: Code = Code::new("ca-refused");
pub const LOGIN_REFUSED: Code = Code::new("ca-login-refused");
pub const BUSY: Code = Code::new("ca-busy");
pub const UNUSABLE: Code = Code::new("ca-answer-unusable");
pub const PENDING: Code = Code::new("ca-pending");
/// A limit of the CA that makes the certificate end sooner than asked for.
pub const ENDS_FIRST: Code = Code::new("ca-ends-first");

/// An order must say how long, and the configuration does not.
pub const TTL_NEEDED: Code = Code::new("ca-ttl-needed");

/// `authority` has no lifetime of its own to grant, and no `ttl` is asked for.
pub fn ttl_needed(authority: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(
        Finding::error(
            TTL_NEEDED,
            format!("{authority} has no default lifetime, and no ttl is set"),
        )
        .hint("set ttl = \"30d\" in the identity, or give --ttl 30d"),
    ))
}

/// A request without an answer.
pub fn failed(error: &NetError) -> AuthorityError {
    let finding = Box::new(error.finding());
    match &*error.failure {
        // A fault of its own (RFC 8446 section 6.2: internal_error, user_canceled).
        Failure::Tls(TlsReason::Alert(alert)) if matches!(alert.number, 80 | 90) => {
            AuthorityError::Unreachable(finding)
        }
        // It looked at our certificate and said no.
        Failure::Tls(TlsReason::Alert(_)) => AuthorityError::Refused(finding),
        Failure::Tls(reason) if reason.is_lasting() => AuthorityError::Settings(finding),
        Failure::TooLarge { .. }
        | Failure::Garbage { .. }
        | Failure::Redirected { .. }
        | Failure::Closed {
            stage: Stage::Reading,
        } => AuthorityError::Unusable(finding),
        Failure::Url(_) | Failure::Header { .. } => AuthorityError::Settings(finding),
        Failure::Resolve { .. }
        | Failure::Connect { .. }
        | Failure::Tls(_)
        | Failure::TimedOut { .. }
        | Failure::Proxy { .. }
        | Failure::Closed { .. } => AuthorityError::Unreachable(finding),
    }
}

/// A client that could not be made.
pub fn unopened(error: &OpenError) -> AuthorityError {
    AuthorityError::Settings(Box::new(error.finding()))
}

/// A credential that could not be read.
pub fn no_secret(error: &SecretSourceError) -> AuthorityError {
    AuthorityError::Settings(Box::new(error.finding()))
}

/// An answer that is right by its status and wrong by its content.
pub fn unusable(what: &str, reason: &str, response: &Response) -> AuthorityError {
    let coding = response.header("content-encoding");
    let hint = match coding {
        None | Some("identity") => {
            "check that the URL is that of the CA's API, and that no proxy or portal answers in its place"
        }
        Some(_) => {
            "it is compressed, though certbake did not ask for that: turn compression off at the server or the proxy in front of it"
        }
    };
    AuthorityError::Unusable(Box::new(
        Finding::error(
            UNUSABLE,
            format!("the answer to {what} is unusable: {reason}"),
        )
        .fact("status", response.status)
        .fact("content_type", response.header("content-type"))
        .fact("content_encoding", coding)
        .fact("length_bytes", response.body.len())
        .hint(hint),
    ))
}

/// What a request is to the order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// No signing request was sent yet.
    Before,
    /// It is the signing request.
    Order,
    /// Neither is known, or it asks for what became of the order.
    Beside,
}

impl Step {
    /// What to do about a refusal that tells nothing itself.
    const fn advice(self) -> &'static str {
        match self {
            Self::Before => {
                "no signing request was sent yet: check the URL, its scheme and its host name; the server's message and its log say why"
            }
            Self::Order => {
                "the CA does not sign this request as it is: its message and its log say why"
            }
            Self::Beside => "the server's message and its log say why",
        }
    }
}

/// Any status that is not a success. `login` is how we presented ourselves, in words.
pub fn turned_down(
    what: &str,
    request: &Request,
    response: &Response,
    login: &str,
) -> AuthorityError {
    let step = match request.method {
        Method::GET => Step::Beside,
        _ => Step::Order,
    };
    turned_down_saying(step, what, request, response, login, response.said(request))
}

/// As [`turned_down`], of a request before the order.
pub fn turned_down_early(
    what: &str,
    request: &Request,
    response: &Response,
    login: &str,
) -> AuthorityError {
    let said = response.said(request);
    turned_down_saying(Step::Before, what, request, response, login, said)
}

/// As [`turned_down`], where the protocol has a place of its own for the server's words. They are
/// one harmless line, without the request's credentials.
pub fn turned_down_saying(
    step: Step,
    what: &str,
    request: &Request,
    response: &Response,
    login: &str,
    said: Option<String>,
) -> AuthorityError {
    let status = response.status;
    let words = said
        .as_ref()
        .map_or_else(String::new, |said| format!(": {said}"));
    let finding = |code, hint: &str| {
        let finding = Finding::error(code, format!("{what} was answered with {status}{words}"))
            .fact("status", status)
            .fact("attempts", response.attempts)
            .hint(hint);
        Box::new(match &said {
            Some(said) => finding.fact("said", said.clone()),
            None => finding,
        })
    };
    let presented = |advice: &str| format!("certbake presented {login}: {advice}");
    // nginx asks for a client certificate by a page, not by a TLS alert.
    let wants_certificate = matches!(status, 400 | 495 | 496)
        && said
            .as_ref()
            .is_some_and(|said| said.contains("SSL certificate"));
    match status {
        _ if wants_certificate => AuthorityError::Refused(finding(
            LOGIN_REFUSED,
            &presented("give a client certificate that the server can verify"),
        )),
        401 => AuthorityError::Refused(wrong_login(
            &finding(LOGIN_REFUSED, ""),
            request,
            response,
            login,
        )),
        403 => AuthorityError::Refused(finding(
            LOGIN_REFUSED,
            &presented("ask the CA's operators whether it may request these names"),
        )),
        404 | 405 => {
            AuthorityError::Refused(finding(REFUSED, "check the URL and its label or path"))
        }
        408 | 425 => AuthorityError::Unreachable(finding(
            BUSY,
            "the CA, or a proxy in front of it, did not receive the request in time: retry later",
        )),
        429 => AuthorityError::Unreachable(finding(
            BUSY,
            "the CA limits the request rate: retry later",
        )),
        501 => AuthorityError::Refused(finding(REFUSED, "the CA does not offer this operation")),
        500.. => AuthorityError::Unreachable(finding(
            BUSY,
            "the CA has an error or is busy: retry later, and look in its log",
        )),
        400..500 => AuthorityError::Refused(finding(REFUSED, step.advice())),
        _ => unusable(what, &format!("status {status} is unexpected"), response),
    }
}

/// The same error with more in its finding, by one who knows more of the protocol.
pub fn told(error: AuthorityError, more: impl FnOnce(Finding) -> Finding) -> AuthorityError {
    let with = |finding: Box<Finding>| Box::new(more(*finding));
    match error {
        AuthorityError::Refused(finding) => AuthorityError::Refused(with(finding)),
        AuthorityError::Unreachable(finding) => AuthorityError::Unreachable(with(finding)),
        AuthorityError::Unusable(finding) => AuthorityError::Unusable(with(finding)),
        AuthorityError::Settings(finding) => AuthorityError::Settings(with(finding)),
    }
}

/// The same error with another hint.
pub fn hinted(error: AuthorityError, hint: impl Into<String>) -> AuthorityError {
    told(error, |finding| finding.hint(hint))
}

/// The issuer ends before the certificate that is wanted `now` would.
pub fn ends_first(
    issuer: &str,
    ends: OffsetDateTime,
    now: OffsetDateTime,
    wanted: OffsetDateTime,
) -> Finding {
    Finding::warning(
        ENDS_FIRST,
        format!("{issuer} expires before the requested certificate would"),
    )
    .instant("issuer_not_after", ends)
    .instant("would_have_ended", wanted)
    .fact(foresight::MOST_GRANTED, (ends - now).whole_seconds().max(0))
    .hint("have the issuer renewed: as it is, the CA shortens or refuses what would outlast it")
}

/// RFC 7617, as schemes are compared: in any case.
const BASIC: &str = "basic";

/// 401: what it offers (RFC 9110 section 11.6.1) against what we can.
fn wrong_login(
    finding: &Finding,
    request: &Request,
    response: &Response,
    login: &str,
) -> Box<Finding> {
    let offered = schemes(response);
    let offers = |scheme: &str| offered.iter().any(|o| o.eq_ignore_ascii_case(scheme));
    let hint = if offered.is_empty() {
        format!(
            "certbake presented {login}; the server offers no login scheme: it may want a client certificate"
        )
    } else if offers(BASIC) && request.presents(BASIC) {
        format!(
            "certbake presented {login}: the user name or the password is wrong; check that the password's source holds the current one"
        )
    } else if offered.iter().any(|scheme| request.presents(scheme)) {
        format!(
            "certbake presented {login}, which the CA does not accept: it is wrong or has expired"
        )
    } else if offers(BASIC) {
        format!(
            "certbake presented {login}: give username and password (--ca-user and --ca-password)"
        )
    } else {
        format!(
            "the server wants {}, which certbake does not support: have HTTP Basic or a client certificate enabled",
            offered.join(" or ")
        )
    };
    Box::new(finding.clone().fact("offered_schemes", offered).hint(hint))
}

/// The scheme names of every `WWW-Authenticate`: a word followed by a space or the end, while a
/// parameter is a word followed by `=`.
fn schemes(response: &Response) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for challenge in response
        .headers("www-authenticate")
        .flat_map(|value| value.split(','))
    {
        let word = challenge.split_whitespace().next().unwrap_or_default();
        let is_token = !word.is_empty()
            && word.len() <= 20
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if is_token && !schemes.iter().any(|known| known == word) {
            schemes.push(word.to_owned());
        }
    }
    schemes
}
