//! A client with our login, and the requests that it makes of templates.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use url::Url;

use super::settings::{Call, Checked, Content, Header};
use super::template::{Template, Unfilled};
use crate::authority::connection::read_secret;
use crate::authority::{AuthorityError, answer};
use crate::finding::{Code, Finding};
use crate::net::{Client, ClientCertificate, Method, Repeat, Request, Response};
use crate::secret::Secret;

const UNFILLED: Code = Code::new("template-unfilled");

/// Everything between settings and the first request.
pub struct Session {
    /// What templates name as `secrets.<name>`.
    pub secrets: BTreeMap<String, Secret>,
    client: Client,
    basic: Option<(String, Secret)>,
    token: Option<Secret>,
    /// The headers that are secrets, with what stands before them.
    headers: Vec<(String, Secret)>,
}

impl Session {
    /// Reads the credentials and makes the client. `current` stands in for the client certificate of
    /// the settings.
    pub fn open(
        settings: &Checked,
        current: Option<ClientCertificate>,
    ) -> Result<Self, AuthorityError> {
        let mut headers = Vec::new();
        for (name, header) in &settings.headers {
            if let Header::Secret { source, prefix } = header {
                let secret = read_secret(source)?;
                let value = [prefix.as_bytes(), secret.expose()].concat();
                headers.push((name.clone(), Secret::new(value)));
            }
        }
        Ok(Self {
            secrets: settings
                .secrets
                .iter()
                .map(|(name, source)| Ok((name.clone(), read_secret(source)?)))
                .collect::<Result<_, AuthorityError>>()?,
            basic: settings
                .basic
                .as_ref()
                .map(|(name, source)| read_secret(source).map(|secret| (name.clone(), secret)))
                .transpose()?,
            token: settings.token.as_ref().map(read_secret).transpose()?,
            headers,
            client: settings.connection.open(current, None)?.client,
        })
    }

    pub fn send(&self, request: &Request) -> Result<Response, AuthorityError> {
        self.client
            .send(request)
            .map_err(|error| answer::failed(&error))
    }

    /// The request of a call, filled in.
    pub fn call(
        &self,
        settings: &Checked,
        call: &Call,
        scope: &Value,
        deadline: Instant,
    ) -> Result<Request, AuthorityError> {
        let body = match &call.content {
            Content::None => Vec::new(),
            Content::Body(template) => fill(template, scope)?.into_bytes(),
            Content::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, template) in fields {
                    form.append_pair(name, &fill(template, scope)?);
                }
                form.finish().into_bytes()
            }
        };
        let url = place(settings, &fill(&call.path, scope)?);
        let repeat = if call.method == Method::GET {
            Repeat::Safe
        } else {
            Repeat::IfTurnedAway
        };
        let mut request = Request::new(call.method.clone(), url, repeat);
        if !matches!(call.content, Content::None) {
            request = request
                .header("content-type", call.content_type.clone())
                .with_body(body);
        }
        self.dressed(settings, request, scope, deadline)
    }

    /// A GET with our login.
    pub fn look(
        &self,
        settings: &Checked,
        url: Url,
        scope: &Value,
        deadline: Instant,
    ) -> Result<Request, AuthorityError> {
        self.dressed(settings, Request::get(url), scope, deadline)
    }

    fn dressed(
        &self,
        settings: &Checked,
        request: Request,
        scope: &Value,
        deadline: Instant,
    ) -> Result<Request, AuthorityError> {
        let mut request = request.until(deadline);
        for (name, header) in &settings.headers {
            if let Header::Template(template) = header {
                request = request.header(name.clone(), fill(template, scope)?);
            }
        }
        if let Some((name, password)) = &self.basic {
            request = request.basic_auth(name, password);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, secret) in &self.headers {
            request = request.secret_header(name.clone(), secret.clone());
        }
        for secret in self.secrets.values() {
            request = request.withhold(secret);
        }
        Ok(request)
    }
}

/// Path and query, as a template gave them, below the URL of the settings.
pub fn place(settings: &Checked, path: &str) -> Url {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut url = if path.is_empty() {
        settings.connection.url.clone()
    } else {
        settings.connection.at(path)
    };
    url.set_query(query);
    url
}

pub fn fill(template: &Template, scope: &Value) -> Result<String, AuthorityError> {
    template.fill(scope).map_err(|error| unfilled(&error))
}

fn unfilled(error: &Unfilled) -> AuthorityError {
    AuthorityError::Settings(Box::new(
        Finding::error(UNFILLED, format!("filling in the template {error}"))
            .fact("template", error.key.clone())
            .fact("line", error.line)
            .hint(
                "give the identity what the template names (ttl, common_name), or have the \
                 template do without: {% if ttl_seconds is defined %}…{% endif %}",
            ),
    ))
}
