//! An answer of the server, before HTTP: status, what it is, and what the log says of it.

use hyper::StatusCode;

use crate::pki::pem;

/// Name, in lower case, and value.
pub(super) type Header = (&'static str, &'static str);

#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    /// `None` without a body.
    pub content_type: Option<&'static str>,
    pub body: String,
    /// One further header.
    pub header: Option<&'static Header>,
    /// Who asked: a user, a subject, or `-`.
    pub caller: String,
    /// For the log: the serial, or the reason.
    pub note: String,
}

impl Answer {
    /// DER in base64 (RFC 7030 section 4; RFC 8951 section 2.1 makes the transfer encoding
    /// optional, but clients still demand the header).
    pub(super) fn base64(content_type: &'static str, der: &[u8]) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some(content_type),
            body: pem::base64_lines(der),
            header: Some(&("content-transfer-encoding", "base64")),
            caller: "-".to_owned(),
            note: "-".to_owned(),
        }
    }

    /// A reason in plain text, fit for the requester.
    pub(super) fn refusal(status: StatusCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            status,
            content_type: Some("text/plain; charset=utf-8"),
            body: format!("{reason}\n"),
            header: None,
            caller: "-".to_owned(),
            note: reason,
        }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            content_type: None,
            body: String::new(),
            ..Self::refusal(status, "-")
        }
    }

    pub(super) fn with(mut self, header: &'static Header) -> Self {
        self.header = Some(header);
        self
    }

    pub(super) fn by(mut self, caller: &str) -> Self {
        caller.clone_into(&mut self.caller);
        self
    }

    pub(super) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}
