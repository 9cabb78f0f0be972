//! The settings of `kind = "aws-pca"`, checked: which private CA, in which region, by which template.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::authority::connection::{Connection, key_pair, wrong};
use crate::authority::waits::Waits;
use crate::authority::{Settings, SettingsError};
use crate::secret_source::SecretSource;

/// First wait for a certificate, and the longest between two looks (Amazon's own waiter uses 1 s).
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// `[ca.<name>]` with `kind = "aws-pca"`, beside the keys of the connection. `url` stands in for the
/// region's endpoint: a VPC endpoint, say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The private CA: `arn:aws:acm-pca:REGION:ACCOUNT:certificate-authority/ID`.
    pub certificate_authority: String,
    /// `EndEntityClientAuthCertificate/V1` and the like, or a template's full ARN. Default: the one for
    /// the identity's usage.
    pub template: Option<String>,
    /// Such as `SHA256WITHECDSA`; without it, certbake asks the CA.
    pub signing_algorithm: Option<String>,
    /// A profile of the AWS configuration. Without it, `AWS_PROFILE`, then the usual chain.
    pub profile: Option<String>,
    /// An access key to use instead of the chain.
    pub access_key_id: Option<String>,
    /// Where the secret of that key comes from.
    pub secret_access_key: Option<SecretSource>,
    /// Session token, for temporary credentials.
    pub session_token: Option<SecretSource>,
    /// Use endpoints validated under FIPS 140 [default: false].
    #[serde(default)]
    pub use_fips: bool,
}

/// The settings, checked.
pub struct Checked {
    pub name: String,
    pub connection: Connection,
    /// Whether `url` was given, or the region's endpoint counts.
    pub own_endpoint: bool,
    pub arn: Arn,
    pub template: Option<String>,
    pub signing_algorithm: Option<String>,
    pub profile: Option<String>,
    /// Key id and where its secret comes from, where the chain is not asked.
    pub key: Option<(String, SecretSource)>,
    pub session_token: Option<SecretSource>,
    pub use_fips: bool,
}

/// The name of a private CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arn {
    pub text: String,
    /// `aws`, `aws-cn`, `aws-us-gov`
    pub partition: String,
    pub region: String,
}

impl Checked {
    pub fn read(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let words: Words = settings.own()?;
        let arn = Arn::parse(&words.certificate_authority)
            .map_err(|reason| wrong("certificate_authority", reason))?;
        let endpoint = format!("https://acm-pca.{}.{}", arn.region, arn.domain());
        let connection = Connection::read_public(settings, &endpoint)?;
        let key = key_pair(
            settings,
            words.access_key_id,
            words.secret_access_key,
            ["access_key_id", "secret_access_key"],
        )?;
        if words.session_token.is_some() && key.is_none() {
            return Err(wrong(
                "session_token",
                "access_key_id and secret_access_key need it, and it is not given",
            ));
        }
        if key.is_some() && words.profile.is_some() {
            return Err(wrong(
                "profile",
                "access_key_id is also given: give only one of them",
            ));
        }
        Ok(Self {
            name: settings.name.to_owned(),
            own_endpoint: settings.table.contains_key("url"),
            template: words.template.map(|template| arn.template(&template)),
            signing_algorithm: words
                .signing_algorithm
                .as_deref()
                .map(signing_algorithm)
                .transpose()?,
            profile: words.profile,
            key,
            session_token: words
                .session_token
                .map(|source| source.relative_to(settings.directory)),
            use_fips: words.use_fips,
            connection,
            arn,
        })
    }

    /// Between two questions about the same thing.
    pub fn waits(&self, deadline: Instant) -> Waits {
        let waits = self.connection.teller().waits(deadline);
        waits.between(FIRST_LOOK, LONGEST_WAIT)
    }

    /// Where the credentials come from, those of the chain apart.
    pub fn secrets(&self) -> Vec<SecretSource> {
        let mut secrets = self.connection.secrets();
        secrets.extend(self.key.iter().map(|(_, source)| source.clone()));
        secrets.extend(self.session_token.clone());
        secrets
    }
}

impl Arn {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "write arn:aws:acm-pca:REGION:ACCOUNT:certificate-authority/ID";
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "acm-pca", region, account, resource] = parts[..] else {
            return Err(SHAPE);
        };
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let id = resource
            .strip_prefix("certificate-authority/")
            .ok_or(SHAPE)?;
        if ![partition, region, account, id].into_iter().all(plain) {
            return Err(SHAPE);
        }
        Ok(Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
        })
    }

    fn domain(&self) -> &'static str {
        if self.partition == "aws-cn" {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        }
    }

    /// The ARN of one of AWS's own templates
    /// (<https://docs.aws.amazon.com/privateca/latest/userguide/UsingTemplates.html>).
    pub fn template(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            name.to_owned()
        } else {
            format!("arn:{}:acm-pca:::template/{name}", self.partition)
        }
    }
}

fn signing_algorithm(text: &str) -> Result<String, SettingsError> {
    use aws_sdk_acmpca::types::SigningAlgorithm;
    let upper = text.to_ascii_uppercase();
    SigningAlgorithm::try_parse(&upper)
        .map(|_| upper)
        .map_err(|_| {
            wrong(
                "signing_algorithm",
                format!(
                    "it must be one of {}",
                    SigningAlgorithm::values().join(", ")
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0a1b-2c";

    #[test]
    fn an_arn_names_its_region_and_its_templates() {
        let arn = Arn::parse(CA).unwrap();
        assert_eq!(arn.region, "eu-central-1");
        assert_eq!(
            arn.template("EndEntityClientAuthCertificate/V1"),
            "arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"
        );
        let china = Arn::parse(&CA.replace("arn:aws:", "arn:aws-cn:")).unwrap();
        assert_eq!(china.domain(), "amazonaws.com.cn");
        assert!(china.template("X/V1").starts_with("arn:aws-cn:"));
    }

    #[test]
    fn what_is_no_arn_of_a_private_ca_is_refused() {
        for text in [
            "",
            "0a1b-2c",
            "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b",
            "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/",
            "arn:aws:acm-pca:ev.il/:123456789012:certificate-authority/x",
        ] {
            assert!(Arn::parse(text).is_err(), "{text}");
        }
    }
}
