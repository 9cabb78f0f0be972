//! AWS IAM: a signed request to STS that Vault sends on, to hear from AWS who we are. Nothing is
//! asked of AWS here.

use std::time::Instant;

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::sigv4::{Credentials, Signed, instant};
use super::{Entered, Form, Login, beside, checked_mount, text};
use crate::authority::clock::Clock;
use crate::authority::connection::{read_secret, wrong};
use crate::authority::vault::server::Server;
use crate::authority::vault::settings;
use crate::authority::{AuthorityError, Settings, SettingsError};
use crate::secret::Secret;
use crate::secret_source::SecretSource;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The region that the endpoint without one in its name belongs to.
const GLOBAL: &str = "us-east-1";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// Where this login is mounted, without `auth/`; default: the method's name.
    #[serde(default = "usual_mount")]
    mount: String,
    /// Without it, the one named as the AWS role is.
    role: Option<String>,
    /// Of the STS endpoint that Vault is configured with (sts_region); without it, the global one.
    region: Option<String>,
    /// What Vault requires in X-Vault-AWS-IAM-Server-ID (iam_server_id_header_value).
    server_id: Option<String>,
    /// The access key that signs the login [default: env:AWS_ACCESS_KEY_ID]
    access_key_id: Option<SecretSource>,
    /// Its secret [default: env:AWS_SECRET_ACCESS_KEY]
    secret_access_key: Option<SecretSource>,
    /// Beside a key that was lent for a while [default: env:AWS_SESSION_TOKEN, where that is set]
    session_token: Option<SecretSource>,
}

fn usual_mount() -> String {
    "aws".to_owned()
}

impl Aws {
    fn credentials(&self) -> Result<Credentials, AuthorityError> {
        let [key, secret] = [
            source(&self.access_key_id, "AWS_ACCESS_KEY_ID"),
            source(&self.secret_access_key, "AWS_SECRET_ACCESS_KEY"),
        ];
        Ok(Credentials {
            access_key_id: text(&read_secret(&key)?, &key)?,
            secret_access_key: read_secret(&secret)?,
            session_token: self.session_token.as_ref().map(read_secret).transpose()?,
        })
    }

    fn host(&self) -> String {
        match self.region.as_deref() {
            None => "sts.amazonaws.com".to_owned(),
            Some(region) if region.starts_with("cn-") => format!("sts.{region}.amazonaws.com.cn"),
            Some(region) => format!("sts.{region}.amazonaws.com"),
        }
    }

    /// The headers of the request to STS, the signature among them.
    fn headers(
        &self,
        credentials: &Credentials,
        at: &str,
    ) -> Result<Vec<(String, String)>, AuthorityError> {
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", self.host()),
            ("x-amz-date", at.to_owned()),
        ];
        if let (Some(token), Some(source)) = (&credentials.session_token, &self.session_token) {
            headers.push(("x-amz-security-token", text(token, source)?));
        }
        if let Some(id) = &self.server_id {
            headers.push(("x-vault-aws-iam-server-id", id.clone()));
        }
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let authorization = Signed {
            method: "POST",
            path: "/",
            headers: &signed,
            body: BODY.as_bytes(),
            region: self.region.as_deref().unwrap_or(GLOBAL),
            service: "sts",
            at,
        }
        .authorization(credentials);
        headers.push(("authorization", authorization));
        Ok(headers
            .into_iter()
            .map(|(name, value)| (canonical(name), value))
            .collect())
    }
}

/// As Go writes header names, which Vault looks them up by.
fn canonical(name: &str) -> String {
    let part = |part: &str| {
        part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

fn source(given: &Option<SecretSource>, variable: &str) -> SecretSource {
    given
        .clone()
        .unwrap_or_else(|| SecretSource::Environment(variable.to_owned()))
}

impl Login for Aws {
    fn words(&self) -> String {
        format!("an AWS IAM login (auth/{})", self.mount)
    }

    fn sources(&self) -> Vec<&SecretSource> {
        self.secret_access_key
            .iter()
            .chain(&self.session_token)
            .collect()
    }

    fn complete(&mut self, settings: &Settings<'_>, _: bool) -> Result<(), SettingsError> {
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return Err(wrong(
                "auth.access_key_id",
                "access_key_id and secret_access_key belong together: give both, or neither",
            ));
        }
        // A session token belongs to the keys it came with.
        let has_session =
            (settings.environment)("AWS_SESSION_TOKEN").is_some_and(|it| !it.is_empty());
        if self.access_key_id.is_none() && self.session_token.is_none() && has_session {
            self.session_token = Some(source(&None, "AWS_SESSION_TOKEN"));
        }
        if self.secret_access_key.is_none() {
            self.access_key_id = Some(source(&None, "AWS_ACCESS_KEY_ID"));
            self.secret_access_key = Some(source(&None, "AWS_SECRET_ACCESS_KEY"));
        }
        let own = [
            &mut self.access_key_id,
            &mut self.secret_access_key,
            &mut self.session_token,
        ];
        for source in own.into_iter().flatten() {
            beside(source, settings);
        }
        if let Some(region) = self.region.take() {
            self.region = Some(settings::segment("auth.region", region)?);
        }
        checked_mount(&mut self.mount)
    }

    fn enter(
        &self,
        server: &Server,
        clock: Clock,
        until: Instant,
    ) -> Result<Entered, AuthorityError> {
        let credentials = self.credentials()?;
        let headers: serde_json::Map<String, serde_json::Value> = self
            .headers(&credentials, &instant(clock.now()))?
            .into_iter()
            .map(|(name, value)| (name, json!([value])))
            .collect();
        let headers = BASE64.encode(serde_json::Value::Object(headers).to_string().as_bytes());
        let mut body = json!({
            "iam_http_request_method": "POST",
            "iam_request_url": BASE64.encode(format!("https://{}/", self.host()).as_bytes()),
            "iam_request_body": BASE64.encode(BODY.as_bytes()),
            "iam_request_headers": headers.as_str(),
        });
        if let Some(role) = &self.role {
            body["role"] = role.as_str().into();
        }
        let mut secrets = vec![Secret::from(headers)];
        secrets.extend(credentials.session_token);
        Form {
            mount: &self.mount,
            path: "login",
            body,
            secrets,
            words: self.words(),
            hint: format!(
                "AWS or Vault does not accept the key {}: see that its principal is bound to the role, that \
                 auth.region is that of Vault's STS endpoint (now {}), auth.server_id what Vault demands, and \
                 that this machine's clock is right",
                credentials.access_key_id,
                self.host()
            ),
        }
        .send(server, until)
    }
}
