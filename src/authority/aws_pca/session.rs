//! Amazon's client for one private CA, with its login, and what the CA says of itself.

use std::sync::Arc;
use std::time::Instant;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_acmpca::Client;
use aws_sdk_acmpca::config::{Builder, ProvideCredentials, retry::RetryConfig};
use aws_sdk_acmpca::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_acmpca::types::{CertificateAuthority, CertificateAuthorityUsageMode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tokio::time::timeout_at;

use super::error;
use super::settings::Checked;
use super::transport::{ChainTransport, Transport};
use crate::authority::connection::{Reached, read_secret};
use crate::authority::shared::Shared;
use crate::authority::waits::Waits;
use crate::authority::{AuthorityError, answer};
use crate::finding::Finding;
use crate::net;
use crate::secret::Secret;

/// A call of Amazon's client that did not end well.
pub type Failed<E> = SdkError<E, HttpResponse>;

/// Everything between settings and the first order.
pub struct Session {
    runtime: Runtime,
    client: Client,
    net: Arc<net::Client>,
    withheld: Vec<Secret>,
    described: Shared<Described>,
    /// Whose key signs the requests: an access key id is no secret.
    pub access_key_id: String,
}

/// What DescribeCertificateAuthority tells.
pub struct Described {
    pub signing_algorithm: Option<String>,
    pub status: String,
    pub not_after: Option<OffsetDateTime>,
    /// Issues for seven days at the most.
    pub short_lived: bool,
    pub date: Option<OffsetDateTime>,
}

impl Session {
    /// Finds credentials and makes the client; the CA itself is not asked yet.
    pub fn open(settings: &Checked, deadline: Instant) -> Result<Self, AuthorityError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error::no_credentials(&error.to_string()))?;
        let (given, withheld) = given_credentials(settings)?;
        let (config, credentials) = runtime
            .block_on(async { timeout_at(deadline.into(), log_in(settings, given)).await })
            .unwrap_or_else(|_| Err(error::credentials_too_late()))?;
        let Reached { client: net, .. } = settings.connection.open(None, None)?;
        let mut own = aws_sdk_acmpca::config::Builder::from(&config)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .credentials_provider(credentials.clone());
        if settings.own_endpoint {
            own.set_endpoint_url(Some(settings.connection.url.to_string()));
        }
        Ok(Self {
            runtime,
            client: Client::from_conf(own.build()),
            net: Arc::new(net),
            withheld,
            described: Shared::default(),
            access_key_id: credentials.access_key_id().to_owned(),
        })
    }

    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// A transport that ends by the deadline and keeps the clock of the answer.
    pub fn transport(&self, deadline: Instant) -> Transport {
        Transport::new(Arc::clone(&self.net), self.withheld.clone(), deadline)
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Asks again while the answer is one that passes.
    pub fn ask<T, E, F>(&self, waits: &mut Waits, ask: impl Fn() -> F) -> Result<T, Box<Failed<E>>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, Failed<E>>>,
    {
        let mut faults = 0;
        loop {
            let error = match self.block_on(ask()) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error::passes(&error, &mut faults) {
                Some(reason) if waits.pause(None, reason).is_ok() => {}
                _ => return Err(Box::new(error)),
            }
        }
    }

    /// What the CA says of itself: asked once.
    pub fn described(
        &self,
        settings: &Checked,
        deadline: Instant,
    ) -> Result<Arc<Described>, AuthorityError> {
        self.described.get(|| {
            let transport = self.transport(deadline);
            let answer = self.ask(&mut settings.waits(deadline), || {
                self.client
                    .describe_certificate_authority()
                    .certificate_authority_arn(&settings.arn.text)
                    .customize()
                    .config_override(over(&transport))
                    .send()
            });
            let answer = answer.map_err(|e| error::failed("DescribeCertificateAuthority", &e))?;
            answer
                .certificate_authority()
                .map(|ca| Described::read(ca, transport.date()))
                .ok_or_else(|| empty("DescribeCertificateAuthority"))
        })
    }
}

/// An answer that is right by its status and says nothing.
pub fn empty(what: &str) -> AuthorityError {
    unusable(what, "it lacks the expected content")
}

pub fn unusable(what: &str, reason: &str) -> AuthorityError {
    AuthorityError::Unusable(Box::new(
        Finding::error(
            answer::UNUSABLE,
            format!("the answer to {what} is unusable: {reason}"),
        )
        .hint("check that url is an endpoint of AWS Private CA, and that no proxy or portal answers in its place"),
    ))
}

/// One operation by one transport.
pub fn over(transport: &Transport) -> Builder {
    Builder::new().http_client(transport.clone())
}

fn given_credentials(
    settings: &Checked,
) -> Result<(Option<Credentials>, Vec<Secret>), AuthorityError> {
    let Some((id, source)) = &settings.key else {
        return Ok((None, Vec::new()));
    };
    let secret = read_secret(source)?;
    let token = settings
        .session_token
        .as_ref()
        .map(read_secret)
        .transpose()?;
    let text = |secret: &Secret| {
        secret
            .expose_str()
            .map(str::to_owned)
            .map_err(|error| error::no_credentials(&error.to_string()))
    };
    let credentials = Credentials::new(
        id,
        text(&secret)?,
        token.as_ref().map(text).transpose()?,
        None,
        "certbake.toml",
    );
    let withheld = std::iter::once(secret).chain(token).collect();
    Ok((Some(credentials), withheld))
}

async fn log_in(
    settings: &Checked,
    given: Option<Credentials>,
) -> Result<(SdkConfig, Credentials), AuthorityError> {
    let config = load(settings, given).await?;
    let chain = config
        .credentials_provider()
        .ok_or_else(|| error::no_credentials("the chain is empty"))?;
    let credentials = chain
        .provide_credentials()
        .await
        .map_err(|e| error::without_credentials(&e))?;
    Ok((config, credentials))
}

async fn load(settings: &Checked, given: Option<Credentials>) -> Result<SdkConfig, AuthorityError> {
    let chain = ChainTransport::new(settings.connection.proxy()?);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.arn.region.clone()))
        .http_client(chain);
    if settings.use_fips {
        loader = loader.use_fips(true);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(given) = given {
        loader = loader.credentials_provider(given);
    }
    Ok(loader.load().await)
}

impl Described {
    fn read(ca: &CertificateAuthority, date: Option<OffsetDateTime>) -> Self {
        Self {
            signing_algorithm: ca
                .certificate_authority_configuration()
                .map(|configuration| configuration.signing_algorithm().as_str().to_owned()),
            status: ca
                .status()
                .map_or_else(String::new, |status| status.as_str().to_owned()),
            not_after: ca
                .not_after()
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok()),
            short_lived: ca.usage_mode()
                == Some(&CertificateAuthorityUsageMode::ShortLivedCertificate),
            date,
        }
    }
}
