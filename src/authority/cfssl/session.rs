//! A client, the HMAC key, and what `info` told about the CA and the profile.

use std::time::Instant;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::settings::Checked;
use super::wire::{self, Envelope, Info, Message};
use crate::authority::answer::{self, BUSY, LOGIN_REFUSED, REFUSED, Step};
use crate::authority::clock::Heard;
use crate::authority::connection::read_secret;
use crate::authority::{AuthorityError, received};
use crate::finding::{Code, Finding};
use crate::net::{Client, Repeat, Request, Response};
use crate::pki::Certificate;
use crate::secret::Secret;
use crate::secret_source::SecretSource;

const KEY_UNUSABLE: Code = Code::new("cfssl-key-unusable");

/// Everything between settings and the first order.
pub struct Session {
    pub key: Option<Key>,
    /// What `info` says of the profile.
    pub info: Info,
    /// The CA's certificate, where the server shows it.
    pub issuer: Option<Certificate>,
    pub clock: Option<Heard>,
    client: Client,
}

/// The HMAC key, and the text it was given as.
pub struct Key {
    pub hmac: hmac::Key,
    text: Secret,
}

/// An answer that is a success, read.
pub struct Answer<T> {
    pub result: T,
    pub messages: Vec<Message>,
    pub response: Response,
}

#[derive(Serialize)]
struct InfoRequest<'a> {
    label: &'a str,
    profile: &'a str,
}

impl Session {
    pub fn open(settings: &Checked, deadline: Instant) -> Result<Self, AuthorityError> {
        let key = settings.key.as_ref().map(Key::read).transpose()?;
        let mut session = Self {
            client: settings.connection.open(None, None)?.client,
            key,
            info: Info {
                certificate: String::new(),
                usages: None,
                expiry: String::new(),
            },
            issuer: None,
            clock: None,
        };
        session.learn(settings, deadline)?;
        Ok(session)
    }

    fn learn(&mut self, settings: &Checked, deadline: Instant) -> Result<(), AuthorityError> {
        let what = "POST info";
        let words = InfoRequest {
            label: &settings.label,
            profile: &settings.profile,
        };
        let body = serde_json::to_vec(&words).unwrap_or_default();
        let request = self.request(settings, "info", Repeat::Safe, body, deadline);
        let answer: Answer<Info> = self.ask(settings, what, &request)?;
        self.clock = Heard::of(&answer.response);
        self.info = answer.result;
        if !self.info.certificate.trim().is_empty() {
            self.issuer = received::certificates(self.info.certificate.as_bytes())
                .map_err(|reason| answer::unusable(what, &reason, &answer.response))?
                .into_iter()
                .next();
        }
        Ok(())
    }

    pub fn request(
        &self,
        settings: &Checked,
        endpoint: &str,
        repeat: Repeat,
        body: Vec<u8>,
        deadline: Instant,
    ) -> Request {
        let url = settings.connection.at(&format!("/api/v1/cfssl/{endpoint}"));
        let request = Request::post(url, repeat, body)
            .header("content-type", "application/json")
            .until(deadline);
        match &self.key {
            Some(key) => request.withhold(&key.text),
            None => request,
        }
    }

    /// Sends it; an answer that is no success is told in words.
    pub fn ask<T: DeserializeOwned>(
        &self,
        settings: &Checked,
        what: &str,
        request: &Request,
    ) -> Result<Answer<T>, AuthorityError> {
        let response = self
            .client
            .send(request)
            .map_err(|error| answer::failed(&error))?;
        if response.status != 200 {
            return Err(turned_down(settings, what, request, &response));
        }
        let envelope: Envelope<T> = wire::envelope(what, &response)?;
        let messages = envelope.messages().to_vec();
        match envelope.result {
            Some(result) if envelope.success => Ok(Answer {
                result,
                messages,
                response,
            }),
            _ if !wire::errors(&response).is_empty() => {
                Err(turned_down(settings, what, request, &response))
            }
            _ => Err(answer::unusable(what, "it contains no result", &response)),
        }
    }
}

impl Key {
    fn read(source: &SecretSource) -> Result<Self, AuthorityError> {
        let text = read_secret(source)?;
        let bytes = HEXLOWER_PERMISSIVE
            .decode(text.expose().trim_ascii())
            .map(Secret::new)
            .map_err(|_| not_a_key(source))?;
        Ok(Self {
            hmac: hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()),
            text,
        })
    }
}

fn not_a_key(source: &SecretSource) -> AuthorityError {
    AuthorityError::Settings(Box::new(
        Finding::error(
            KEY_UNUSABLE,
            format!("the HMAC key from {source} is not hexadecimal"),
        )
        .fact("source", source.to_string())
        .hint(
            "give the key itself, as in auth_keys of the server's configuration: an even number of the digits 0-9 and a-f",
        ),
    ))
}

/// Any answer that is not a success: by its status, and by what cfssl's numbers and words mean.
fn turned_down(
    settings: &Checked,
    what: &str,
    request: &Request,
    response: &Response,
) -> AuthorityError {
    let errors = wire::errors(response);
    let said = wire::said(&errors, request).or_else(|| response.said(request));
    let plain = answer::turned_down_saying(
        Step::Order,
        what,
        request,
        response,
        &settings.login(),
        said.clone(),
    );
    if let Some(error) = by_words(settings, &errors, &plain, what) {
        return error;
    }
    let Some((message, (about, is_theirs))) = errors
        .iter()
        .find_map(|error| Some((error, wire::category(error.code)?)))
    else {
        return plain;
    };
    let words = said.unwrap_or_default();
    let finding = |code| {
        Finding::error(
            code,
            format!("{what} was answered with {}: {words}", response.status),
        )
        .fact("status", response.status)
        .fact("cfssl_error", message.code)
        .fact("said", words.clone())
    };
    if is_theirs {
        AuthorityError::Unreachable(Box::new(finding(BUSY).hint(format!(
            "cfssl's {} is about {about}: the CA has an error, and its log says more",
            message.code
        ))))
    } else {
        AuthorityError::Refused(Box::new(finding(REFUSED).hint(format!(
            "cfssl's {} is about {about}: {} does not sign this request as it is",
            message.code,
            settings.profile_in_words()
        ))))
    }
}

/// The refusals that have no number of their own, by their sentence (cfssl `api/signhandler`,
/// `cmd/multirootca/api.go`).
fn by_words(
    settings: &Checked,
    errors: &[Message],
    plain: &AuthorityError,
    what: &str,
) -> Option<AuthorityError> {
    let profile = settings.profile_in_words();
    let about = |sentence: &str| errors.iter().any(|error| error.message == sentence);
    let (code, hint) = if about("invalid token") {
        let hint = format!(
            "the HMAC key is not that of {profile}: compare it with auth_key of the profile and \
             auth_keys in the server's configuration"
        );
        (LOGIN_REFUSED, hint)
    } else if about("authentication required") {
        let hint = format!("{profile} requires an HMAC key: give key");
        (LOGIN_REFUSED, hint)
    } else if about("no authentication provider") || about("authorisation required") {
        let hint = format!(
            "{profile} has no auth_key on the server: leave key out, or set an auth_key there"
        );
        (LOGIN_REFUSED, hint)
    } else if about("not authorised") {
        let hint = "multirootca accepts only some addresses for this CA (its nets): have this machine's address added";
        (LOGIN_REFUSED, hint.to_owned())
    } else if about("invalid profile") || about("Unknown policy profile") || about("bad label") {
        let hint = "check profile and label: they are names in the server's configuration";
        (REFUSED, hint.to_owned())
    } else if about("bad request") {
        let hint = "multirootca gives the reason only in its own log: an unknown label, or a request that the profile does not allow";
        (REFUSED, hint.to_owned())
    } else if what.ends_with("sign") && answered(plain, 404) {
        let other = if settings.key.is_some() {
            "the server offers no authsign if no profile has an auth_key: leave key out"
        } else {
            "the server offers no sign if every profile has an auth_key: give key"
        };
        (
            REFUSED,
            format!("check the URL: leave out /api/v1/cfssl; {other}"),
        )
    } else {
        return None;
    };
    let finding = plain.clone().into_finding();
    Some(AuthorityError::Refused(Box::new(
        Finding { code, ..finding }.hint(hint),
    )))
}

fn answered(error: &AuthorityError, status: u16) -> bool {
    matches!(error, AuthorityError::Refused(finding) if finding.facts["status"] == status)
}
