//! One-time tokens (RFC 7519) as step-ca takes them: made here by a provisioner's key, or made by
//! somebody else and looked at before they are spent.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::clocks::Clocks;
use super::given::Given;
use crate::authority::jws::{Signer, SignerError};
use crate::authority::random::random;
use crate::authority::{AuthorityError, Order};
use crate::finding::{Code, Finding};
use crate::pki::{AltName, digest};
use crate::secret::Secret;

pub const UNUSABLE: Code = Code::new("ca-token-unusable");

/// What `step ca token` gives too.
const LIFE: Duration = Duration::minutes(5);

/// The CA's own leeway for dates (`ValidateWithLeeway` in its provisioners).
pub const LEEWAY: Duration = Duration::MINUTE;

/// The claims that are set here, or matter of a token made elsewhere.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sans: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// RFC 7800; the member binds the token to one request: SHA-256 of its DER, base64url.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Confirmation {
    #[serde(rename = "x5rt#S256")]
    pub request: Option<String>,
}

/// A token and what it says. Nobody has verified it, and nobody here needs to.
pub struct Token {
    pub text: Secret,
    pub claims: Claims,
}

/// What a token is for.
pub struct Purpose<'a> {
    /// `https://ca:9000/1.0/sign`.
    pub audience: String,
    pub subject: String,
    pub sans: Option<Vec<String>>,
    /// DER.
    pub request: Option<&'a [u8]>,
}

impl<'a> Purpose<'a> {
    /// The CA puts the token's names, not the request's, into the certificate. Without any it would
    /// add the subject as a DNS name; one empty name, which it passes over, says that none is wanted.
    ///
    /// # Errors
    /// An order without any name: a token has to have a subject.
    pub fn order(audience: String, order: &'a Order) -> Result<Self, AuthorityError> {
        let mut sans: Vec<String> = order.request.names.iter().map(bare).collect();
        let common_name = order.request.subject.common_name.as_ref();
        let Some(subject) = common_name.or(sans.first()).cloned() else {
            return Err(unusable(
                "step-ca needs a subject, and the order has neither a common name nor another name",
                "set common_name",
            ));
        };
        if sans.is_empty() {
            sans.push(String::new());
        }
        Ok(Self {
            audience,
            subject,
            sans: Some(sans),
            request: Some(order.request.der()),
        })
    }
}

/// A name as tokens hold it: the CA tells the kinds apart by their form.
fn bare(name: &AltName) -> String {
    match name {
        AltName::Dns(text) | AltName::Uri(text) | AltName::Email(text) | AltName::Other(text) => {
            text.clone()
        }
        AltName::Ip(address) => address.to_string(),
    }
}

/// Where tokens come from.
pub enum Bearer {
    /// A provisioner's key.
    Signed(Box<Signed>),
    /// Somebody else.
    Given(Given),
    /// There is none: the client certificate is the login.
    Certificate,
}

pub struct Signed {
    pub signer: Signer,
    /// The provisioner's name.
    pub issuer: String,
    /// `kid`, or `x5c` with the chain.
    pub header: Vec<(&'static str, Value)>,
    /// By which the CA finds an X5C provisioner; empty for JWK.
    pub fragment: String,
}

impl Bearer {
    /// How we present ourselves, for errors.
    pub fn in_words(&self) -> String {
        match self {
            Self::Signed(signed) => format!("a token of the provisioner \"{}\"", signed.issuer),
            Self::Given(given) if given.is_id_token => "an id token".to_owned(),
            Self::Given(_) => "a ready-made token".to_owned(),
            Self::Certificate => "the current certificate".to_owned(),
        }
    }

    /// A token that no attempt has used yet.
    ///
    /// # Errors
    /// [`AuthorityError::Settings`] when none is to be had.
    pub fn mint(&self, purpose: &Purpose<'_>, clocks: &Clocks) -> Result<Token, AuthorityError> {
        match self {
            Self::Signed(signed) => signed.mint(purpose, clocks),
            Self::Given(given) => given.read(purpose, clocks),
            Self::Certificate => Err(unusable(
                "there is no key to make a token with",
                "give password (a JWK provisioner) or x5c_certificate",
            )),
        }
    }
}

impl Signed {
    fn mint(&self, purpose: &Purpose<'_>, clocks: &Clocks) -> Result<Token, AuthorityError> {
        let failed = |error: SignerError| {
            unusable(
                &format!("a token could not be signed: {error}"),
                "retry: the system's random number generator failed",
            )
        };
        let random = random::<32>("a token needs a number of its own")?;
        let now = clocks.there();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: purpose.subject.clone(),
            aud: vec![format!("{}{}", purpose.audience, self.fragment)],
            sans: purpose.sans.clone(),
            iat: Some(now.unix_timestamp()),
            nbf: Some(now.unix_timestamp()),
            exp: Some(now.saturating_add(LIFE).unix_timestamp()),
            jti: HEXLOWER.encode(&random),
            cnf: purpose.request.map(|der| Confirmation {
                request: Some(BASE64URL_NOPAD.encode(&digest::sha256(der))),
            }),
        };
        let json = serde_json::to_value(&claims).unwrap_or_default();
        let text = self.signer.token(&self.header, &json).map_err(failed)?;
        Ok(Token { text, claims })
    }
}

impl Token {
    /// What the token says of itself; never the token.
    pub fn facts(&self, finding: Finding) -> Finding {
        let claims = &self.claims;
        let mut finding = finding
            .fact("token_issuer", claims.iss.clone())
            .fact("token_subject", claims.sub.clone())
            .fact("token_audience", claims.aud.clone());
        if let Some(sans) = &claims.sans {
            finding = finding.fact("token_names", sans.clone());
        }
        for (name, seconds) in [
            ("token_issued_at", claims.iat),
            ("token_expires_at", claims.exp),
        ] {
            let at = seconds.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
            if let Some(at) = at {
                finding = finding.instant(name, at);
            }
        }
        finding
    }
}

pub fn unusable(summary: &str, hint: &str) -> AuthorityError {
    AuthorityError::Settings(Box::new(Finding::error(UNUSABLE, summary).hint(hint)))
}

/// RFC 7519 section 4.1.3: a string, or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

/// RFC 7519 section 2, `NumericDate`: it may have a fraction.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a date far outside is no date"
    )]
    Ok(number.and_then(|number| {
        number
            .as_i64()
            .or_else(|| number.as_f64().map(|seconds| seconds as i64))
    }))
}
