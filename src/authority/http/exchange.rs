//! One order from its request to its end: what each answer means, and what is asked next.

use std::time::{Duration, Instant};

use serde_json::Value;
use url::Url;

use super::rules::Pointer;
use super::session::{Session, fill, place};
use super::settings::{Call, Checked, Pending};
use crate::authority::answer::{self, BUSY, REFUSED, Step};
use crate::authority::delivered;
use crate::authority::waits::Waits;
use crate::authority::{AuthorityError, Issued, received};
use crate::finding::Finding;
use crate::line;
use crate::net::{Request, Response};
use crate::pki::Certificate;

/// The least wait while an order is pending.
const LEAST_WAIT: Duration = Duration::from_millis(200);

/// One call, with what its templates name.
pub struct Exchange<'a> {
    pub settings: &'a Checked,
    pub session: &'a Session,
    pub call: &'a Call,
    pub scope: &'a Value,
    pub deadline: Instant,
}

/// An answer that is a success.
pub struct Done {
    pub what: String,
    pub response: Response,
    json: Option<Value>,
}

enum Verdict<'a> {
    Done,
    Refused,
    Busy,
    Pending(&'a Pending),
    ByStatus,
}

impl Exchange<'_> {
    /// Asks until there is an answer that is not "later".
    pub fn carry_out(&self) -> Result<Done, AuthorityError> {
        let first = self
            .session
            .call(self.settings, self.call, self.scope, self.deadline)?;
        let mut what = format!("{} {}", self.call.method, self.shown_path());
        let mut step = Step::Order;
        let mut request = first;
        let teller = self.settings.connection.teller();
        let mut busy = teller.waits(self.deadline);
        let mut deciding = teller.waits(self.deadline).between(LEAST_WAIT, LEAST_WAIT);
        loop {
            let response = self.session.send(&request)?;
            let json: Option<Value> = serde_json::from_slice(&response.body).ok();
            match self.verdict(&response, json.as_ref()) {
                Verdict::Done => {
                    return Ok(Done {
                        what,
                        response,
                        json,
                    });
                }
                Verdict::Refused => {
                    return Err(self.refused(&what, &request, &response, json.as_ref()));
                }
                Verdict::Busy => {
                    if busy
                        .pause(response.retry_after(), "it asked for a retry")
                        .is_err()
                    {
                        return Err(self.busy(&what, &request, &response, json.as_ref()));
                    }
                }
                Verdict::Pending(pending) => {
                    let wait = response.retry_after().unwrap_or(pending.interval);
                    await_decision(&mut deciding, wait)?;
                    let asked = (step, &request.url);
                    let next = self.next(pending, &what, asked, &response, json.as_ref())?;
                    if let Some(url) = next {
                        step = Step::Beside;
                        what = "GET of the pending order".to_owned();
                        request =
                            self.session
                                .look(self.settings, url, self.scope, self.deadline)?;
                    }
                }
                Verdict::ByStatus => {
                    return Err(self.turned_down(step, &what, &request, &response, json.as_ref()));
                }
            }
        }
    }

    /// As it stands in the settings: filled in, it may hold a secret.
    fn shown_path(&self) -> &str {
        match self.call.path.source.as_str() {
            "" => self.settings.connection.url.path(),
            source => source,
        }
    }

    fn verdict(&self, response: &Response, json: Option<&Value>) -> Verdict<'_> {
        let settings = self.settings;
        let status = response.status;
        let matches = |rule: &Option<super::rules::Rule>| {
            rule.as_ref().is_some_and(|rule| rule.matches(status, json))
        };
        if matches(&settings.refused) {
            return Verdict::Refused;
        }
        if matches(&settings.busy) {
            return Verdict::Busy;
        }
        match &settings.pending {
            Some(pending) if pending.rule.matches(status, json) => Verdict::Pending(pending),
            _ if self.call.success.contains(&status) => Verdict::Done,
            _ => Verdict::ByStatus,
        }
    }

    /// Where to ask again; `None` means the same request once more.
    fn next(
        &self,
        pending: &Pending,
        what: &str,
        (step, asked): (Step, &Url),
        response: &Response,
        json: Option<&Value>,
    ) -> Result<Option<Url>, AuthorityError> {
        let unusable = |reason: &str| answer::unusable(what, reason, response);
        let by_pointer = pending
            .location
            .as_ref()
            .and_then(|pointer| pointer.in_(json?))
            .and_then(Value::as_str);
        let by_header = response.header("location");
        let url = match (by_pointer, &pending.path, by_header) {
            (Some(text), _, _) => asked.join(text),
            (None, Some(template), _) if json.is_some_and(Value::is_object) => {
                let mut scope = self.scope.clone();
                scope["answer"] = json.cloned().unwrap_or_default();
                // Later answers may leave out what the first one said.
                return match fill(template, &scope) {
                    Ok(path) => Ok(Some(place(self.settings, &path))),
                    Err(_) if step == Step::Beside => Ok(None),
                    Err(error) => Err(error),
                };
            }
            (None, None, Some(text)) => asked.join(text),
            _ => return Ok(None),
        };
        let url = url.map_err(|_| unusable("the polling location is not a URL"))?;
        // Our login goes there too.
        if url.origin() != self.settings.connection.url.origin() {
            return Err(unusable("it points to another host for polling"));
        }
        Ok(Some(url))
    }

    /// The API's own words, where the settings say that they stand.
    fn said(&self, request: &Request, response: &Response, json: Option<&Value>) -> Option<String> {
        let pointed = self
            .settings
            .message
            .as_ref()
            .and_then(|pointer| words(pointer.in_(json?)?));
        match pointed {
            Some(words) => line::sanitized(&request.redacted(words.as_bytes()), 300),
            None => response.said(request),
        }
    }

    fn turned_down(
        &self,
        step: Step,
        what: &str,
        request: &Request,
        response: &Response,
        json: Option<&Value>,
    ) -> AuthorityError {
        let said = self.said(request, response, json);
        answer::turned_down_saying(step, what, request, response, &self.settings.login(), said)
    }

    fn refused(
        &self,
        what: &str,
        request: &Request,
        response: &Response,
        json: Option<&Value>,
    ) -> AuthorityError {
        let hint = "the answer matches errors.refused in the settings";
        let said = self.said(request, response, json);
        AuthorityError::Refused(told(what, response, said, REFUSED, hint))
    }

    fn busy(
        &self,
        what: &str,
        request: &Request,
        response: &Response,
        json: Option<&Value>,
    ) -> AuthorityError {
        let hint =
            "the answer matches errors.busy in the settings, until the deadline: retry later";
        let said = self.said(request, response, json);
        AuthorityError::Unreachable(told(what, response, said, BUSY, hint))
    }
}

fn await_decision(waits: &mut Waits, wait: Duration) -> Result<(), AuthorityError> {
    waits
        .pause(Some(wait), "the order is pending")
        .map_err(|wait| {
            let summary =
                "the API accepted the request but did not decide on it before the deadline";
            AuthorityError::Unreachable(Box::new(
                delivered::pending(summary, waits.asked, wait).hint(
                    "have such requests approved at once, or give the order a longer deadline: a \
                 later run makes a new key, and its request is another one",
                ),
            ))
        })
}

fn told(
    what: &str,
    response: &Response,
    said: Option<String>,
    code: crate::finding::Code,
    hint: &str,
) -> Box<Finding> {
    let status = response.status;
    let finding = match said {
        None => Finding::error(code, format!("{what} was answered with {status}")),
        Some(said) => Finding::error(code, format!("{what} was answered with {status}: {said}"))
            .fact("said", said),
    };
    Box::new(finding.fact("status", status).hint(hint))
}

/// A sentence, or a list of them.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(several) => {
            let all: Vec<String> = several.iter().filter_map(words).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        other => Some(other.to_string()),
    }
}

impl Done {
    /// The chain for the key (DER `SubjectPublicKeyInfo`), and the roots that came along.
    pub fn issued(&self, settings: &Checked, spki: &[u8]) -> Result<Issued, AuthorityError> {
        let unusable = |reason: String| answer::unusable(&self.what, &reason, &self.response);
        let pointers = &settings.answer.certificates;
        let certificates = if pointers.is_empty() {
            received::certificates(&self.response.body).map_err(unusable)?
        } else {
            self.certificates(pointers)?
        };
        let mut issued = received::issued(certificates, spki).map_err(unusable)?;
        issued.date = self.response.date;
        if let Some(anchors) = &settings.answer.anchors {
            let vouched = self.certificates(std::slice::from_ref(anchors))?;
            let ders = vouched.iter().map(|root| root.der().to_vec());
            for der in ders {
                if !issued.anchors.contains(&der) {
                    issued.anchors.push(der);
                }
            }
        }
        Ok(issued)
    }

    fn certificates(&self, pointers: &[Pointer]) -> Result<Vec<Certificate>, AuthorityError> {
        let unusable = |reason: String| answer::unusable(&self.what, &reason, &self.response);
        let Some(json) = &self.json else {
            return Err(unusable("it is not JSON".to_owned()));
        };
        let mut found = Vec::new();
        for pointer in pointers {
            let value = pointer
                .in_(json)
                .ok_or_else(|| unusable(format!("its JSON has no {}", pointer.as_str())))?;
            collect(value, &mut found)
                .map_err(|reason| unusable(format!("{}: {reason}", pointer.as_str())))?;
        }
        Ok(found)
    }
}

fn collect(value: &Value, found: &mut Vec<Certificate>) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => {
            found.extend(received::certificates(text.as_bytes())?);
            Ok(())
        }
        Value::Array(several) => several.iter().try_for_each(|one| collect(one, found)),
        _ => Err("it is neither a string nor a list of strings".to_owned()),
    }
}
