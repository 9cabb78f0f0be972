//! AWS Private CA: IssueCertificate, GetCertificate, DescribeCertificateAuthority and
//! RevokeCertificate, through Amazon's own client
//! (<https://docs.aws.amazon.com/privateca/latest/APIReference/Welcome.html>).

mod error;
mod session;
mod settings;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_acmpca::primitives::Blob;
use aws_sdk_acmpca::types::{RevocationReason, SigningAlgorithm, Validity, ValidityPeriodType};

use self::session::{Described, Session, empty, over};
use self::settings::{Checked, Words};
use self::transport::Transport;
use super::clock::Clock;
use super::foresight::TTL_NOT_ALLOWED;
use super::random::random;
use super::shared::Shared;
use super::{
    Ability, Authority, AuthorityError, Current, Depth, Entry, Issued, Opened, Order, Preflight,
    Reason, Renew, Revocation, Revoke, Settings, SettingsError, answer, delivered, foresight,
    received, with_connection,
};
use crate::finding::{Code, Finding, rfc3339};
use crate::outcome::AuthorityPlace;
use crate::span::Span;

pub const CA_STATE: Code = Code::new("aws-ca-state");

/// The row of the catalogue.
pub const ENTRY: Entry = Entry {
    kind: "aws-pca",
    summary: "AWS Private CA, logged in by whatever the AWS chain finds",
    abilities: &[Ability::Renew, Ability::Preflight, Ability::Revoke],
    open,
    schema: || with_connection(schemars::schema_for!(Words)),
};

/// Of a CA in short-lived mode.
const SHORT_LIVED: Span = Span::seconds(7 * 86_400);

fn open(settings: &Settings<'_>) -> Result<Opened, SettingsError> {
    let pca = Arc::new(AwsPca {
        settings: Checked::read(settings)?,
        clock: Clock::of_run(settings),
        session: Shared::default(),
    });
    Ok(Opened {
        secrets: pca.settings.secrets(),
        authority: pca.clone(),
        renew: Some(pca.clone()),
        preflight: Some(pca.clone()),
        revoke: Some(pca),
        finish: None,
        keys_in: None,
    })
}

/// A private CA of AWS and what has been learnt from it.
struct AwsPca {
    settings: Checked,
    clock: Clock,
    session: Shared<Session>,
}

impl AwsPca {
    fn session(&self, deadline: Instant) -> Result<Arc<Session>, AuthorityError> {
        let open = || Session::open(&self.settings, deadline);
        self.session.get(open)
    }

    /// AWS wants to be told; the CA knows which fits its key.
    fn signing_algorithm(
        &self,
        session: &Session,
        deadline: Instant,
    ) -> Result<SigningAlgorithm, AuthorityError> {
        let name = match &self.settings.signing_algorithm {
            Some(name) => name.clone(),
            None => session
                .described(&self.settings, deadline)?
                .signing_algorithm
                .clone()
                .ok_or_else(|| empty("DescribeCertificateAuthority"))?,
        };
        Ok(SigningAlgorithm::from(name.as_str()))
    }

    fn template(&self, order: &Order) -> String {
        self.settings.template.clone().unwrap_or_else(|| {
            let name = match order.request.usage {
                crate::pki::Usage::Client => "EndEntityClientAuthCertificate/V1",
                crate::pki::Usage::Server => "EndEntityServerAuthCertificate/V1",
            };
            self.settings.arn.template(name)
        })
    }

    /// The end asked for. Days would be rounded, and nothing below one could be said.
    fn validity(&self, order: &Order) -> Result<Validity, AuthorityError> {
        let ttl = order.ttl.ok_or_else(ttl_needed)?;
        let end = self.clock.now() + ttl.duration();
        Validity::builder()
            .r#type(ValidityPeriodType::Absolute)
            .value(end.unix_timestamp())
            .build()
            .map_err(|_| ttl_needed())
    }

    fn order(
        &self,
        session: &Session,
        transport: &Transport,
        order: &Order,
        algorithm: SigningAlgorithm,
    ) -> Result<String, AuthorityError> {
        let client = session.client();
        // The same for every attempt: a repeated order is answered with the same certificate.
        let token =
            data_encoding::HEXLOWER.encode(&random::<16>("an order needs a token of its own")?);
        let csr = order.request.pem();
        let validity = self.validity(order)?;
        let answer = session.ask(&mut self.settings.waits(order.deadline), || {
            client
                .issue_certificate()
                .certificate_authority_arn(&self.settings.arn.text)
                .csr(Blob::new(csr.as_bytes()))
                .signing_algorithm(algorithm.clone())
                .template_arn(self.template(order))
                .validity(validity.clone())
                .idempotency_token(&token)
                .customize()
                .config_override(over(transport))
                .send()
        });
        answer
            .map_err(|e| error::failed("IssueCertificate", &e))?
            .certificate_arn()
            .map(str::to_owned)
            .ok_or_else(|| empty("IssueCertificate"))
    }

    /// The certificate and its chain, PEM, once the CA has signed.
    fn fetch(
        &self,
        session: &Session,
        transport: &Transport,
        arn: &str,
        deadline: Instant,
    ) -> Result<String, AuthorityError> {
        let client = session.client();
        let mut waits = self.settings.waits(deadline);
        loop {
            let answer = session.ask(&mut waits, || {
                client
                    .get_certificate()
                    .certificate_authority_arn(&self.settings.arn.text)
                    .certificate_arn(arn)
                    .customize()
                    .config_override(over(transport))
                    .send()
            });
            match answer {
                Ok(answer) => {
                    let leaf = answer
                        .certificate()
                        .ok_or_else(|| empty("GetCertificate"))?;
                    let chain = answer.certificate_chain().unwrap_or_default();
                    return Ok(format!("{leaf}\n{chain}\n"));
                }
                Err(e) if error::exception(&e) == Some("RequestInProgressException") => {
                    let waited = waits.pause(None, "it has not signed yet");
                    waited.map_err(|wait| pending(waits.asked, wait))?;
                }
                Err(e) => return Err(error::failed("GetCertificate", &e)),
            }
        }
    }
}

impl Authority for AwsPca {
    fn issue(&self, order: &Order) -> Result<Issued, AuthorityError> {
        let session = self.session(order.deadline)?;
        let algorithm = self.signing_algorithm(&session, order.deadline)?;
        let transport = session.transport(order.deadline);
        let arn = self.order(&session, &transport, order, algorithm)?;
        let text = self.fetch(&session, &transport, &arn, order.deadline)?;
        // The chain ends in the root, which is no part of it and which AWS vouches for.
        let issued = received::certificates(text.as_bytes())
            .and_then(|certificates| received::issued(certificates, order.request.spki()))
            .map_err(|reason| session::unusable("GetCertificate", &reason))?;
        Ok(Issued {
            date: transport.date(),
            ..issued
        })
    }

    fn place(&self) -> AuthorityPlace {
        AuthorityPlace {
            kind: ENTRY.kind.to_owned(),
            name: self.settings.name.clone(),
            place: self.settings.arn.text.clone(),
        }
    }
}

/// AWS knows no renewal of its own: one more order with the same login.
impl Renew for AwsPca {
    fn renew(&self, order: &Order, _: &Current<'_>) -> Result<Issued, AuthorityError> {
        self.issue(order)
    }
}

impl Preflight for AwsPca {
    fn preflight(&self, order: &Order, depth: Depth) -> Result<Vec<Finding>, AuthorityError> {
        if order.ttl.is_none() {
            return Err(ttl_needed());
        }
        let session = self.session(order.deadline)?;
        // Asked for its algorithm anyway; where that is set, the login may not be allowed to ask.
        if depth == Depth::Order && self.settings.signing_algorithm.is_some() {
            return Ok(Vec::new());
        }
        let described = session.described(&self.settings, order.deadline)?;
        let mut findings = self.limits(&described, order);
        if depth == Depth::Whole {
            let login = format!("the access key {}", session.access_key_id);
            let looked_at = ["login", "state of the CA", "its end and its mode"];
            findings.push(foresight::answers(&login, described.date, &looked_at));
        }
        Ok(findings)
    }
}

impl AwsPca {
    fn limits(&self, ca: &Described, order: &Order) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !matches!(ca.status.as_str(), "ACTIVE" | "") {
            findings.push(
                Finding::error(
                    CA_STATE,
                    format!("the CA is {} and does not sign", ca.status),
                )
                .fact("status", ca.status.clone())
                .hint("enable it, or install its certificate, in the AWS console"),
            );
        }
        let Some(ttl) = order.ttl else {
            return findings;
        };
        if ca.short_lived && ttl > SHORT_LIVED {
            findings.push(
                Finding::error(
                    TTL_NOT_ALLOWED,
                    format!("a ttl of {ttl} is requested, but this CA is in short-lived mode: it issues for {SHORT_LIVED} at most"),
                )
                .fact("ttl_seconds", ttl.as_seconds())
                .fact("longest_seconds", SHORT_LIVED.as_seconds())
                .hint(format!("ask for {SHORT_LIVED} or less, or use a CA in general-purpose mode")),
            );
        }
        if let Some(end) = ca.not_after
            && self.clock.now() + ttl.duration() > end
        {
            findings.push(
                Finding::error(
                    TTL_NOT_ALLOWED,
                    format!(
                        "a ttl of {ttl} is requested, but the CA itself expires {}",
                        rfc3339(end)
                    ),
                )
                .fact("ttl_seconds", ttl.as_seconds())
                .instant("ca_not_after", end)
                .hint("ask for a shorter ttl, or have the CA's certificate renewed"),
            );
        }
        findings
    }
}

impl Revoke for AwsPca {
    fn revoke(&self, revocation: &Revocation<'_>) -> Result<Vec<Finding>, AuthorityError> {
        let session = self.session(revocation.deadline)?;
        let (client, transport) = (session.client(), session.transport(revocation.deadline));
        let reason = match revocation.reason {
            Reason::Unspecified => RevocationReason::Unspecified,
            Reason::KeyCompromise => RevocationReason::KeyCompromise,
            Reason::Superseded => RevocationReason::Superseded,
            Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        };
        let answer = session.ask(&mut self.settings.waits(revocation.deadline), || {
            client
                .revoke_certificate()
                .certificate_authority_arn(&self.settings.arn.text)
                .certificate_serial(&revocation.certificate.facts().serial)
                .revocation_reason(reason.clone())
                .customize()
                .config_override(over(&transport))
                .send()
        });
        match answer {
            Ok(_) => Ok(Vec::new()),
            Err(e) if error::exception(&e) == Some("RequestAlreadyProcessedException") => {
                Ok(Vec::new())
            }
            Err(e) => Err(error::failed("RevokeCertificate", &e)),
        }
    }
}

fn ttl_needed() -> AuthorityError {
    answer::ttl_needed("AWS Private CA")
}

fn pending(asked: u32, wait: Duration) -> AuthorityError {
    let summary = "the CA accepted the order but did not sign it before the deadline";
    AuthorityError::Unreachable(Box::new(
        delivered::pending(summary, asked, wait)
            .hint("give the order a longer deadline; AWS usually signs within seconds"),
    ))
}
