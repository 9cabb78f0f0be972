//! Credentials become an access token: a signed assertion (RFC 7523), a refresh token (RFC 6749), a
//! token of another identity provider (RFC 8693), and perhaps a service account in its stead.

use std::time::Instant;

use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use url::Url;
use url::form_urlencoded::Serializer;

use super::file::{
    AuthorizedUser, CredentialSource, Credentials, ExternalAccount, ServiceAccount, contents,
};
use super::{Clients, Granted, SCOPE, SOURCES, Token, unusable};
use crate::authority::jws::Signer;
use crate::authority::{AuthorityError, answer, delivered};
use crate::net::{Repeat, Request, Response};
use crate::pki::pem;
use crate::secret::Secret;

impl Credentials {
    pub fn token(
        &self,
        clients: &Clients,
        now: OffsetDateTime,
        deadline: Instant,
    ) -> Result<Token, AuthorityError> {
        let asking = Asking { clients, deadline };
        match self {
            Self::ServiceAccount(account) => asking.by_assertion(account, now),
            Self::AuthorizedUser(user) => asking.by_refresh_token(user),
            Self::ExternalAccount(account) => asking.by_other_token(account),
            Self::ImpersonatedServiceAccount(impersonated) => {
                let source = impersonated
                    .source_credentials
                    .token(clients, now, deadline)?;
                let token = asking.in_stead(
                    &source,
                    &impersonated.service_account_impersonation_url,
                    &impersonated.delegates,
                )?;
                Ok(Token {
                    quota_project: impersonated.quota_project_id.clone(),
                    ..token
                })
            }
        }
    }
}

struct Asking<'a> {
    clients: &'a Clients,
    deadline: Instant,
}

impl Asking<'_> {
    fn by_assertion(
        &self,
        account: &ServiceAccount,
        now: OffsetDateTime,
    ) -> Result<Token, AuthorityError> {
        let email = shown(&account.client_email);
        let who = format!("the service account {email}");
        let assertion = assertion(account, now)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", text(&assertion)?),
        ];
        let hint = format!(
            "the key of {email} may have been deleted or disabled, or this machine's clock is off: \
             it signs with its time"
        );
        let secret = self.post_form(&account.token_uri, &form, &[&assertion], &who, &hint)?;
        Ok(Token {
            secret,
            who,
            quota_project: account.quota_project_id.clone(),
        })
    }

    fn by_refresh_token(&self, user: &AuthorizedUser) -> Result<Token, AuthorityError> {
        let who = "the user credentials of gcloud";
        let secrets = [
            Secret::from(user.refresh_token.clone()),
            Secret::from(user.client_secret.clone()),
        ];
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", user.client_id.as_str()),
            ("client_secret", user.client_secret.as_str()),
            ("refresh_token", user.refresh_token.as_str()),
        ];
        let hint = "they have expired or were revoked: run gcloud auth application-default login";
        let secret = self.post_form(
            &user.token_uri,
            &form,
            &[&secrets[0], &secrets[1]],
            who,
            hint,
        )?;
        Ok(Token {
            secret,
            who: who.to_owned(),
            quota_project: user.quota_project_id.clone(),
        })
    }

    fn by_other_token(&self, account: &ExternalAccount) -> Result<Token, AuthorityError> {
        let who = format!("the workload identity of {}", shown(&account.audience));
        let subject = self.subject_token(&account.credential_source)?;
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", account.audience.as_str()),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", text(&subject)?),
            ("subject_token_type", account.subject_token_type.as_str()),
        ];
        let hint = "check the provider's audience, issuer and attribute condition in the workload \
                    identity pool against this job's token";
        let secret = self.post_form(&account.token_url, &form, &[&subject], &who, hint)?;
        let token = Token {
            secret,
            who,
            quota_project: account.quota_project_id.clone(),
        };
        match &account.service_account_impersonation_url {
            None => Ok(token),
            Some(url) => Ok(Token {
                quota_project: token.quota_project.clone(),
                ..self.in_stead(&token, url, &[])?
            }),
        }
    }

    /// The token that the other side gives this job, from a file or an address.
    fn subject_token(&self, source: &CredentialSource) -> Result<Secret, AuthorityError> {
        let (content, place) = match (&source.file, &source.url) {
            (Some(path), _) => {
                let content = contents(path).map_err(|error| {
                    unusable(
                        &format!("reading the subject token from {}: {error}", path.display()),
                        "the job must write its identity token there first",
                    )
                })?;
                (content, path.display().to_string())
            }
            (None, Some(url)) => {
                let what = "GET subject token";
                let url = address(url)?;
                let mut request = Request::get(url.clone()).until(self.deadline);
                for (name, value) in &source.headers {
                    request = request.secret_header(name.clone(), Secret::from(value.clone()));
                }
                let response = self.clients.send(&request)?;
                if response.status != 200 {
                    let login = "the headers of the credentials";
                    return Err(answer::turned_down_early(what, &request, &response, login));
                }
                (response.body, url.host_str().unwrap_or_default().to_owned())
            }
            (None, None) => (Vec::new(), String::new()),
        };
        let token = if source.format.kind == "json" {
            let field = source.format.subject_token_field_name.as_deref();
            let value: Option<serde_json::Value> = serde_json::from_slice(&content).ok();
            value.and_then(|value| Some(value.get(field?)?.as_str()?.to_owned()))
        } else {
            String::from_utf8(content).ok()
        };
        token
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty())
            .map(Secret::from)
            .ok_or_else(|| {
                unusable(
                    &format!(
                        "{place} contains no subject token in the format that the credentials specify"
                    ),
                    "compare it with format in credential_source",
                )
            })
    }

    /// IAM Credentials' `generateAccessToken`.
    fn in_stead(
        &self,
        token: &Token,
        url: &str,
        delegates: &[String],
    ) -> Result<Token, AuthorityError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Generated {
            access_token: String,
        }
        let what = "POST generateAccessToken";
        let url = address(url)?;
        let account = url
            .path_segments()
            .and_then(|mut segments| segments.next_back())
            .and_then(|last| last.split(':').next())
            .unwrap_or_default()
            .to_owned();
        let body = json!({ "scope": [SCOPE], "delegates": delegates })
            .to_string()
            .into_bytes();
        let request = Request::post(url, Repeat::Safe, body)
            .header("content-type", "application/json")
            .bearer_auth(&token.secret)
            .until(self.deadline);
        let response = self.clients.send(&request)?;
        if response.status != 200 {
            let hint = format!(
                "grant {} the role roles/iam.serviceAccountTokenCreator (for a workload: \
                 roles/iam.workloadIdentityUser) on {account}",
                token.who
            );
            let error = answer::turned_down(what, &request, &response, &token.who);
            return Err(answer::hinted(error, hint));
        }
        let generated: Generated = delivered::json(what, &response)?;
        Ok(Token {
            secret: Secret::from(generated.access_token),
            who: format!("the service account {account}"),
            quota_project: None,
        })
    }

    fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        secrets: &[&Secret],
        who: &str,
        hint: &str,
    ) -> Result<Secret, AuthorityError> {
        let what = "POST token";
        let body = Serializer::new(String::new())
            .extend_pairs(form)
            .finish()
            .into_bytes();
        let mut request = Request::post(address(url)?, Repeat::Safe, body)
            .header("content-type", "application/x-www-form-urlencoded")
            .until(self.deadline);
        for secret in secrets {
            request = request.withhold(secret);
        }
        let response = self.clients.send(&request)?;
        if response.status != 200 {
            return Err(turned_down(what, &request, &response, who, hint));
        }
        let granted: Granted = delivered::json(what, &response)?;
        Ok(Secret::from(granted.access_token))
    }
}

/// A refused exchange is a refused login, whatever its status.
fn turned_down(
    what: &str,
    request: &Request,
    response: &Response,
    who: &str,
    hint: &str,
) -> AuthorityError {
    match answer::turned_down(what, request, response, who) {
        AuthorityError::Refused(mut finding) => {
            finding.code = answer::LOGIN_REFUSED;
            let hint = format!("certbake presented {who}: {hint}");
            AuthorityError::Refused(Box::new(finding.hint(hint)))
        }
        other => other,
    }
}

/// RFC 7523 section 2.1, signed with RS256 (RFC 7518 section 3.3).
fn assertion(account: &ServiceAccount, now: OffsetDateTime) -> Result<Secret, AuthorityError> {
    let fault = |reason: &str| {
        unusable(
            &format!(
                "the private key of {} cannot be used: {reason}",
                shown(&account.client_email)
            ),
            "create a new key for the service account",
        )
    };
    let der = pem::private_key(account.private_key.as_bytes())
        .ok()
        .flatten()
        .ok_or_else(|| fault("it is not a PEM private key"))?;
    let signer = Signer::from_rsa(&der).map_err(|_| fault("it is not an RSA key"))?;
    let issued = now.unix_timestamp();
    let claims = json!({
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + 3600,
    });
    signer
        .token(&[("kid", json!(account.private_key_id))], &claims)
        .map_err(|_| fault("it cannot sign"))
}

fn address(url: &str) -> Result<Url, AuthorityError> {
    Url::parse(url).map_err(|error| {
        unusable(
            &format!("an address in the credentials is not a URL: {error}"),
            SOURCES,
        )
    })
}

/// An account or audience, harmless on a terminal.
fn shown(text: &str) -> String {
    crate::line::sanitized(text.as_bytes(), 200).unwrap_or_default()
}

fn text(secret: &Secret) -> Result<&str, AuthorityError> {
    secret
        .expose_str()
        .map_err(|error| unusable(&error.to_string(), SOURCES))
}
