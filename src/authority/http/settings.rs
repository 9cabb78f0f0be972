//! The settings of `kind = "http"`, checked: every template read and tried, every pointer a pointer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::rules::{Pointer, Rule};
use super::scope;
use super::template::{Shape, Template};
use super::words::{self, Words};
use crate::authority::connection::{Connection, login, wrong};
use crate::authority::given::Given;
use crate::authority::{Settings, SettingsError};
use crate::net::Method;
use crate::secret_source::SecretSource;
use crate::span::Span;

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    pub basic: Option<(String, SecretSource)>,
    pub token: Option<SecretSource>,
    pub headers: Vec<(String, Header)>,
    pub secrets: BTreeMap<String, SecretSource>,
    pub request: Call,
    pub renew: Option<Call>,
    pub revoke: Option<Call>,
    /// Path and query of the look before an order.
    pub preflight: Option<Template>,
    pub answer: Answer,
    pub pending: Option<Pending>,
    pub message: Option<Pointer>,
    pub refused: Option<Rule>,
    pub busy: Option<Rule>,
}

pub enum Header {
    Template(Template),
    Secret {
        source: SecretSource,
        prefix: String,
    },
}

pub struct Call {
    pub method: Method,
    pub path: Template,
    pub content_type: String,
    pub content: Content,
    pub success: Vec<u16>,
}

pub enum Content {
    None,
    Body(Template),
    Form(Vec<(String, Template)>),
}

pub struct Answer {
    pub certificates: Vec<Pointer>,
    pub anchors: Option<Pointer>,
}

pub struct Pending {
    pub rule: Rule,
    pub location: Option<Pointer>,
    pub path: Option<Template>,
    pub interval: Duration,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        let order = scope::sample_order(words.secrets.keys());
        let revocation = scope::sample_revocation(words.secrets.keys());
        let scopes: Vec<&Value> = match &words.revoke {
            Some(_) => vec![&order, &revocation],
            None => vec![&order],
        };
        if words.token.is_some() && words.password.is_some() {
            return Err(wrong(
                "token",
                "username and password are also given: give only one login",
            ));
        }
        let relative = |source: SecretSource| source.relative_to(settings.directory);
        let call = |key: &str, words: Option<words::Call>, scope: &Value, success: &[u16]| {
            words
                .map(|words| Call::read(key, words, scope, success))
                .transpose()
        };
        Ok(Self {
            name: settings.name.to_owned(),
            connection: Connection::read(settings, None)?,
            basic: login(
                settings,
                words.username,
                words.password,
                ["username", "password"],
            )?,
            token: words.token.map(relative),
            headers: headers(words.headers, &scopes, settings)?,
            secrets: words
                .secrets
                .into_iter()
                .map(|(name, source)| (name, relative(source)))
                .collect(),
            request: Call::read("request", words.request, &order, &[200, 201])?,
            renew: call("renew", words.renew, &order, &[200, 201])?,
            revoke: call("revoke", words.revoke, &revocation, &[200, 201, 204])?,
            preflight: words
                .preflight
                .map(|look| Template::read("preflight.path", &look.path, Shape::Path, &order))
                .transpose()?,
            answer: Answer::read(words.answer)?,
            pending: words
                .pending
                .map(|pending| Pending::read(pending, &order))
                .transpose()?,
            message: pointer("errors.message", words.errors.message)?,
            refused: rule("errors.refused", words.errors.refused)?,
            busy: rule("errors.busy", words.errors.busy)?,
        })
    }

    /// Where the secrets come from.
    pub fn sources(&self) -> Vec<SecretSource> {
        let mut sources = self.connection.secrets();
        sources.extend(self.basic.iter().map(|(_, source)| source.clone()));
        sources.extend(self.token.clone());
        sources.extend(self.secrets.values().cloned());
        sources.extend(self.headers.iter().filter_map(|(_, header)| match header {
            Header::Secret { source, .. } => Some(source.clone()),
            Header::Template(_) => None,
        }));
        sources
    }

    /// How we present ourselves, in words.
    pub fn login(&self) -> String {
        let basic = self
            .basic
            .as_ref()
            .map(|(name, _)| format!("the user name \"{name}\""));
        let token = self.token.as_ref().map(|_| "a bearer token".to_owned());
        let certificate = &self.connection.certificate;
        let certificate = certificate
            .as_ref()
            .map(|_| "a client certificate".to_owned());
        let secret = |(_, header): &&(String, Header)| matches!(header, Header::Secret { .. });
        let headers = self.headers.iter().filter(secret);
        let headers = headers.map(|(name, _)| format!("the header {name}"));
        let body = (!self.secrets.is_empty()).then(|| "a secret in the request".to_owned());
        let all: Vec<String> = basic
            .into_iter()
            .chain(token)
            .chain(certificate)
            .chain(headers)
            .chain(body)
            .collect();
        if all.is_empty() {
            "no login".to_owned()
        } else {
            all.join(" and ")
        }
    }
}

impl Call {
    fn read(
        key: &str,
        words: words::Call,
        scope: &Value,
        success: &[u16],
    ) -> Result<Self, SettingsError> {
        let at = |name: &str| format!("{key}.{name}");
        let method = method(words.method.as_deref())
            .ok_or_else(|| wrong(&at("method"), "it must be GET, POST, PUT, PATCH or DELETE"))?;
        if !words.path.is_empty() && !words.path.starts_with(['/', '?', '{']) {
            return Err(wrong(
                &at("path"),
                "it must start with a slash: the host comes from url",
            ));
        }
        let is_form = words.form.is_some();
        let content_type = words.content_type.unwrap_or_else(|| {
            let usual = if is_form {
                "application/x-www-form-urlencoded"
            } else {
                "application/json"
            };
            usual.to_owned()
        });
        let content = match (words.body, words.form) {
            (Some(_), Some(_)) => {
                return Err(wrong(
                    &at("form"),
                    "body is also given: give only one of them",
                ));
            }
            (Some(body), None) => {
                let shape = if content_type.contains("json") {
                    Shape::Json
                } else {
                    Shape::Text
                };
                Content::Body(Template::read(&at("body"), &body, shape, scope)?)
            }
            (None, Some(form)) => Content::Form(
                form.into_iter()
                    .map(|(name, text)| {
                        let key = format!("{key}.form.{name}");
                        Ok((name, Template::read(&key, &text, Shape::Text, scope)?))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            (None, None) => Content::None,
        };
        Ok(Self {
            method,
            path: Template::read(&at("path"), &words.path, Shape::Path, scope)?,
            content_type,
            content,
            success: words.success.unwrap_or_else(|| success.to_vec()),
        })
    }
}

impl Answer {
    fn read(words: words::Answer) -> Result<Self, SettingsError> {
        let certificate = pointer("answer.certificate", words.certificate)?;
        let chain = pointer("answer.chain", words.chain)?;
        Ok(Self {
            certificates: certificate.into_iter().chain(chain).collect(),
            anchors: pointer("answer.anchors", words.anchors)?,
        })
    }
}

impl Pending {
    fn read(words: words::Pending, order: &Value) -> Result<Self, SettingsError> {
        let rule = words::Rule {
            status: words.status,
            pointer: words.pointer,
            equals: words.equals,
        };
        // Of an answer nothing is known yet: any name in it may be.
        let mut scope = order.clone();
        scope["answer"] = serde_json::json!({});
        Ok(Self {
            rule: Rule::read("pending", rule)?,
            location: pointer("pending.location", words.location)?,
            path: words
                .path
                .map(|path| Template::read_names("pending.path", &path, Shape::Path, &scope))
                .transpose()?,
            interval: words.interval.map_or(Duration::from_secs(5), Span::std),
        })
    }
}

fn method(name: Option<&str>) -> Option<Method> {
    Some(match name {
        None | Some("POST") => Method::POST,
        Some("GET") => Method::GET,
        Some("PUT") => Method::PUT,
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        Some(_) => return None,
    })
}

/// A template in a header is sent with every request, so it must do for each of them.
fn headers(
    words: BTreeMap<String, Given>,
    scopes: &[&Value],
    settings: &Settings<'_>,
) -> Result<Vec<(String, Header)>, SettingsError> {
    let mut headers = Vec::new();
    for (name, given) in words {
        let key = format!("headers.{name}");
        // RFC 9110 section 5.1.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(wrong(&key, "it is not a valid header name"));
        }
        let header = match given.relative_to(settings.directory) {
            Given::Secret { source, prefix } => Header::Secret { source, prefix },
            Given::Text(text) => {
                for scope in scopes {
                    Template::read(&key, &text, Shape::Text, scope)?;
                }
                Header::Template(Template::read(&key, &text, Shape::Text, scopes[0])?)
            }
        };
        headers.push((name.to_ascii_lowercase(), header));
    }
    Ok(headers)
}

fn pointer(key: &str, text: Option<String>) -> Result<Option<Pointer>, SettingsError> {
    text.map(|text| Pointer::read(key, text)).transpose()
}

fn rule(key: &str, words: Option<words::Rule>) -> Result<Option<Rule>, SettingsError> {
    words.map(|words| Rule::read(key, words)).transpose()
}
