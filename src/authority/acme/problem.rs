//! Problem documents (RFC 8555 section 6.7) in words: what the CA said of which name, whether asking
//! again can help, and what to do next.

use instant_acme::{Error, Problem};
use serde::Deserialize;

use super::directory::Directory;
use super::wire::{Trouble, What};
use crate::authority::AuthorityError;
use crate::authority::answer::{BUSY, LOGIN_REFUSED, REFUSED};
use crate::finding::{Code, Finding};

pub const CHALLENGE_FAILED: Code = Code::new("acme-challenge-failed");
pub const EXTERNAL_ACCOUNT: Code = Code::new("acme-external-account-required");
pub const PROFILE_UNKNOWN: Code = Code::new("acme-profile-unknown");
const CLIENT_FAULT: Code = Code::new("acme-client-fault");

const PREFIX: &str = "urn:ietf:params:acme:error:";

/// A problem document whose texts are harmless.
pub struct Document {
    /// Without the prefix of RFC 8555; empty when it has none.
    kind: String,
    detail: String,
    /// Where a person has to go (`userActionRequired`).
    instance: Option<String>,
    /// Name, kind, detail.
    parts: Vec<(String, String, String)>,
}

#[derive(Deserialize)]
struct Words {
    r#type: Option<String>,
    detail: Option<String>,
    instance: Option<String>,
    #[serde(default)]
    subproblems: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    r#type: Option<String>,
    detail: Option<String>,
    identifier: Option<Name>,
}

#[derive(Deserialize)]
struct Name {
    value: Option<String>,
}

/// Makes a text from outside harmless.
type Cleaner<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Document {
    /// `None` when the bytes are no problem document of this protocol.
    pub fn read(body: &[u8], clean: Cleaner<'_>) -> Option<Self> {
        let words: Words = serde_json::from_slice(body).ok()?;
        words.r#type.as_ref()?;
        Some(Self {
            kind: kind(words.r#type.as_deref(), clean),
            detail: cleaned(words.detail.as_deref(), clean),
            instance: words.instance.and_then(|text| clean(&text)),
            parts: words
                .subproblems
                .iter()
                .map(|part| {
                    let name = part
                        .identifier
                        .as_ref()
                        .and_then(|name| name.value.as_deref());
                    (
                        cleaned(name, clean),
                        kind(part.r#type.as_deref(), clean),
                        cleaned(part.detail.as_deref(), clean),
                    )
                })
                .collect(),
        })
    }

    pub fn of(problem: &Problem, clean: Cleaner<'_>) -> Self {
        let parts = problem.subproblems.iter().map(|part| {
            let name = part
                .identifier
                .as_ref()
                .map(|name| name.authorized(false).to_string());
            (
                cleaned(name.as_deref(), clean),
                kind(part.r#type.as_deref(), clean),
                cleaned(part.detail.as_deref(), clean),
            )
        });
        Self {
            kind: kind(problem.r#type.as_deref(), clean),
            detail: cleaned(problem.detail.as_deref(), clean),
            instance: None,
            parts: parts.collect(),
        }
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// What the CA said, of each name that it said it of.
    fn said(&self) -> String {
        let mut said = match (self.detail.as_str(), self.kind.as_str()) {
            ("", kind) => kind.to_owned(),
            (detail, "") => detail.to_owned(),
            (detail, kind) => format!("{detail} ({kind})"),
        };
        for (name, kind, detail) in &self.parts {
            said += &format!("; {name}: {detail} ({kind})");
        }
        said
    }

    pub fn trouble(&self, what: What<'_>, status: u16, directory: &Directory) -> Trouble {
        let verdict = self.verdict(what, status, directory);
        let names: Vec<&str> = self.parts.iter().map(|(name, ..)| name.as_str()).collect();
        let mut finding = Finding::error(verdict.code, format!("{}: {}", what.words, self.said()))
            .fact("problem", self.kind.clone())
            .hint(verdict.hint);
        if status != 0 {
            finding = finding.fact("status", status);
        }
        if !names.is_empty() {
            finding = finding.fact("names", names);
        }
        let finding = Box::new(finding);
        Trouble {
            error: if verdict.passes {
                AuthorityError::Unreachable(finding)
            } else {
                AuthorityError::Refused(finding)
            },
            problem: Some(self.kind.clone()),
        }
    }

    fn verdict(&self, what: What<'_>, status: u16, directory: &Directory) -> Verdict {
        let kind = self.kind.as_str();
        if what.challenge && VALIDATION.contains(&kind) {
            // Who proves the name says how.
            return Verdict::no(CHALLENGE_FAILED, "");
        }
        match kind {
            "invalidProfile" => return Verdict::no(PROFILE_UNKNOWN, &offered(directory)),
            "userActionRequired" => {
                let place = self.instance.as_deref().unwrap_or("the CA's web site");
                return Verdict::no(
                    LOGIN_REFUSED,
                    &format!(
                        "a person must act, usually to agree to changed terms of service: see {place}"
                    ),
                );
            }
            _ => {}
        }
        if let Some((_, code, hint)) = TABLE.iter().find(|(known, ..)| *known == kind) {
            return Verdict {
                passes: *code == BUSY,
                ..Verdict::no(*code, hint)
            };
        }
        if status == 429 || status >= 500 {
            let hint = "the CA has an error or is busy: retry later, and look in its log";
            return Verdict {
                passes: true,
                ..Verdict::no(BUSY, hint)
            };
        }
        Verdict::no(
            REFUSED,
            "the CA does not sign this request as it is: its message and its log say why",
        )
    }
}

/// What a validation can end in (RFC 8555 section 8).
const VALIDATION: &[&str] = &[
    "connection",
    "dns",
    "incorrectResponse",
    "tls",
    "unauthorized",
];

/// Every other problem that has a name (RFC 8555 section 6.7, RFC 9773): its code, what to do.
const TABLE: &[(&str, Code, &str)] = &[
    (
        "accountDoesNotExist",
        LOGIN_REFUSED,
        "the CA does not know the account: the CA may have been recreated; remove the account's file to create a new account",
    ),
    (
        "badCSR",
        REFUSED,
        "the CA does not sign this request: many CAs require the common name to be one of the names or absent, and refuse usages that they do not grant",
    ),
    (
        "badNonce",
        BUSY,
        "the CA rejected several fresh nonces: servers behind one name may not share them; retry later",
    ),
    ("badPublicKey", REFUSED, KEY_HINT),
    ("badSignatureAlgorithm", REFUSED, KEY_HINT),
    (
        "caa",
        CHALLENGE_FAILED,
        "a CAA record of the domain does not permit this CA: add one that does (RFC 8659)",
    ),
    ("connection", CHALLENGE_FAILED, REACH_HINT),
    ("dns", CHALLENGE_FAILED, REACH_HINT),
    ("externalAccountRequired", EXTERNAL_ACCOUNT, EXTERNAL_HINT),
    ("invalidContact", REFUSED, CONTACT_HINT),
    (
        "rateLimited",
        BUSY,
        "the CA limits the request rate: retry later, and ask it for fewer certificates",
    ),
    ("rejectedIdentifier", REFUSED, NAME_HINT),
    (
        "serverInternal",
        BUSY,
        "the CA has an error: retry later, and look in its log",
    ),
    (
        "unauthorized",
        REFUSED,
        "the account is not allowed this: the CA's message and its log say why",
    ),
    ("unsupportedContact", REFUSED, CONTACT_HINT),
    ("unsupportedIdentifier", REFUSED, NAME_HINT),
];

const KEY_HINT: &str = "the CA does not accept this kind of key: set another key_algorithm";
const REACH_HINT: &str = "the CA could not reach the proof of the name";
const CONTACT_HINT: &str =
    "write contact as the CA requires it, such as [\"mailto:ops@example.com\"]";
const NAME_HINT: &str =
    "the CA does not sign for this name: its policy or its log says which names it accepts";

pub const EXTERNAL_HINT: &str = "the CA creates accounts only for its own customers: get a key identifier and an HMAC key from it, and give them as eab_key_id and eab_hmac_key";

/// Which profiles there are.
pub fn offered(directory: &Directory) -> String {
    let profiles = directory.profiles();
    if profiles.is_empty() {
        "the CA offers no profiles: leave profile out".to_owned()
    } else {
        format!("the CA offers {}", profiles.join(", "))
    }
}

/// Whether it is worth asking again, and what to do.
struct Verdict {
    passes: bool,
    code: Code,
    hint: String,
}

impl Verdict {
    fn no(code: Code, hint: &str) -> Self {
        Self {
            passes: false,
            code,
            hint: hint.to_owned(),
        }
    }
}

fn kind(text: Option<&str>, clean: Cleaner<'_>) -> String {
    let text = text.unwrap_or_default();
    cleaned(Some(text.strip_prefix(PREFIX).unwrap_or(text)), clean)
}

fn cleaned(text: Option<&str>, clean: Cleaner<'_>) -> String {
    text.and_then(clean).unwrap_or_default()
}

/// An error before anything was asked.
pub fn internal(what: What<'_>, error: &Error) -> Trouble {
    let finding = Finding::error(CLIENT_FAULT, format!("{}: {error}", what.words)).hint(
        "the account's file may be damaged: restore it, or remove it to create a new account",
    );
    Trouble {
        error: AuthorityError::Settings(Box::new(finding)),
        problem: None,
    }
}
