//! A request and its answer, as the rest of certbake sees them.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::header::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use crate::line;
use crate::secret::Secret;

pub use reqwest::Method;

/// What may be done when an attempt did not end well. An attempt of which nothing was sent may
/// always be made again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// Asking twice is the same as asking once (GET): after any passing failure.
    Safe,
    /// After an answer that says nothing was done (429, 503), not after an answer that was lost.
    IfTurnedAway,
    /// Never: it carries something that can be used once.
    Never,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub repeat: Repeat,
    /// When all attempts must have ended; without it, the client's own deadline counts.
    pub deadline: Option<Instant>,
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    pub(super) secret_headers: Vec<(Cow<'static, str>, Secret)>,
    /// Values that must not come back in an error, were the server to echo them.
    pub(super) withheld: Vec<Secret>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Repeat::Safe)
    }

    pub fn post(url: Url, repeat: Repeat, body: Vec<u8>) -> Self {
        Self::new(Method::POST, url, repeat).with_body(body)
    }

    pub fn new(method: Method, url: Url, repeat: Repeat) -> Self {
        Self {
            method,
            url,
            repeat,
            deadline: None,
            headers: Vec::new(),
            secret_headers: Vec::new(),
            withheld: Vec::new(),
            body: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A header whose value is a credential.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<Cow<'static, str>>, value: Secret) -> Self {
        self.withheld.push(value.clone());
        self.secret_headers.push((name.into(), value));
        self
    }

    /// RFC 6750 section 2.1.
    #[must_use]
    pub fn bearer_auth(mut self, token: &Secret) -> Self {
        let mut value = Vec::with_capacity(7 + token.expose().len());
        value.extend_from_slice(b"Bearer ");
        value.extend_from_slice(token.expose());
        self.withheld.push(token.clone());
        self.secret_header("authorization", Secret::new(value))
    }

    /// Names a credential that the body or the URL holds, so that an echo of it is redacted.
    #[must_use]
    pub fn withhold(mut self, secret: &Secret) -> Self {
        self.withheld.push(secret.clone());
        self
    }

    /// HTTP Basic (RFC 7617), UTF-8.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &Secret) -> Self {
        let mut pair =
            zeroize::Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.expose().len()));
        pair.extend_from_slice(user.as_bytes());
        pair.push(b':');
        pair.extend_from_slice(password.expose());
        let encoded = zeroize::Zeroizing::new(BASE64.encode(&pair));
        self.withheld.push(password.clone());
        self.withheld.push(Secret::new(encoded.as_bytes().to_vec()));
        self.secret_header("authorization", Secret::from(format!("Basic {}", *encoded)))
    }

    /// Whether it comes with a login of this scheme (RFC 9110 section 11.4).
    pub fn presents(&self, scheme: &str) -> bool {
        let begins = |value: &[u8]| {
            value
                .split_at_checked(scheme.len())
                .is_some_and(|(head, rest)| {
                    head.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first() == Some(&b' ')
                })
        };
        self.secret_headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && begins(value.expose())
        })
    }

    /// What a server said, without the credentials of this request.
    pub fn redacted(&self, words: &[u8]) -> Vec<u8> {
        line::redacted(words, self.withheld.iter().map(Secret::expose))
    }

    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// An answer with a status other than 3xx, read to its end.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    /// The server's clock, from its `Date` header.
    pub date: Option<OffsetDateTime>,
    /// When the answer's head had come, on our monotonic clock.
    pub received: Instant,
    /// How many attempts it took, this one included.
    pub attempts: u32,
    pub(super) headers: HeaderMap,
}

impl Response {
    /// The first header of that name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every header of that name.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
    }

    /// Every header whose value is text.
    pub fn all_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// How long the server asks to be left alone (RFC 9110 section 10.2.3): seconds, or a date that
    /// is compared with the server's own `Date`, so that clocks need not agree.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse::<u32>() {
            return Some(Duration::from_secs(seconds.into()));
        }
        let wait = http_date(value)? - self.date?;
        Some(wait.try_into().unwrap_or(Duration::ZERO))
    }

    /// The server's own words, for an error: one bounded line without control characters, and
    /// without the credentials of the request, should the server echo them. Of a web page the text
    /// without its tags, of JSON the member that holds the message.
    pub fn said(&self, request: &Request) -> Option<String> {
        let kind = self.header("content-type").unwrap_or_default();
        let words = if kind.contains("html") {
            without_tags(&self.body)
        } else if kind.contains("json") {
            message_member(&self.body).unwrap_or_else(|| self.body.clone())
        } else {
            self.body.clone()
        };
        line::sanitized(&request.redacted(&words), 300)
    }
}

fn without_tags(page: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut in_tag = false;
    for &byte in page {
        match byte {
            b'<' => in_tag = true,
            b'>' => {
                in_tag = false;
                text.push(b' ');
            }
            _ if !in_tag => text.push(byte),
            _ => {}
        }
    }
    text
}

/// `detail` and `title` of RFC 9457, then what others call it; a member may hold the message, an
/// object with it, or a list of either.
fn message_member(json: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_slice(json).ok()?;
    message_in(&value).map(String::into_bytes)
}

const MESSAGE_MEMBERS: &[&str] = &[
    "detail",
    "title",
    "message",
    "Message",
    "error_description",
    "error_message",
    "error",
    "errors",
];

fn message_in(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(members) => MESSAGE_MEMBERS
            .iter()
            .find_map(|name| message_in(members.get(*name)?)),
        Value::Array(several) => {
            let messages: Vec<String> = several.iter().filter_map(message_in).collect();
            (!messages.is_empty()).then(|| messages.join("; "))
        }
        _ => None,
    }
}

/// IMF-fixdate (RFC 9110 section 5.6.7). The two obsolete forms are read by nobody's server.
pub(super) fn http_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn answer(headers: &[(&'static str, &'static str)], body: &[u8]) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Response {
            status: 503,
            body: body.to_vec(),
            date: map
                .get("date")
                .and_then(|date| http_date(date.to_str().ok()?)),
            received: Instant::now(),
            attempts: 1,
            headers: map,
        }
    }

    #[test]
    fn an_http_date_is_read() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(datetime!(1994-11-06 08:49:37 UTC))
        );
    }

    #[test]
    fn retry_after_counts_seconds_or_from_the_servers_own_clock() {
        let seconds = answer(&[("retry-after", "120")], b"");
        assert_eq!(seconds.retry_after(), Some(Duration::from_secs(120)));
        let date = answer(
            &[
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
            ],
            b"",
        );
        assert_eq!(date.retry_after(), Some(Duration::from_secs(30)));
        let past = answer(
            &[
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"),
            ],
            b"",
        );
        assert_eq!(past.retry_after(), Some(Duration::ZERO));
        assert_eq!(answer(&[("retry-after", "soon")], b"").retry_after(), None);
    }

    #[test]
    fn the_words_are_found_in_a_web_page_and_in_a_problem_document() {
        let request = Request::get(Url::parse("https://ca.lab/").unwrap());
        for (kind, body, words) in [
            (
                "text/html",
                "<html><head><title>400 Bad</title></head>\r\n<h1>No certificate</h1>",
                "400 Bad No certificate",
            ),
            (
                "application/problem+json",
                r#"{"title":"denied","detail":"quota of builder"}"#,
                "quota of builder",
            ),
            ("application/json", "[1]", "[1]"),
            (
                "application/json",
                r#"{"errors":["1 error","permission denied"]}"#,
                "1 error; permission denied",
            ),
            (
                "application/json",
                r#"{"error":{"code":403,"message":"no role"}}"#,
                "no role",
            ),
            (
                "application/json",
                r#"{"success":false,"errors":[{"code":5400,"message":"unknown profile"}]}"#,
                "unknown profile",
            ),
            ("text/plain", "a < b", "a < b"),
        ] {
            let response = answer(&[("content-type", kind)], body.as_bytes());
            assert_eq!(response.said(&request).unwrap(), words);
        }
    }

    #[test]
    fn a_server_that_echoes_the_password_does_not_get_it_into_an_error() {
        let url = Url::parse("https://ca.lab/").unwrap();
        let request = Request::get(url).basic_auth("bob", &Secret::from("canary-7".to_owned()));
        let echo = b"no such user bob:canary-7 (Basic Ym9iOmNhbmFyeS03)";
        assert_eq!(
            answer(&[], echo).said(&request).unwrap(),
            "no such user bob:[withheld] ([withheld])"
        );
    }
}
