//! The operations of EST (RFC 7030 section 4) and who may ask for them. No network here: a request
//! comes in as values, an answer goes out as one.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64_NOPAD};
use hyper::{Method, StatusCode};

use super::super::issue::BACKDATED;
use super::super::{CaDirectory, IssueError, Terms};
use super::Config;
use super::answer::{Answer, Header};
use super::users::{ByCertificate, User};
use crate::finding::rfc3339;
use crate::pki::path::validate;
use crate::pki::pem::{self, Block};
use crate::pki::{Anchors, Certificate, ReceivedRequest, Usage, pkcs7};
use crate::secret::Secret;
use crate::span::Span;

const PREFIX: &str = "/.well-known/est/";
const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";

/// A request that has been read whole.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub content_type: Option<String>,
    pub authorization: Option<Secret>,
    pub body: Vec<u8>,
    /// The client's certificates, its own first; TLS has verified them. Empty without.
    pub client: Vec<Certificate>,
}

/// The CA and the rules by which it answers.
pub(super) struct Operations {
    ca: Arc<CaDirectory>,
    own: Anchors,
    config: Arc<Config>,
}

/// Who asks for a certificate, and what binds them.
enum Caller<'a> {
    User(&'a User),
    /// By a certificate of the client anchors, where no users were listed.
    Certificate(&'a Certificate),
    /// By a certificate of this CA: for the same names, and no longer than it.
    Own(&'a Certificate),
}

impl Caller<'_> {
    fn name(&self) -> String {
        match self {
            Self::User(user) => format!("user:{}", user.name),
            Self::Certificate(certificate) | Self::Own(certificate) => {
                format!("cert:{}", certificate.facts().serial)
            }
        }
    }
}

impl Operations {
    pub(super) fn new(ca: Arc<CaDirectory>, config: Arc<Config>) -> Self {
        Self {
            own: Anchors::new(vec![ca.root().clone(), ca.intermediate().clone()]),
            ca,
            config,
        }
    }

    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        let Some(operation) = self.operation(&asked.path) else {
            return Answer::refusal(StatusCode::NOT_FOUND, "there is nothing here")
                .noted("not found");
        };
        let reading = matches!(asked.method, Method::GET | Method::HEAD);
        match operation {
            "cacerts" if reading => self.cacerts(),
            // Nothing is demanded of a request (RFC 7030 section 4.5.2).
            "csrattrs" if reading => Answer::empty(StatusCode::NO_CONTENT),
            "cacerts" | "csrattrs" => not_allowed(&READ),
            "simpleenroll" | "simplereenroll" if asked.method != Method::POST => {
                not_allowed(&WRITE)
            }
            "simpleenroll" => answer(self.simpleenroll(asked)),
            "simplereenroll" => answer(self.simplereenroll(asked)),
            // The optional ones of RFC 7030 section 2.3 and 2.4.
            "serverkeygen" | "fullcmc" => Answer::refusal(
                StatusCode::NOT_IMPLEMENTED,
                format!("this server does not offer {operation}"),
            ),
            _ => Answer::refusal(StatusCode::NOT_FOUND, "EST has no such operation"),
        }
    }

    fn operation<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(PREFIX)?;
        match rest.split_once('/') {
            None => Some(rest),
            Some((label, operation)) if Some(label) == self.config.label.as_deref() => {
                Some(operation)
            }
            Some(_) => None,
        }
    }

    fn cacerts(&self) -> Answer {
        let ders = [self.ca.root().der(), self.ca.intermediate().der()];
        Answer::base64(CERTS_ONLY, &pkcs7::certs_only(&ders))
    }

    fn simpleenroll(&self, asked: &Asked) -> Result<Answer, Answer> {
        let caller = self.caller(asked)?;
        let name = caller.name();
        self.enroll(asked, &caller)
            .map_err(|refusal| refusal.by(&name))
    }

    /// RFC 7030 section 4.2.2: the current certificate is the login, and says what is allowed.
    fn simplereenroll(&self, asked: &Asked) -> Result<Answer, Answer> {
        let Some(current) = self.own_certificate(asked) else {
            return Err(Answer::refusal(
                StatusCode::FORBIDDEN,
                "simplereenroll needs the current certificate, issued by this CA, as the TLS client certificate",
            ));
        };
        let caller = Caller::Own(current);
        let name = caller.name();
        self.enroll(asked, &caller)
            .map_err(|refusal| refusal.by(&name))
    }

    fn caller<'a>(&'a self, asked: &'a Asked) -> Result<Caller<'a>, Answer> {
        if let Some(authorization) = &asked.authorization {
            return self
                .config
                .users
                .by_basic(authorization.expose())
                .map(Caller::User)
                .ok_or_else(|| unauthorized("user name or password is wrong"));
        }
        if let Some(own) = self.own_certificate(asked) {
            return Ok(Caller::Own(own));
        }
        let Some(certificate) = asked.client.first() else {
            return Err(unauthorized("a login is required"));
        };
        match self
            .config
            .users
            .by_common_name(certificate.facts().common_name.as_deref())
        {
            ByCertificate::User(user) => Ok(Caller::User(user)),
            ByCertificate::Anybody => Ok(Caller::Certificate(certificate)),
            ByCertificate::Nobody => Err(Answer::refusal(
                StatusCode::FORBIDDEN,
                format!("{} is not among the users", certificate.title()),
            )),
        }
    }

    fn own_certificate<'a>(&self, asked: &'a Asked) -> Option<&'a Certificate> {
        let (leaf, others) = asked.client.split_first()?;
        let now = (self.config.clock)();
        validate(leaf, others, &self.own, now, Usage::Client)
            .is_ok()
            .then_some(leaf)
    }

    fn enroll(&self, asked: &Asked, caller: &Caller<'_>) -> Result<Answer, Answer> {
        let bad = |reason: String| Answer::refusal(StatusCode::BAD_REQUEST, reason);
        if let Caller::Own(current) = caller {
            self.refuse_revoked(current)?;
        }
        refuse_other_content(asked.content_type.as_deref())?;
        let der = decode(&asked.body)
            .ok_or_else(|| bad("the body is not a PKCS#10 request in base64".to_owned()))?;
        let request = ReceivedRequest::from_der(&der)
            .map_err(|error| bad(IssueError::from(error).to_string()))?;
        allowed(caller, &request)?;
        let name = caller.name();
        let terms = Terms {
            now: (self.config.clock)(),
            ttl: self.ttl(caller),
            max_ttl: self.config.ttl,
            requester: &name,
        };
        let granted = self
            .ca
            .issue(&request, &terms)
            .map_err(|error| ungranted(&error))?;
        let certificate = granted.certificate;
        let note = format!(
            "serial {} until {}",
            certificate.facts().serial,
            rfc3339(certificate.window().not_after)
        );
        let message = pkcs7::certs_only(&[certificate.der()]);
        Ok(Answer::base64(CERTS_ONLY, &message).by(&name).noted(note))
    }

    /// Whoever has the key of a revoked certificate would otherwise have new ones for ever.
    fn refuse_revoked(&self, current: &Certificate) -> Result<(), Answer> {
        let revoked = self.ca.revoked().map_err(|error| {
            Answer::refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "what is revoked cannot be read; the server's log says why",
            )
            .noted(error.to_string())
        })?;
        let fingerprint = current.fingerprint();
        match revoked
            .iter()
            .find(|entry| entry.fingerprint == fingerprint)
        {
            None => Ok(()),
            Some(entry) => Err(Answer::refusal(
                StatusCode::FORBIDDEN,
                format!("the current certificate was revoked at {}", entry.at),
            )),
        }
    }

    /// A certificate renews itself for as long as it was given, or a user's limit would not hold.
    fn ttl(&self, caller: &Caller<'_>) -> Span {
        let limit = match caller {
            Caller::User(user) => user.max_ttl,
            Caller::Certificate(_) => None,
            Caller::Own(current) => Some(Span::from(current.window().lifetime() - BACKDATED)),
        };
        limit.map_or(self.config.ttl, |limit| limit.min(self.config.ttl))
    }
}

fn answer(result: Result<Answer, Answer>) -> Answer {
    result.unwrap_or_else(|refusal| refusal)
}

const READ: Header = ("allow", "GET, HEAD");
const WRITE: Header = ("allow", "POST");
/// RFC 7617 section 2.
const LOGIN: Header = (
    "www-authenticate",
    "Basic realm=\"certbake\", charset=\"UTF-8\"",
);

fn not_allowed(allow: &'static Header) -> Answer {
    let reason = format!("this operation takes {}", allow.1);
    Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, reason).with(allow)
}

fn unauthorized(reason: &str) -> Answer {
    Answer::refusal(StatusCode::UNAUTHORIZED, reason).with(&LOGIN)
}

/// Content that is certainly something else; what curl says by default passes.
fn refuse_other_content(content_type: Option<&str>) -> Result<(), Answer> {
    const OTHER: &[&str] = &[
        "application/json",
        "application/xml",
        "multipart/",
        "text/html",
    ];
    match content_type {
        Some(given) if OTHER.iter().any(|other| given.starts_with(other)) => Err(Answer::refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/pkcs10",
        )),
        _ => Ok(()),
    }
}

/// Base64 with or without line ends, PEM, or DER as it is (RFC 8951 section 2.1 asks for the first).
fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let text = body.trim_ascii();
    if text.first() == Some(&0x30) {
        return Some(body.to_vec());
    }
    if text.windows(10).any(|window| window == b"-----BEGIN") {
        return pem::decode(text)
            .ok()?
            .into_iter()
            .find_map(|block| match block {
                Block::Request(der) => Some(der),
                _ => None,
            });
    }
    let plain: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64
        .decode(&plain)
        .or_else(|_| BASE64_NOPAD.decode(&plain))
        .ok()
        .filter(|der| !der.is_empty())
}

fn allowed(caller: &Caller<'_>, request: &ReceivedRequest) -> Result<(), Answer> {
    let forbidden = |reason: String| Err(Answer::refusal(StatusCode::FORBIDDEN, reason));
    match caller {
        Caller::Certificate(_) => Ok(()),
        Caller::User(user) => {
            let Some(allowed) = &user.allowed_names else {
                return Ok(());
            };
            match allowed.refused(request) {
                None => Ok(()),
                Some(name) => forbidden(format!(
                    "{name} is not allowed for {}, whose names are {allowed}",
                    user.name
                )),
            }
        }
        Caller::Own(current) => match differs(current, request) {
            None => Ok(()),
            Some(what) => forbidden(format!(
                "a client certificate can only renew itself: the request has another {what}"
            )),
        },
    }
}

/// What of the current certificate the request would change (RFC 7030 section 4.2.2).
fn differs(current: &Certificate, request: &ReceivedRequest) -> Option<&'static str> {
    let facts = current.facts();
    let sorted = |names: &[_]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let has = |usage: &String| {
        let current = facts.extended_key_usage.as_deref().unwrap_or_default();
        current.contains(usage)
    };
    if facts.subject_der != request.subject_der {
        return Some("subject");
    }
    if sorted(&facts.names) != sorted(&request.names) {
        return Some("subject alternative name");
    }
    let usages = request.extended_key_usage.as_deref().unwrap_or_default();
    (!usages.iter().all(has)).then_some("extended key usage")
}

fn ungranted(error: &IssueError) -> Answer {
    match error {
        IssueError::Log(_) | IssueError::Signing(_) | IssueError::Unfaithful => Answer::refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the certificate could not be issued; the server's log says why",
        )
        .noted(error.to_string()),
        IssueError::IntermediateEnded { .. } => {
            Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        _ => Answer::refusal(StatusCode::BAD_REQUEST, error.to_string()),
    }
}
